//! Objects from one prefix to another: hashed as they pass, side by side, within the memory that there is.

use super::hash::unchanged;
use crate::error::EngineError;
use crate::settings::Engine;
use firn_model::source::{SourceError, SourceVersion};
use firn_storage::{Precondition, Prefix};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Objects under way at once where one of the two places is behind a network.
const REMOTE: usize = 16;
/// What permits count, bytes.
const GRAIN: u64 = 1 << 20;

/// An object that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its entity tag at the destination.
    pub etag: Option<String>,
    /// The size of the parts in which it was written, where it was in parts.
    pub part_size: Option<u64>,
    /// BLAKE3 of the bytes that passed, hex.
    pub blake3: String,
}

/// Where objects come from and go to.
pub struct Transfer {
    to: Prefix,
    is_local: bool,
    /// Objects under way at once.
    pub at_once: usize,
    memory: Arc<Semaphore>,
    grains: u32,
}

impl Transfer {
    /// To this prefix; `jobs` is what the user asked for.
    ///
    /// # Errors
    /// An address that leads nowhere.
    pub fn new(engine: &Engine, from_local: bool, to: Prefix, jobs: Option<usize>) -> Result<Self, EngineError> {
        let is_local = engine.storage.physical(to.url())?.local_path().is_some();
        let default = if from_local && is_local { engine.settings.jobs } else { engine.settings.jobs.max(REMOTE) };
        let grains = u32::try_from(engine.settings.memory / 2 / GRAIN).unwrap_or(u32::MAX >> 4).clamp(1, u32::MAX >> 4);
        let memory = Arc::new(Semaphore::new(grains as usize));
        Ok(Self { to, is_local, at_once: jobs.unwrap_or(default).max(1), memory, grains })
    }

    /// Copies one object, if it is still of this version. On a file system it is safe from the loss of power only after
    /// [`Transfer::settle`].
    ///
    /// # Errors
    /// [`SourceError::Changed`] where it is another version; what the storage says.
    pub async fn copy(
        &self,
        from: &Prefix,
        key: &str,
        to_key: &str,
        expected: &SourceVersion,
    ) -> Result<Moved, EngineError> {
        let grains = u32::try_from(expected.size / GRAIN + 1).unwrap_or(u32::MAX).min(self.grains);
        let _held = self.memory.acquire_many(grains).await.map_err(|error| EngineError::bug(error.to_string()))?;
        let at = from.url().child(key)?.at();
        let object = from.get(key).await?.ok_or_else(|| SourceError::NotFound { at: at.clone() })?;
        unchanged(&at, expected, &object.version)?;
        let hashed = object.bytes.clone();
        let digest = tokio::task::spawn_blocking(move || blake3::hash(&hashed).to_hex().to_string());
        let blake3 = digest.await.map_err(|error| EngineError::bug(error.to_string()))?;
        let etag = if self.is_local {
            self.to.put_deferred(to_key, object.bytes).await?;
            let seen = self.to.head(to_key).await?;
            seen.and_then(|version| version.etag)
        } else {
            self.to.put(to_key, object.bytes, Precondition::None).await?.etag
        };
        Ok(Moved { etag, part_size: self.part_size(expected.size), blake3 })
    }

    /// Returns when these objects are safe.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn settle(&self, keys: Vec<String>) -> Result<(), EngineError> {
        Ok(self.to.make_durable(keys).await?)
    }

    /// In parts of which size an object is written.
    fn part_size(&self, size: u64) -> Option<u64> {
        let limits = &self.to.storage().settings().limits;
        (!self.is_local && size >= limits.multipart_from).then(|| limits.part.max(size.div_ceil(10_000)))
    }
}
