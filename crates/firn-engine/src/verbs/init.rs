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
use std::io::ErrorKind::PermissionDenied;
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
    let mut written: Vec<PathBuf> = Vec::with_capacity(documents.len());
    for (name, text) in &documents {
        let path = dir.join(name);
        if let Err(error) = engine.cancel.check().map_err(EngineError::from).and_then(|()| write_new(&path, text)) {
            // A part of a feedstock would be in the way of the same command; what cannot be removed is told by it.
            for path in &written {
                let _gone = std::fs::remove_file(path);
            }
            return Err(error);
        }
        written.push(path);
    }
    Ok(written.iter().map(|path| path.to_string_lossy().into_owned()).collect())
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
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(|error| failed(path, &error))?;
    let mut file = std::fs::File::create_new(path).map_err(|error| failed(path, &error))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        // It is this call's own, and a part of a document is none.
        let _gone = std::fs::remove_file(path);
        failed(path, &error)
    })
}

fn failed(path: &Path, error: &std::io::Error) -> EngineError {
    // The file is not there: what refuses is the folder, or the one that it would be made in.
    let there = path.ancestors().skip(1).find(|folder| folder.is_dir()).filter(|_| error.kind() == PermissionDenied);
    let at = At::url(there.unwrap_or(path).to_string_lossy());
    if error.kind() == std::io::ErrorKind::AlreadyExists {
        return EngineError::TargetNotEmpty {
            at,
            what: "somebody wrote this file at the same moment".to_owned(),
            next: "the same command with another directory".to_owned(),
        };
    }
    StorageError::io(at, error).into()
}
