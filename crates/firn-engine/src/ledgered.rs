//! A store with a ledger as a source: what the ledger says is stored is there, as it was written, or reading fails.
//!
//! Presence and length of an object are checked before any of its bytes are used. Its digest is checked where all of its
//! bytes are read anyway, be it in parts: nothing is read for the digest alone. Not checked by digest are objects of which
//! only a part is read: a shard of which a box takes some inner chunks, and an uncompressed chunk of which it takes some
//! runs. `firn verify --full` reads them whole.

use crate::execute::lock;
use crate::target::ledger::{Ledger, LedgerEntry};
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, ListedObject, RangeReader, Source, SourceError, SourceVersion};
use std::sync::{Arc, Mutex};

/// Bytes of an object that are kept until the rest is read: the index of a shard is read before its inner chunks.
const KEPT: usize = 1 << 20;

/// A source whose chunks are those of a ledger.
pub struct LedgeredSource {
    inner: Arc<dyn Source>,
    ledger: Arc<Ledger>,
}

impl LedgeredSource {
    /// Over this store.
    pub fn new(inner: Arc<dyn Source>, ledger: Arc<Ledger>) -> Self {
        Self { inner, ledger }
    }

    fn differs(&self, key: &str, what: impl Into<String>) -> SourceError {
        let at = At::url(format!("{}/{key}", self.inner.url().trim_end_matches('/')));
        SourceError::NotAsWritten { at, what: what.into() }
    }
}

/// Documents of Zarr v3 and v2.
const DOCUMENTS: [&str; 5] = ["zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs"];

/// Whether a key is that of a file, of a document, or of one of firn's records: none of them is in the ledger.
fn is_no_chunk(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    key.is_empty() || DOCUMENTS.contains(&name) || key.starts_with(".firn")
}

/// The size of an object, `None` where there is none: some servers tell only when they are asked for it.
fn size_of(reader: Option<&Arc<dyn RangeReader>>) -> Result<Option<u64>, SourceError> {
    match reader.map(|reader| reader.size()) {
        None | Some(Err(SourceError::NotFound { .. })) => Ok(None),
        Some(size) => size.map(Some),
    }
}

impl Source for LedgeredSource {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        if is_no_chunk(key) {
            return self.inner.object(key);
        }
        let Some(entry) = self.ledger.entries.get(key) else {
            return Err(self.differs(key, "the ledger of the store does not know this chunk"));
        };
        let found = self.inner.object(key)?;
        let size = size_of(found.as_ref())?;
        match (entry, found, size) {
            (LedgerEntry::KnownEmpty, _, None) => Ok(None),
            (LedgerEntry::KnownEmpty, _, Some(size)) => {
                Err(self
                    .differs(key, format!("the chunk was known to be empty, and an object of {size} bytes is there")))
            }
            (LedgerEntry::Stored { length, blake3 }, Some(inner), Some(size)) if *length == size => {
                // Of what was adopted unread only the length is known.
                let Some(blake3) = blake3.clone() else { return Ok(Some(inner)) };
                let length = *length;
                let at = At::url(format!("{}/{key}", self.inner.url().trim_end_matches('/')));
                Ok(Some(Arc::new(LedgeredReader { inner, at, length, blake3, seen: Mutex::default() })))
            }
            (LedgerEntry::Stored { length, .. }, _, Some(size)) => {
                Err(self.differs(key, format!("{length} bytes were written, and it has {size}")))
            }
            (LedgerEntry::Stored { length, .. }, _, None) => {
                Err(self.differs(key, format!("an object of {length} bytes was written, and it is not there")))
            }
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        self.inner.list(prefix)
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        self.inner.sibling(url)
    }
}

/// A chunk or shard with its digest.
struct LedgeredReader {
    inner: Arc<dyn RangeReader>,
    at: At,
    length: u64,
    blake3: String,
    seen: Mutex<Seen>,
}

