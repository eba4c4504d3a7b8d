//! Objects from one prefix to another: hashed as they pass, side by side, within the memory that there is.

use super::hash::{digest_of, unchanged};
use crate::error::EngineError;
use crate::objects::records;
use crate::settings::Engine;
use firn_model::source::{SourceError, SourceVersion};
use firn_storage::{Arriving, CopyExpected, CopyOptions, Precondition, Prefix};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Objects under way at once where one of the two places is behind a network: as many as requests may be.
const REMOTE: usize = 128;
/// Large objects of these: each may go in several parts at once.
const LARGE_AT_ONCE: usize = 24;
/// Pieces of all of them together.
const PIECES: usize = 24;
/// Objects up to this many bytes pass whole, bytes.
const SMALL: u64 = 16 << 20;
/// Memory that a larger one takes, which passes in pieces, bytes: parts that are read and parts that are sent.
const LARGE: u64 = 64 << 20;
/// A copy that was stopped is gone on with within this time.
const FORGOTTEN: Duration = Duration::from_hours(30 * 24);
/// What permits count, bytes.
const GRAIN: u64 = 1 << 20;

/// An object that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its entity tag at the destination.
    pub etag: Option<String>,
    /// The size of the parts in which it was written, where it was in parts.
    pub part_size: Option<u64>,
    /// BLAKE3 of the bytes, hex, where they were read.
    pub blake3: Option<String>,
}

/// What proves that the right bytes were copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Their digest: they are read once, here.
    Digest,
    /// The entity tag of the original: they need not be read.
    Tag,
}

/// Whether an object of so many bytes is copied in parts, as a whole or not at all, and is gone on with after a stop.
pub fn is_in_parts(size: u64) -> bool {
    size > SMALL
}

/// How an object is copied.
#[derive(Debug, Clone)]
pub struct Way {
    /// The size of the parts in which it was written, bytes, where that is known.
    pub parts: Option<u64>,
    /// What proves that the right bytes were copied.
    pub proof: Proof,
    /// Who wants to know how far a large object is.
    pub arriving: Option<Arriving>,
}

impl From<Proof> for Way {
    fn from(proof: Proof) -> Self {
        Self { parts: None, proof, arriving: None }
    }
}

/// The results of all, so many under way at once; or the first error, once everything that was begun has ended.
///
/// What is dropped while a thread writes for it is written nevertheless: after an error nothing may still arrive where it is
/// cleaned up.
///
/// # Errors
/// The first.
pub async fn ended<T>(
    at_once: usize,
    work: impl Iterator<Item = impl Future<Output = Result<T, EngineError>>>,
) -> Result<Vec<T>, EngineError> {
    let mut waiting = work.fuse();
    let (mut running, mut results, mut failed) = (FuturesUnordered::new(), Vec::new(), None);
    loop {
        while failed.is_none() && running.len() < at_once.max(1) {
            let Some(next) = waiting.next() else { break };
            running.push(next);
        }
        match running.next().await {
            Some(Ok(result)) => results.push(result),
            Some(Err(error)) => failed = failed.or(Some(error)),
            None => return failed.map_or(Ok(results), Err),
        }
    }
}

