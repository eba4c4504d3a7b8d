//! `firn inbox list`: what lies in an inbox.

use crate::error::EngineError;
use crate::inbox::checked::{objects, refuse_links};
use crate::inbox::place::{RECORDS, Upload, inbox_of};
use crate::inbox::records::{Records, Seal};
use crate::settings::Engine;
use firn_model::upload::find_stores;
use firn_storage::ObjectUrl;
use std::collections::BTreeSet;

/// Deepest names that are looked for: `user/dataset`.
const DEEPEST: usize = 3;

/// What lies in an inbox.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct InboxList {
    /// The inbox.
    pub inbox: String,
    /// Its uploads, by name.
    pub uploads: Vec<ListedUpload>,
}

/// An upload.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct ListedUpload {
    /// `INBOX/NAME`.
    pub upload: String,
    /// `open`, `pushing` where a push did not end yet, `sealed`, or `refused` where its keys cannot be listed.
    pub state: &'static str,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Zarr stores.
    pub stores: u64,
    /// When it was sealed, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<String>,
}

/// Lists an inbox.
///
/// # Errors
/// Where it is none; what the storage says.
pub fn inbox_list(engine: &Engine, inbox: &str) -> Result<InboxList, EngineError> {
    let (inbox, key) = inbox_of(engine, inbox)?;
    let mut uploads = Vec::new();
    for name in names(engine, &inbox, &key, DEEPEST)? {
        engine.cancel.check()?;
        let upload = Upload::parse(engine, &format!("{inbox}/{name}"))?;
        uploads.push(listed(engine, &upload)?);
    }
    Ok(InboxList { inbox, uploads })
}

/// The names below a key. A folder is one upload, unless records of uploads lie in it.
fn names(engine: &Engine, inbox: &str, key: &str, depth: usize) -> Result<BTreeSet<String>, EngineError> {
    let level = engine.storage.list_level(&ObjectUrl::named(inbox, key)?)?;
    let mut found = BTreeSet::new();
    for folder in level.prefixes {
        let name = if key.is_empty() { folder.clone() } else { format!("{key}/{folder}") };
        if let Some(recorded) = name.strip_suffix(RECORDS).filter(|name| !name.is_empty() && !name.ends_with('/')) {
            found.insert(recorded.to_owned());
        } else if !folder.starts_with(RECORDS) {
            let inner = if depth > 1 { names_of_records(engine, inbox, &name, depth - 1)? } else { BTreeSet::new() };
            if inner.is_empty() {
                found.insert(name);
            } else {
                found.extend(inner);
            }
        }
    }
    Ok(found)
}

fn names_of_records(engine: &Engine, inbox: &str, key: &str, depth: usize) -> Result<BTreeSet<String>, EngineError> {
    let level = engine.storage.list_level(&ObjectUrl::named(inbox, key)?)?;
    let is_recorded = |name: &&String| name.ends_with(RECORDS) && name.len() > RECORDS.len();
    if level.prefixes.iter().any(|name| is_recorded(&name)) {
        names(engine, inbox, key, depth)
    } else {
        Ok(BTreeSet::new())
    }
}

/// An upload whose objects cannot be listed: `firn inbox review` says why.
fn refused(upload: &Upload, seal: Option<Seal>) -> ListedUpload {
    let sealed = seal.map(|seal| seal.sealed);
    ListedUpload { upload: upload.text(), state: "refused", objects: 0, bytes: 0, stores: 0, sealed }
}

fn listed(engine: &Engine, upload: &Upload) -> Result<ListedUpload, EngineError> {
    let runtime = engine.storage.runtime();
    let records = Records::new(engine, upload)?;
    let seal = runtime.block_on(records.seal())?;
    // One upload with keys that cannot be read hides no other.
    let objects = match refuse_links(engine, upload)
        .and_then(|()| objects(engine, upload, &engine.storage.prefix(&upload.url)?))
    {
        Ok(objects) => objects,
        Err(EngineError::Upload(_)) => return Ok(refused(upload, seal)),
        Err(error) => return Err(error),
    };
    let pushing =
        || -> Result<bool, EngineError> { Ok(runtime.block_on(records.pushes())?.values().any(|push| !push.complete)) };
    let state = if seal.is_some() {
        "sealed"
    } else if pushing()? {
        "pushing"
    } else {
        "open"
    };
    Ok(ListedUpload {
        upload: upload.text(),
        state,
        objects: objects.len() as u64,
        bytes: objects.iter().map(|object| object.version.size).sum(),
        stores: find_stores(objects.iter().map(|object| object.key.as_str())).len() as u64,
        sealed: seal.map(|seal| seal.sealed),
    })
}
