//! `firn inbox review`: the report card of an upload.

use crate::error::EngineError;
use crate::inbox::checked::{Found, check, find, open, verified};
use crate::inbox::license_of;
use crate::inbox::place::Upload;
use crate::inbox::records::Seal;
use crate::settings::Engine;
use crate::verify::VerifyReport;
use firn_model::diagnose::{Diagnose, shell_word};
use firn_model::source::ListedObject;
use firn_model::upload::{StoreFormat, StoreRoot, find_stores, is_record, store_of};

/// Objects without a store that are listed; more of them are counted.
const SHOWN: usize = 20;

/// What an upload is worth.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct ReviewReport {
    /// The upload.
    pub upload: String,
    /// Whether it can be promoted as it is.
    pub ok: bool,
    /// Its seal.
    pub seal: Option<Seal>,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Why it would be refused.
    pub problems: Vec<Problem>,
    /// Its stores.
    pub stores: Vec<ReviewedStore>,
    /// Objects that belong to no store, and are published as they are.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Some of them.
    pub file_examples: Vec<String>,
    /// Records of firn that lie in the stores and are not published.
    pub left_out: u64,
    /// The next command.
    pub next: String,
}

/// What is wrong, with the code that `firn explain` knows.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Problem {
    /// Stable code.
    pub code: &'static str,
    /// What.
    pub what: String,
}

impl Problem {
    fn of(error: &EngineError) -> Self {
        Self { code: error.code(), what: error.to_string() }
    }
}

/// A store of an upload.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct ReviewedStore {
    /// Its key in the upload; empty where the upload is the store.
    pub key: String,
    /// Its format.
    pub format: StoreFormat,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Names of its variables.
    pub variables: Vec<String>,
    /// Its licence, by its attributes.
    pub license: Option<String>,
    /// Why it does not open.
    pub problem: Option<Problem>,
    /// What verification says: chunks, coordinates, CF, decoding of some.
    pub verification: Option<VerifyReport>,
}

/// Looks at an upload; changes nothing.
///
/// # Errors
/// Where there is none; what the storage says. What is wrong with it is the answer.
pub fn inbox_review(engine: &Engine, name: &str) -> Result<ReviewReport, EngineError> {
    let upload = Upload::parse(engine, name)?;
    let found = match find(engine, &upload) {
        Ok(found) => found,
        Err(error @ EngineError::Upload(_)) => return Ok(unlistable(&upload, &error)),
        Err(error) => return Err(error),
    };
    if found.seal.is_none() && found.listed.is_empty() {
        return Err(upload.not_found());
    }
    let Found { seal, listed, .. } = &found;
    let (seal, listed) = (seal.clone(), listed.clone());
    let stores = find_stores(listed.iter().map(|object| object.key.as_str()));
    let mut problems = match check(engine, &upload, found) {
        Ok(_) => Vec::new(),
        Err(error @ (EngineError::Upload(_) | EngineError::Several { .. })) => {
            error.single().into_iter().map(Problem::of).collect()
        }
        Err(error) => return Err(error),
    };
    let mut reviewed = Vec::new();
    for store in &stores {
        engine.cancel.check()?;
        let own: Vec<(&str, &ListedObject)> = of_store(&listed, store).collect();
        let mut card = review(engine, &upload, store, own.iter().map(|(key, _)| *key));
        (card.objects, card.bytes) =
            own.into_iter().fold((0, 0), |(n, sum), (_, object)| (n + 1, sum + object.version.size));
        problems.extend(card.problem.clone());
        reviewed.push(card);
    }
    let left_out = listed.iter().filter(|object| is_record(&object.key)).count() as u64;
    let is_file = |key: &str| !is_record(key) && store_of(&stores, key).is_none();
    let files: Vec<_> = listed.iter().filter(|object| is_file(&object.key)).collect();
    let verified = |store: &ReviewedStore| store.verification.as_ref().is_none_or(|report| report.ok);
    let ok = problems.is_empty() && reviewed.iter().all(verified);
    let name = shell_word(&upload.text());
    let next = match (&seal, ok) {
        (None, _) => format!("firn seal {name}"),
        (Some(_), true) => format!("firn inbox promote {name} --to LOCATION"),
        (Some(_), false) => "ask the producer to mend it, push it to another name and seal that".to_owned(),
    };
    Ok(ReviewReport {
        upload: upload.text(),
        ok,
        seal,
        objects: listed.len() as u64,
        bytes: listed.iter().map(|object| object.version.size).sum(),
        problems,
        stores: reviewed,
        files: files.len() as u64,
        file_bytes: files.iter().map(|object| object.version.size).sum(),
        file_examples: files.iter().take(SHOWN).map(|object| object.key.clone()).collect(),
        left_out,
        next,
    })
}

/// The report card of an upload whose listing cannot even be read.
fn unlistable(upload: &Upload, error: &EngineError) -> ReviewReport {
    ReviewReport {
        upload: upload.text(),
        ok: false,
        seal: None,
        objects: 0,
        bytes: 0,
        problems: vec![Problem::of(error)],
        stores: Vec::new(),
        files: 0,
        file_bytes: 0,
        file_examples: Vec::new(),
        left_out: 0,
        next: "remove or rename that object with the tool that wrote it".to_owned(),
    }
}

/// The objects of a store, each with its key in it; the listing is in the order of the keys.
fn of_store<'l>(listed: &'l [ListedObject], store: &StoreRoot) -> impl Iterator<Item = (&'l str, &'l ListedObject)> {
    let below = if store.key.is_empty() { String::new() } else { format!("{}/", store.key) };
    let first = listed.partition_point(|object| object.key.as_str() < below.as_str());
    listed[first..].iter().map_while(move |object| Some((object.key.strip_prefix(&below)?, object)))
}

fn review<'k>(
    engine: &Engine,
    upload: &Upload,
    store: &StoreRoot,
    keys: impl Iterator<Item = &'k str>,
) -> ReviewedStore {
    let card = ReviewedStore {
        key: store.key.clone(),
        format: store.format,
        objects: 0,
        bytes: 0,
        variables: Vec::new(),
        license: None,
        problem: None,
        verification: None,
    };
    let opened = open(engine, upload, store, keys).and_then(|view| Ok((verified(engine, &view)?, view)));
    match opened {
        Err(error) => ReviewedStore { problem: Some(Problem::of(&error)), ..card },
        Ok((verification, view)) => ReviewedStore {
            variables: view.dataset.arrays().map(|(path, _)| path.to_string()).collect(),
            license: license_of(&view),
            verification: Some(verification),
            ..card
        },
    }
}
