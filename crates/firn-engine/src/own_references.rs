//! Files of references that this user's firn wrote: whoever ran it named what they refer to, so they are followed wherever they
//! lead, without a setting that says so again.

use crate::settings::Engine;
use firn_model::source::{ListedObject, RangeReader, Source, SourceError};
use firn_storage::{ObjectUrl, Storage};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// In the directory of states: an empty file for each, called by the BLAKE3 of its bytes. So nobody else's file is taken for
/// one of them, and they may be moved.
const FOLDER: &str = "references";
/// The largest file of references that is read, bytes.
const LARGEST: u64 = 512 << 20;

/// Keeps in mind that firn wrote this file of references.
pub fn remember(engine: &Engine, document: &[u8]) {
    let folder = engine.settings.state_dir.join(FOLDER);
    let mark = mark(&folder, document);
    if let Err(error) = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&mark, "")) {
        tracing::warn!("{}: {error}; references to other hosts have to be allowed for this file", mark.display());
    }
}

fn mark(folder: &Path, document: &[u8]) -> PathBuf {
    folder.join(blake3::hash(document).to_hex().as_str())
}

/// A source that follows the references of a file that firn wrote here, and else those that the settings allow.
pub struct OwnReferences {
    storage: Storage,
    folder: PathBuf,
    inner: Arc<dyn Source>,
    is_own: OnceLock<bool>,
}

impl OwnReferences {
    /// Over this source.
    pub fn over(engine: &Engine, inner: Arc<dyn Source>) -> Self {
        let folder = engine.settings.state_dir.join(FOLDER);
        Self { storage: engine.storage.clone(), folder, inner, is_own: OnceLock::new() }
    }

    fn is_own(&self) -> bool {
        let found = || {
            let object = self.inner.object("").ok()??;
            let size = object.size().ok().filter(|size| *size <= LARGEST)?;
            // Nothing was written here: then the file is not read for it.
            self.folder.is_dir().then_some(())?;
            Some(mark(&self.folder, &object.read(0..size).ok()?).is_file())
        };
        *self.is_own.get_or_init(|| found().unwrap_or(false))
    }
}

impl Source for OwnReferences {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        self.inner.object(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        self.inner.list(prefix)
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        match (self.inner.sibling(url), ObjectUrl::parse(url)) {
            (Err(SourceError::Denied { .. }), Ok(target)) if self.is_own() => self.storage.source(&target),
            (other, _) => other,
        }
    }
}
