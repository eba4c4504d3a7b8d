//! The words that a header is made of: big-endian numbers, names, everything padded to four bytes.

use crate::error::FormatError;
use firn_model::diagnose::At;

/// Why a header could not be parsed from the bytes at hand.
#[derive(Debug)]
pub(super) enum Stop {
    /// So many bytes from the start of the file are needed.
    Needs(u64),
    /// It contradicts the format.
    Wrong(Box<FormatError>),
}

impl From<FormatError> for Stop {
    fn from(error: FormatError) -> Self {
        Self::Wrong(Box::new(error))
    }
}

/// The version of the format, the fourth byte of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// CDF-1.
    Classic,
    /// CDF-2.
    Offset64,
    /// CDF-5.
    Data64,
}

/// A position in the first bytes of a file.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    at: &'a At,
    pub(super) version: Version,
}

impl<'a> Cursor<'a> {
    /// A cursor after the signature.
    pub(super) fn new(bytes: &'a [u8], at: &'a At) -> Result<Self, Stop> {
        let mut cursor = Self { bytes, position: 0, at, version: Version::Classic };
        let signature = cursor.take(4)?;
        cursor.version = match signature {
            b"CDF\x01" => Version::Classic,
            b"CDF\x02" => Version::Offset64,
            b"CDF\x05" => Version::Data64,
            [b'C', b'D', b'F', other] => {
                let what = format!("NetCDF classic files of version {other} do not exist as far as firn knows");
                return Err(FormatError::unsupported("unsupported-netcdf-version", at, what).into());
            }
            _ => return Err(FormatError::corrupt(at, "the file does not start with the letters CDF").into()),
        };
        Ok(cursor)
    }

    /// An error at the current position.
    pub(super) fn wrong(&self, what: impl Into<String>) -> Stop {
        FormatError::corrupt(&self.at.bytes(self.position as u64, 0), what).into()
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Stop> {
        let end = self.position.saturating_add(count);
        let taken = self.bytes.get(self.position..end).ok_or(Stop::Needs(end as u64))?;
        self.position = end;
        Ok(taken)
    }

    /// So many bytes and their padding to a multiple of four.
    pub(super) fn take_padded(&mut self, count: u64) -> Result<&'a [u8], Stop> {
        let count = usize::try_from(count).map_err(|_| Stop::Needs(u64::MAX))?;
        let taken = self.take(count)?;
        self.take(count.wrapping_neg() % 4)?;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let needs = Stop::Needs((self.position + N) as u64);
        self.take(N)?.first_chunk::<N>().copied().ok_or(needs)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Stop> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Stop> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// `NON_NEG`: a length or count, 32 bits, in CDF-5 64; `None` for the value with all bits set (`STREAMING`).
    pub(super) fn length_or_streaming(&mut self) -> Result<Option<u64>, Stop> {
        let (value, streaming) = match self.version {
            Version::Data64 => (self.u64()?, u64::MAX),
            _ => (u64::from(self.u32()?), u64::from(u32::MAX)),
        };
        Ok((value != streaming).then_some(value))
    }

    /// `NON_NEG` where it must be a number.
    pub(super) fn length(&mut self) -> Result<u64, Stop> {
        let negative = if self.version == Version::Data64 { i64::MAX as u64 } else { i32::MAX as u64 };
        match self.length_or_streaming()? {
            Some(value) if value <= negative => Ok(value),
            _ => Err(self.wrong("a length in the header is negative")),
        }
    }

    /// `OFFSET`: 32 bits in CDF-1, 64 in the others.
    pub(super) fn offset(&mut self) -> Result<u64, Stop> {
        match self.version {
            Version::Classic => Ok(u64::from(self.u32()?)),
            _ => self.u64(),
        }
    }

    /// The bytes of a name. Other libraries end a name at its first NUL; with more behind it, that is damage, and whichever
    /// name were chosen would be invented.
    pub(super) fn name(&mut self) -> Result<&'a [u8], Stop> {
        let length = self.length()?;
        let name = self.take_padded(length)?;
        match name.iter().position(|byte| *byte == 0) {
            Some(end) if name[end..].iter().any(|byte| *byte != 0) => {
                Err(self.wrong(format!("a name contains NUL: {:?}", String::from_utf8_lossy(name))))
            }
            _ => Ok(name),
        }
    }

    /// The count of a list that starts with this tag; an absent list has none.
    pub(super) fn list(&mut self, tag: u32, what: &str) -> Result<u64, Stop> {
        let (found, count) = (self.u32()?, self.length()?);
        if found == tag || (found == 0 && count == 0) {
            return Ok(count);
        }
        Err(self.wrong(format!("the list of {what} starts with the tag {found:#x} instead of {tag:#x}")))
    }
}
