//! From a pattern and `--dim` flags to a recipe; what the flags do not say is looked up where it can be listed.

use super::draft::{Draft, DraftDimension, DraftFiles, DraftKeys};
use super::example::SHOWN;
use super::listing::{self, durable};
use super::report::Sample;
use super::steps::{date_range, step_of_codes, text};
use crate::error::EngineError;
use crate::feedstock::document_error;
use crate::settings::Engine;
use crate::verbs::requests::DimKeys;
use firn_model::cf::PatternTime;
use firn_model::dataset::Dataset;
use firn_model::feedstock::pattern::{Key, keys_of_url};
use firn_storage::ObjectUrl;
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// Whether a text has placeholders.
pub(super) fn is_pattern(text: &str) -> bool {
    !listing::placeholders(text).is_empty() && !is_there(text)
}

/// Whether a text has wildcards.
pub(super) fn is_glob(text: &str) -> bool {
    firn_storage::is_pattern(text) && !is_there(text)
}

/// A local name that is there stands for itself, whatever characters it has.
fn is_there(text: &str) -> bool {
    ObjectUrl::parse(text).is_ok_and(|url| url.local_path().is_some_and(std::path::Path::exists))
}

/// The recipe of a pattern.
///
/// # Errors
/// A pattern that cannot be read; a dimension of which nothing says the keys; what listing says.
pub(super) fn propose(engine: &Engine, pattern: &str, dims: &IndexMap<String, DimKeys>) -> Result<Draft, EngineError> {
    let pattern = absolute(pattern)?;
    keys_of_url(&pattern, "").map_err(|error| document_error(&error))?;
    let placeholders = listing::placeholders(&pattern);
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in &placeholders {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    if let Some(unknown) = dims.keys().find(|dim| !names.contains(&dim.as_str())) {
        return Err(EngineError::usage(
            format!("--dim names {unknown:?}, but the pattern has the placeholders {}", names.join(", ")),
            format!("write {{{unknown}}} where its keys stand in the URL"),
        ));
    }
    let mut draft = Draft::new(DraftFiles::Pattern(pattern.clone()));
    let found = if names.iter().all(|name| dims.contains_key(*name)) {
        Err(String::new())
    } else {
        lookup(engine, &pattern, &names)?
    };
    for name in names {
        let codes: String =
            placeholders.iter().filter(|(dim, _)| dim == name).map(|(_, format)| format.as_str()).collect();
        let keys = match (dims.get(name), &found) {
            (Some(given), _) => given_keys(name, given, &codes)?,
            (None, Ok(found)) => found.keys(name, &mut draft),
            (None, Err(reason)) => return Err(unknown_keys(name, &codes, reason)),
        };
        draft.dims.push(DraftDimension { name: name.to_owned(), merge: false, keys });
    }
    if let Ok(found) = found {
        draft.matches = Sample::of(found.files.into_iter().map(|(file, _)| file), SHOWN);
        draft.listed = Some(found.glob);
    }
    Ok(draft)
}

/// The recipe of a glob, along the dimension that its first file suggests.
///
/// # Errors
/// What listing says; no match.
pub(super) fn propose_glob(engine: &Engine, glob: &str) -> Result<(Draft, String), EngineError> {
    let glob = absolute(glob)?;
    let found = listing::glob(engine, &glob)?.map_err(|reason| {
        EngineError::usage(
            format!("{glob} cannot be listed: {reason}"),
            "write a pattern and its keys: firn plan 'https://host/a.{time:%Y%m%d}.nc' --dim time=FIRST..LAST/1D",
        )
    })?;
    let Some(first) = found.first().cloned() else {
        return Err(firn_model::source::SourceError::NotFound { at: firn_model::diagnose::At::url(&glob) }.into());
    };
    let files = if found.len() == 1 { DraftFiles::One(first.clone()) } else { DraftFiles::Glob(glob.clone()) };
    let mut draft = Draft::new(files);
    draft.matches = Sample::of(found, SHOWN);
    draft.listed = Some(glob);
    Ok((draft, first))
}

/// The dimensions whose keys are names of variables choose variables; the others order files.
pub(super) fn settle_roles(draft: &mut Draft, dataset: &Dataset) {
    for dim in &mut draft.dims {
        let DraftKeys::Listed(keys) = &dim.keys else { continue };
        let named = |key: &String| dataset.arrays().any(|(path, _)| path.name() == key.as_str());
        dim.merge =
            matches!(dim.name.as_str(), "variable" | "variables" | "var") || (keys.len() > 1 && keys.iter().any(named));
    }
    let has = |name: &str| dataset.groups().any(|(_, group)| group.dimensions.contains_key(name));
    let new: Vec<&str> =
        draft.dims.iter().filter(|dim| !dim.merge && !has(&dim.name)).map(|dim| dim.name.as_str()).collect();
    if !new.is_empty() {
        let dims: Vec<&str> =
            dataset.groups().flat_map(|(_, group)| group.dimensions.keys().map(String::as_str)).collect();
        draft.notes.push(format!(
            "the files have no dimension {}: each of its keys becomes one step of a new one. If the files follow each other \
             along one of theirs ({}), give the placeholder that name",
            new.join(", "),
            dims.join(", ")
        ));
    }
}

/// A local pattern from the root: a recipe may be written anywhere.
fn absolute(text: &str) -> Result<String, EngineError> {
    let url = ObjectUrl::parse(text)?;
    match url.local_path() {
        Some(_) => durable(&url),
        // The address as it was written: its form may not be that of a URL with braces.
        None if text.contains('?') && text.starts_with("http") => durable(&url),
        None => Ok(text.to_owned()),
    }
}

fn given_keys(name: &str, given: &DimKeys, codes: &str) -> Result<DraftKeys, EngineError> {
    match given {
        DimKeys::Labels(labels) => Ok(DraftKeys::Listed(labels.clone())),
        DimKeys::Range { first, last, step } => {
            let step = step.clone().or_else(|| step_of_codes(codes).map(str::to_owned)).ok_or_else(|| {
                EngineError::usage(
                    format!("the codes of {{{name}}} go to the hour or beyond, so the step has to be said"),
                    format!("--dim {name}={first}..{last}/6h"),
                )
            })?;
            Ok(DraftKeys::Range { start: first.clone(), end: last.clone(), freq: step })
        }
    }
}

fn unknown_keys(name: &str, codes: &str, reason: &str) -> EngineError {
    let flag = if codes.contains('%') {
        format!("--dim {name}=FIRST..LAST/{}", step_of_codes(codes).unwrap_or("6h"))
    } else {
        format!("--dim {name}=A,B,C")
    };
    EngineError::usage(
        format!("nothing says the keys of {{{name}}}, and which files there are cannot be listed: {reason}"),
        format!("the same command with {flag}"),
    )
}

/// The files that match a pattern, with their keys.
struct Found {
    glob: String,
    files: Vec<(String, IndexMap<String, Key>)>,
}

fn lookup(engine: &Engine, pattern: &str, names: &[&str]) -> Result<Result<Found, String>, EngineError> {
    let glob = listing::glob_of_pattern(pattern);
    let files = match listing::glob(engine, &glob)? {
        Ok(files) => files,
        Err(reason) => return Ok(Err(reason)),
    };
    let keyed = |file: String| {
        let keys = keys_of_url(pattern, &file).ok()??;
        names.iter().all(|name| keys.contains_key(*name)).then_some((file, keys))
    };
    let files: Vec<(String, IndexMap<String, Key>)> = files.into_iter().filter_map(keyed).collect();
    if files.is_empty() {
        return Err(firn_model::source::SourceError::NotFound { at: firn_model::diagnose::At::url(pattern) }.into());
    }
    Ok(Ok(Found { glob, files }))
}

impl Found {
    /// The keys that files have along a dimension: a range where they are regular dates, else one by one.
    fn keys(&self, name: &str, draft: &mut Draft) -> DraftKeys {
        let keys: Vec<&Key> = self.files.iter().filter_map(|(_, keys)| keys.get(name)).collect();
        let dates: BTreeSet<PatternTime> =
            keys.iter().filter_map(|key| if let Key::Time(date) = key { Some(*date) } else { None }).collect();
        if dates.is_empty() {
            let mut numbers: BTreeSet<(Option<i64>, String)> = BTreeSet::new();
            for key in keys {
                numbers.insert((if let Key::Integer(number) = key { Some(*number) } else { None }, key.to_string()));
            }
            return DraftKeys::Listed(numbers.into_iter().map(|(_, text)| text).collect());
        }
        match date_range(&dates, None) {
            Some(range) => {
                draft.absent = Sample::of(range.absent, SHOWN);
                DraftKeys::Range { start: range.start, end: range.end, freq: range.freq }
            }
            None => DraftKeys::Listed(dates.into_iter().map(text).collect()),
        }
    }
}
