//! Bounded access to the bytes of one HDF5 file.

use super::cursor::{Cursor, Sizes};
use super::limits;
use crate::FormatError;
use bytes::Bytes;
use firn_model::diagnose::At;
use firn_model::source::RangeReader;
use std::cell::Cell;

/// An open file: addresses in it count from `base`, and all that is read is counted against a budget.
pub(super) struct File<'r> {
    reader: &'r dyn RangeReader,
    /// The object.
    pub at: At,
    /// Bytes of the object.
    pub size: u64,
    /// The byte of the object that is address 0.
    pub base: u64,
    pub sizes: Sizes,
    /// Half the greatest number of children of a node of a chunk B-tree.
    pub chunk_k: u16,
    metadata_left: Cell<u64>,
    chunks_left: Cell<u64>,
}

/// A range to be read: address, bytes.
pub(super) type Extent = (u64, u64);

impl<'r> File<'r> {
    pub fn new(reader: &'r dyn RangeReader, at: &At) -> Result<Self, FormatError> {
        let size = reader.size()?;
        Ok(Self {
            reader,
            at: at.clone(),
            size,
            base: 0,
            sizes: Sizes { offset: 8, length: 8 },
            chunk_k: 32,
            metadata_left: Cell::new(limits::metadata_bytes(size)),
            chunks_left: Cell::new(limits::chunks(size)),
        })
    }

    /// The byte of the object at this address; an error where the extent does not lie within the object.
    pub fn place(&self, at: &At, (address, length): Extent, what: &str) -> Result<u64, FormatError> {
        let start = self.base.checked_add(address);
        let end = start.and_then(|start| start.checked_add(length));
        match (start, end) {
            (Some(start), Some(end)) if end <= self.size => Ok(start),
            _ => Err(FormatError::corrupt(
                &at.bytes(start.unwrap_or(address), length),
                format!("{what} should lie here, but the file has {} bytes", self.size),
            )),
        }
    }

    /// The bytes of all these extents, in one call to the reader.
    pub fn read_many(&self, at: &At, extents: &[Extent], what: &str) -> Result<Vec<Bytes>, FormatError> {
        let mut ranges = Vec::with_capacity(extents.len());
        for extent in extents {
            let start = self.place(at, *extent, what)?;
            self.spend(at, extent.1)?;
            ranges.push(start..start + extent.1);
        }
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.reader.read_ranges(&ranges)?;
        let fits = |(bytes, range): (&Bytes, &std::ops::Range<u64>)| bytes.len() as u64 == range.end - range.start;
        if answers.len() != ranges.len() || !answers.iter().zip(&ranges).all(fits) {
            return Err(FormatError::bug(at, "the range reader answered with other lengths than were asked for"));
        }
        Ok(answers)
    }

    pub fn read(&self, at: &At, extent: Extent, what: &str) -> Result<Bytes, FormatError> {
        let mut answers = self.read_many(at, &[extent], what)?;
        answers.pop().ok_or_else(|| FormatError::bug(at, "no bytes were returned for a range"))
    }

    /// As [`File::read_many`], but extents may reach beyond the end of the file and are cut there: for reading ahead.
    pub fn read_ahead(&self, at: &At, extents: &[Extent], what: &str) -> Result<Vec<Bytes>, FormatError> {
        let cut: Vec<Extent> = extents
            .iter()
            .map(|(address, length)| {
                let left = self.size.saturating_sub(self.base).saturating_sub(*address);
                (*address, (*length).min(left.max(1)))
            })
            .collect();
        self.read_many(at, &cut, what)
    }

    /// A cursor over bytes that were read at this address.
    pub fn cursor<'a>(&self, bytes: &'a [u8], address: u64, at: &'a At, what: &'static str) -> Cursor<'a> {
        Cursor::new(bytes, self.base.saturating_add(address), self.sizes, at, what)
    }

    /// Counts these chunks against what the arrays of this file may have together.
    pub fn spend_chunks(&self, at: &At, chunks: u64) -> Result<(), FormatError> {
        let left = self.chunks_left.get();
        if chunks > left {
            return Err(FormatError::limit(at, "the number of chunks", chunks, left));
        }
        self.chunks_left.set(left - chunks);
        Ok(())
    }

    fn spend(&self, at: &At, length: u64) -> Result<(), FormatError> {
        let left = self.metadata_left.get();
        if length > left {
            let limit = limits::metadata_bytes(self.size);
            let value = limit.saturating_sub(left).saturating_add(length);
            return Err(FormatError::limit(at, "the number of bytes of metadata", value, limit));
        }
        self.metadata_left.set(left - length);
        Ok(())
    }
}
