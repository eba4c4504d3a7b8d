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
use std::time::{Duration, Instant};

/// A disk that takes longer for one run of bytes keeps a thread of the runtime from other work.
const LONG: Duration = Duration::from_millis(5);

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
    is_slow: bool,
    failure: Option<std::io::Error>,
}

impl FilePart {
    /// For these bytes of an object of `size` bytes.
    pub(crate) fn new(file: Arc<File>, path: Arc<Path>, size: u64, bytes: ByteRange, is_hashed: bool) -> Self {
        let at = bytes.start;
        Self { file, path, size, bytes, at, hash: None, is_hashed, is_slow: false, failure: None }
    }

    /// After all came: the subtrees of its hash, where it was hashed.
    pub(crate) fn finish(mut self) -> Result<Nodes, StorageError> {
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
    }

    /// Called on the threads of the runtime. To the memory of the system a run is written faster than another thread could be
    /// woken for it; while a slow disk is waited for, another thread does what waits here.
    fn take(&mut self, bytes: Bytes) -> bool {
        let end = self.at + bytes.len() as u64;
        if end > self.bytes.end {
            return false;
        }
        let (file, hash, at) = (&self.file, &mut self.hash, self.at);
        let mut write = || {
            if let Some(hash) = hash {
                hash.update(&bytes);
            }
            let begun = Instant::now();
            let written = file.write_all_at(&bytes, at);
            (written, begun.elapsed() > LONG)
        };
        let (written, is_slow) = if self.is_slow { tokio::task::block_in_place(write) } else { write() };
        (self.at, self.is_slow, self.failure) = (end, is_slow, written.err());
        self.failure.is_none()
    }

    fn failure(&mut self) -> Option<StorageError> {
        self.failure.take().map(|error| io(&self.path, &error))
    }
}
