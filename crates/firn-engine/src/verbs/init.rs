//! Starting a feedstock.

pub(crate) mod documents;
pub mod example_url;
pub(crate) mod facts;

use crate::error::EngineError;
use crate::folder::local_folder;
use crate::settings::Engine;
use crate::verbs::plan;
use crate::verbs::requests::InitRequest;
use facts::Facts;
use firn_model::diagnose::{At, shell_word};
use firn_storage::StorageError;
use schemars::JsonSchema;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InitReport {
    /// The directory.
    pub dir: String,
    /// The files that were written.
    pub files: Vec<String>,
    /// What could not be told from the example and waits to be filled in.
    pub notes: Vec<String>,
    /// The next command.
    pub next: String,
}

/// Writes `meta.yaml`, `catalog.yaml`, `recipe.yaml`, `README.md` and a GitHub workflow.
///
/// # Errors
/// [`EngineError::TargetNotEmpty`] where one of the files exists (then none is written); why the example cannot be
/// opened; a directory that cannot be written.
pub fn init(engine: &Engine, request: &InitRequest) -> Result<InitReport, EngineError> {
    let dir = local_folder(engine, &request.dir)?;
    refuse_existing(&dir)?;
    let facts = match &request.from {
        Some(subject) => plan::begin(engine, subject, &dir)?,
        None => Facts::of(&dir, None),
    };
    let files = write_all(engine, &dir, &facts)?;
    let dir = dir.to_string_lossy().into_owned();
    let next = format!("firn plan {}", shell_word(&dir));
    Ok(InitReport { dir, files, notes: facts.notes, next })
}

/// Writes the documents of a feedstock; the files, where none of them existed.
pub(crate) fn write_all(engine: &Engine, dir: &Path, facts: &Facts) -> Result<Vec<String>, EngineError> {
    refuse_existing(dir)?;
    let documents = documents::all(facts);
    let mut files = Vec::with_capacity(documents.len());
    for (name, text) in &documents {
        engine.cancel.check()?;
        let path = dir.join(name);
        write_new(&path, text)?;
        files.push(path.to_string_lossy().into_owned());
    }
    Ok(files)
}

/// Nothing of a new feedstock may be there yet.
pub(crate) fn refuse_existing(dir: &Path) -> Result<(), EngineError> {
    let there: Vec<&str> =
        documents::NAMES.into_iter().filter(|name| dir.join(name).symlink_metadata().is_ok()).collect();
    if there.is_empty() {
        return Ok(());
    }
    Err(EngineError::TargetNotEmpty {
        at: At::url(dir.to_string_lossy()),
        what: format!("{} exists already, and firn init never overwrites", there.join(", ")),
        next: "choose another directory, or move these files away first".to_owned(),
    })
}

/// Writes a file that must not exist yet, also where another process makes it at this moment.
pub(crate) fn write_new(path: &Path, text: &str) -> Result<(), EngineError> {
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
        let mut file = std::fs::File::create_new(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| failed(path.to_owned(), &error))
}

fn failed(path: PathBuf, error: &std::io::Error) -> EngineError {
    let at = At::url(path.to_string_lossy());
    if error.kind() == std::io::ErrorKind::AlreadyExists {
        return EngineError::TargetNotEmpty {
            at,
            what: "somebody wrote this file at the same moment".to_owned(),
            next: "the same command with another directory".to_owned(),
        };
    }
    StorageError::Io { at, what: error.to_string(), kind: error.kind() }.into()
}