/// Where objects come from and go to.
pub struct Transfer {
    to: Prefix,
    is_local: bool,
    /// Objects under way at once.
    pub at_once: usize,
    memory: Semaphore,
    grains: u32,
    large: Semaphore,
    /// Where it is noted which parts of large objects arrived.
    parts: PathBuf,
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
        let memory = Semaphore::new(grains as usize);
        let large = Semaphore::new(LARGE_AT_ONCE);
        let parts = engine.settings.state_dir.join(records::FOLDER).join("parts");
        firn_storage::forget_older(&parts, FORGOTTEN);
        Ok(Self { to, is_local, at_once: jobs.unwrap_or(default).max(1), memory, grains, large, parts })
    }

    /// Copies one object, if it is still of this version; in parts of the size in which it was written, where that is known. On a file system it is safe from the loss of power only after
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
        way: Way,
    ) -> Result<Moved, EngineError> {
        let Way { parts, proof, arriving } = way;
        let by_server = self.to.can_copy_from(from);
        if expected.size <= SMALL && !(by_server && proof == Proof::Tag) {
            return self.copy_small(from, key, to_key, expected).await;
        }
        let turn = if by_server {
            None
        } else {
            Some(self.large.acquire().await.map_err(|error| EngineError::bug(error.to_string()))?)
        };
        // What the server refuses to copy passes here after all.
        let held = self.hold(if by_server { expected.size.min(LARGE) } else { LARGE }).await?;
        let part_size = parts.filter(|_| !self.is_local).or_else(|| self.part_size(expected.size));
        let size_is_of_tag = proof == Proof::Tag;
        let wanted = CopyExpected { size: expected.size, etag: expected.etag.clone(), part_size, size_is_of_tag };
        let hashed = match (by_server, proof) {
            // The server copies what has this tag, so the bytes that are hashed here are those that it copies.
            (true, Proof::Digest) => Some(digest_of(from, key, expected).await?),
            _ => None,
        };
        // Two pieces of one file are not written at the same moment: where there are other files, these come first.
        let others = LARGE_AT_ONCE - self.large.available_permits().min(LARGE_AT_ONCE - 1);
        let options = CopyOptions {
            pieces_at_once: Some((PIECES / others).clamp(1, 8)),
            digest: proof == Proof::Digest && !by_server,
            parts: Some(self.parts.clone()),
            arriving,
            ..CopyOptions::default()
        };
        let copied = self.to.copy_object(from, key, to_key, &wanted, &options).await?;
        drop((held, turn));
        Ok(Moved { etag: copied.etag, part_size, blake3: hashed.or(copied.digest) })
    }

    /// Whether the server copies from there.
    pub fn is_by_server(&self, from: &Prefix) -> bool {
        self.to.can_copy_from(from)
    }

    async fn copy_small(
        &self,
        from: &Prefix,
        key: &str,
        to_key: &str,
        expected: &SourceVersion,
    ) -> Result<Moved, EngineError> {
        let _held = self.hold(expected.size).await?;
        let at = from.url().child(key)?.at();
        let object = from.get(key).await?.ok_or_else(|| SourceError::NotFound { at: at.clone() })?;
        unchanged(&at, expected, &object.version)?;
        let blake3 = Some(blake3::hash(&object.bytes).to_hex().to_string());
        let etag = if self.is_local {
            self.to.put_deferred(to_key, object.bytes).await?;
            self.to.head(to_key).await?.and_then(|version| version.etag)
        } else {
            self.to.put(to_key, object.bytes, Precondition::None).await?.etag
        };
        Ok(Moved { etag, part_size: self.part_size(expected.size), blake3 })
    }

    async fn hold(&self, bytes: u64) -> Result<SemaphorePermit<'_>, EngineError> {
        let grains = u32::try_from(bytes / GRAIN + 1).unwrap_or(u32::MAX).min(self.grains);
        self.memory.acquire_many(grains).await.map_err(|error| EngineError::bug(error.to_string()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn after_an_error_nothing_is_begun_and_nothing_is_left_running() {
        let (begun, ended_count) = (Cell::new(0), Cell::new(0));
        let (begun, over) = (&begun, &ended_count);
        let work = (0..100u64).map(|n| async move {
            begun.set(begun.get() + 1);
            tokio::time::sleep(std::time::Duration::from_millis(if n == 1 { 1 } else { 20 })).await;
            over.set(over.get() + 1);
            if n == 1 { Err(EngineError::bug("the second")) } else { Ok(n) }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let result = runtime.block_on(ended(4, work));
        assert!(result.unwrap_err().to_string().contains("the second"));
        assert_eq!((begun.get(), over.get()), (4, 4));
    }

    #[test]
    fn all_results_come_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut all = runtime.block_on(ended(0, (0..9).map(|n| async move { Ok(n) }))).unwrap();
        all.sort_unstable();
        assert_eq!(all, (0..9).collect::<Vec<i32>>());
    }
}
