//! What a killed process leaves beside its objects: temporary files that no reader and no ledger knows.

use crate::error::EngineError;
use firn_model::diagnose::At;
use firn_model::source::SourceError;
use firn_storage::ObjectUrl;
use std::path::Path;

/// How the local file system's unfinished writes are named.
const TEMPORARY: &str = ".firn-tmp-";

/// Removes unfinished writes below a local prefix; elsewhere a write that was not finished leaves nothing. Only to be
/// called where no task of the run is writing any more.
///
/// # Errors
/// What the file system says.
pub fn remove_temporaries(url: &ObjectUrl) -> Result<(), EngineError> {
    url.local_path().map_or(Ok(()), sweep)
}

fn sweep(folder: &Path) -> Result<(), EngineError> {
    let failed = |error: std::io::Error| {
        EngineError::from(SourceError::Unavailable {
            at: At::url(folder.display().to_string()),
            what: error.to_string(),
        })
    };
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            sweep(&entry.path())?;
        } else if kind.is_file() && entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unfinished_writes_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("sst/c/0");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("0"), b"chunk").unwrap();
        std::fs::write(deep.join(".firn-tmp-1"), b"half").unwrap();
        remove_temporaries(&ObjectUrl::local(folder.path())).unwrap();
        let left: Vec<_> = std::fs::read_dir(&deep).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["0"]);
    }
}