/// What was read of an object so far.
#[derive(Default)]
struct Seen {
    /// Small parts, by their first byte.
    parts: Vec<(u64, Bytes)>,
    /// Whether all of it was read, and found right.
    is_right: bool,
}

impl LedgeredReader {
    fn check(&self, ranges: &[ByteRange], read: &[Bytes]) -> Result<(), SourceError> {
        let mut seen = lock(&self.seen);
        if seen.is_right {
            return Ok(());
        }
        let new = ranges.iter().map(|range| range.start).zip(read.iter().cloned());
        let mut parts: Vec<(u64, Bytes)> = seen.parts.iter().cloned().chain(new).collect();
        parts.sort_by_key(|(start, _)| *start);
        if !covers(&parts, self.length) {
            let kept: usize = parts.iter().map(|(_, bytes)| bytes.len()).sum();
            seen.parts = if kept <= KEPT { parts } else { Vec::new() };
            return Ok(());
        }
        let mut hasher = blake3::Hasher::new();
        let mut end = 0u64;
        for (start, bytes) in &parts {
            // Parts may overlap; `covers` has seen that there are no gaps.
            let known = usize::try_from(end.saturating_sub(*start)).unwrap_or(usize::MAX);
            if let Some(rest) = bytes.get(known..) {
                hasher.update(rest);
                end = end.max(start + bytes.len() as u64);
            }
        }
        if !hasher.finalize().to_hex().eq_ignore_ascii_case(&self.blake3) {
            let what = "its bytes are not those that were written (their BLAKE3 differs)".to_owned();
            return Err(SourceError::NotAsWritten { at: self.at.clone(), what });
        }
        *seen = Seen { parts: Vec::new(), is_right: true };
        Ok(())
    }
}

/// Whether parts, ordered by their first byte, leave no gap up to this length.
fn covers(parts: &[(u64, Bytes)], length: u64) -> bool {
    let mut end = 0;
    for (start, bytes) in parts {
        if *start > end {
            return false;
        }
        end = end.max(start.saturating_add(bytes.len() as u64));
    }
    end == length
}

impl RangeReader for LedgeredReader {
    fn size(&self) -> Result<u64, SourceError> {
        Ok(self.length)
    }

    fn version(&self) -> Result<SourceVersion, SourceError> {
        self.inner.version()
    }

    fn read_ranges(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes>, SourceError> {
        let read = self.inner.read_ranges(ranges)?;
        self.check(ranges, &read)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_model::diagnose::Diagnose;
    use firn_model::source::MemoryReader;

    fn reader(bytes: &'static [u8], written: &[u8]) -> LedgeredReader {
        LedgeredReader {
            inner: Arc::new(MemoryReader::new("memory", bytes)),
            at: At::url("memory"),
            length: written.len() as u64,
            blake3: blake3::hash(written).to_hex().to_string(),
            seen: Mutex::default(),
        }
    }

    #[test]
    fn bytes_that_differ_are_found_where_all_are_read() {
        let error = reader(b"012x4567", b"01234567").read(0..8).unwrap_err();
        assert_eq!(error.code(), "source-not-as-written");
        assert_eq!(reader(b"01234567", b"01234567").read(0..8).unwrap(), "01234567");
    }

    #[test]
    fn an_index_that_is_read_first_counts_as_read() {
        let (right, wrong) = (reader(b"01234567", b"01234567"), reader(b"01x34567", b"01234567"));
        for reader in [&right, &wrong] {
            reader.read(6..8).unwrap();
        }
        let rest = [3..6, 0..4];
        assert!(right.read_ranges(&rest).is_ok());
        assert_eq!(wrong.read_ranges(&rest).unwrap_err().code(), "source-not-as-written");
    }

    #[test]
    fn a_part_alone_is_not_checked() {
        assert_eq!(reader(b"012x4567", b"01234567").read(2..5).unwrap(), "2x4");
    }
}
