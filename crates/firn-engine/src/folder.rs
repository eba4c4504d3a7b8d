//! Folders that verbs write documents into or read them from: on this machine, however they are addressed.

use crate::error::EngineError;
use crate::settings::Engine;
use firn_storage::ObjectUrl;
use std::path::{Path, PathBuf};

/// The folder that a text means: a path, `file://…`, or a key of a location on this machine.
///
/// # Errors
/// `folder-not-local` for addresses of servers and buckets, which would else become the name of a folder; what parsing says.
pub fn local_folder(engine: &Engine, named: &Path) -> Result<PathBuf, EngineError> {
    // A path that is no text is no address either.
    let Some(text) = named.to_str() else { return Ok(named.to_owned()) };
    let url = ObjectUrl::parse(text)?;
    let physical = if url.scheme() == "location" { engine.storage.physical(&url)? } else { url.clone() };
    physical.local_path().map(not_a_flag).ok_or_else(|| EngineError::Unsupported {
        code: "folder-not-local",
        at: url.at(),
        what: format!("{url} is not a folder of this machine, and documents are written and read only there"),
        next: "name a folder of this machine, and copy it to or from there yourself".to_owned(),
    })
}

/// A name that begins with a dash would be a flag in the commands that are printed.
fn not_a_flag(path: &Path) -> PathBuf {
    if path.to_string_lossy().starts_with('-') { Path::new(".").join(path) } else { path.to_owned() }
}
