//! A part of an object on its way into a file: hashed and written while it comes, in any order with the others.

use crate::error::StorageError;
use crate::local_write::{at, io};
use crate::transport::Sink;
use crate::tree_hash::{Nodes, RangeHash};
use bytes::Bytes;
use firn_model::source::{ByteRange, SourceError};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Bytes that are hashed and written at once: they still are in the cache of the processor.
const AT_ONCE: usize = 1 << 20;

/// Takes one range of an object.
pub(crate) struct FilePart {
    file: Arc<File>,
    /// For errors.
    path: Arc<Path>,
    size: u64,
    bytes: ByteRange,
    /// Where the next goes.
    at: u64,
    hash: Option<RangeHash>,
    is_hashed: bool,
    held: Vec<Bytes>,
    held_bytes: usize,
    failure: Option<std::io::Error>,
}

impl FilePart {
    /// For these bytes of an object of `size` bytes.
    pub(crate) fn new(file: Arc<File>, path: Arc<Path>, size: u64, bytes: ByteRange, is_hashed: bool) -> Self {
        let at = bytes.start;
        Self { file, path, size, bytes, at, hash: None, is_hashed, held: Vec::new(), held_bytes: 0, failure: None }
    }

    /// Called on the threads of the runtime: while this one hashes and writes, another does what waits there.
    fn flush(&mut self) -> bool {
        let (held, mut at) = (std::mem::take(&mut self.held), self.at);
        self.held_bytes = 0;
        let (file, hash) = (&self.file, &mut self.hash);
        let written = tokio::task::block_in_place(|| {
            held.iter().try_for_each(|run| {
                if let Some(hash) = hash {
                    hash.update(run);
                }
                file.write_all_at(run, at)?;
                at += run.len() as u64;
                Ok(())
            })
        });
        self.at = at;
        self.failure = written.err();
        self.failure.is_none()
    }

    /// After all came: the subtrees of its hash, where it was hashed.
    pub(crate) fn finish(mut self) -> Result<Nodes, StorageError> {
        if !self.held.is_empty() {
            self.flush();
        }
        if let Some(error) = self.failure() {
            return Err(error);
        }
        let short = || {
            let what = format!("bytes {}..{} were asked for, and fewer came", self.bytes.start, self.bytes.end);
            SourceError::Broken { at: at(&self.path), what }
        };
        if self.at != self.bytes.end {
            return Err(short().into());
        }
        match self.hash {
            Some(hash) => Ok(hash.finish().ok_or_else(short)?),
            None => Ok(Nodes::new()),
        }
    }
}

impl Sink for FilePart {
    fn begin(&mut self) {
        self.at = self.bytes.start;
        self.hash = if self.is_hashed { RangeHash::new(self.size, &self.bytes) } else { None };
        (self.held, self.held_bytes) = (Vec::new(), 0);
    }

    fn take(&mut self, bytes: Bytes) -> bool {
        self.held_bytes += bytes.len();
        if self.at + self.held_bytes as u64 > self.bytes.end {
            return false;
        }
        self.held.push(bytes);
        self.held_bytes < AT_ONCE || self.flush()
    }

    fn failure(&mut self) -> Option<StorageError> {
        self.failure.take().map(|error| io(&self.path, &error))
    }
}
