//! Reading numbers and names out of one structure, with errors that say where it ends.

use crate::FormatError;
use firn_model::diagnose::At;

/// Sizes of addresses and lengths, bytes, as the superblock says ("Size of Offsets", "Size of Lengths").
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub offset: u8,
    pub length: u8,
}

/// A position in the bytes of one structure.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    start: u64,
    sizes: Sizes,
    at: &'a At,
    what: &'static str,
}

impl<'a> Cursor<'a> {
    /// At the first of these bytes, which lie at byte `start` of the object and are a `what`.
    pub fn new(bytes: &'a [u8], start: u64, sizes: Sizes, at: &'a At, what: &'static str) -> Self {
        Self { bytes, position: 0, start, sizes, at, what }
    }

    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    pub fn position(&self) -> usize {
        self.position
    }

    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// That the structure contradicts the format here.
    pub fn corrupt(&self, what: impl std::fmt::Display) -> FormatError {
        FormatError::corrupt(&self.at.bytes(self.start + self.position as u64, 0), format!("{}: {what}", self.what))
    }

    /// That the structure uses a feature that is not read.
    pub fn unsupported(&self, code: &'static str, what: impl std::fmt::Display) -> FormatError {
        FormatError::unsupported(code, self.at, format!("{}: {what}", self.what))
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let end = self.position.checked_add(count).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else {
            return Err(self.corrupt(format_args!("{count} more bytes should follow, but {} do", self.remaining())));
        };
        let taken = &self.bytes[self.position..end];
        self.position = end;
        Ok(taken)
    }

    pub fn skip(&mut self, count: usize) -> Result<(), FormatError> {
        self.take(count).map(|_| ())
    }

    /// Skips to a multiple of `unit` bytes after `from`.
    pub fn align(&mut self, from: usize, unit: usize) -> Result<(), FormatError> {
        let used = self.position - from;
        self.skip(used.next_multiple_of(unit) - used)
    }

    /// An unsigned little-endian number of `count` bytes, 0 to 8.
    pub fn uint(&mut self, count: usize) -> Result<u64, FormatError> {
        Ok(self.take(count)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub fn u8(&mut self) -> Result<u8, FormatError> {
        Ok(self.uint(1)? as u8)
    }

    pub fn u16(&mut self) -> Result<u16, FormatError> {
        Ok(self.uint(2)? as u16)
    }

    pub fn u32(&mut self) -> Result<u32, FormatError> {
        Ok(self.uint(4)? as u32)
    }

    pub fn u64(&mut self) -> Result<u64, FormatError> {
        self.uint(8)
    }

    /// An address; `None` for the undefined address (all bits set).
    pub fn offset(&mut self) -> Result<Option<u64>, FormatError> {
        let bytes = self.take(usize::from(self.sizes.offset))?;
        if bytes.iter().all(|byte| *byte == 0xff) {
            return Ok(None);
        }
        Ok(Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))))
    }

    /// An address that must be defined.
    pub fn address(&mut self) -> Result<u64, FormatError> {
        let here = self.clone();
        self.offset()?.ok_or_else(|| here.corrupt("an address is undefined that must be defined"))
    }

    /// A length ("Size of Lengths" bytes).
    pub fn length(&mut self) -> Result<u64, FormatError> {
        self.uint(usize::from(self.sizes.length))
    }

    pub fn expect(&mut self, signature: [u8; 4]) -> Result<(), FormatError> {
        let here = self.clone();
        let found = self.take(4)?;
        if found == signature {
            return Ok(());
        }
        let name = String::from_utf8_lossy(&signature).into_owned();
        Err(here.corrupt(format_args!(
            "the signature {name} should stand here, found {:?}",
            String::from_utf8_lossy(found)
        )))
    }

    /// A version byte, which must be one of those known.
    pub fn version(&mut self, known: &[u8]) -> Result<u8, FormatError> {
        let version = self.u8()?;
        if known.contains(&version) {
            return Ok(version);
        }
        Err(self.unsupported("unsupported-hdf5-version", format_args!("version {version} is not known")))
    }

    /// The bytes before the next NUL, which is skipped too.
    pub fn text_to_nul(&mut self) -> Result<&'a [u8], FormatError> {
        let Some(length) = self.bytes[self.position..].iter().position(|byte| *byte == 0) else {
            return Err(self.corrupt("a name does not end"));
        };
        let text = self.take(length)?;
        self.skip(1)?;
        Ok(text)
    }

    /// That the checksum that follows is the one of everything before it.
    pub fn checksum(&mut self) -> Result<(), FormatError> {
        let here = self.clone();
        let covered = &self.bytes[..self.position];
        let stored = self.u32()?;
        if super::checksum::holds(covered, stored) {
            return Ok(());
        }
        let found = super::checksum::lookup3(covered);
        Err(here.corrupt(format_args!("the stored checksum is {stored:#010x}, that of the bytes is {found:#010x}")))
    }
}
