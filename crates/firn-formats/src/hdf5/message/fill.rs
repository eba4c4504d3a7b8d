//! Fill value messages, old and new ("IV.A.2.e", "IV.A.2.f").

use crate::FormatError;
use crate::hdf5::cursor::Cursor;

/// What unwritten elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hdf5) enum Fill<'a> {
    /// Not defined: their bytes are whatever they are.
    Undefined,
    /// Zero bytes.
    Default,
    /// This element, in the dataset's own type.
    User(&'a [u8]),
}

/// Parses the old message (type 0x0004).
pub(in crate::hdf5) fn parse_old<'a>(cursor: &mut Cursor<'a>) -> Result<Fill<'a>, FormatError> {
    match cursor.u32()? {
        0 => Ok(Fill::Default),
        size => Ok(Fill::User(cursor.take(size as usize)?)),
    }
}

/// Parses the new message (type 0x0005).
pub(in crate::hdf5) fn parse<'a>(cursor: &mut Cursor<'a>) -> Result<Fill<'a>, FormatError> {
    let version = cursor.version(&[1, 2, 3])?;
    if version == 3 {
        let flags = cursor.u8()?;
        if flags & 0x10 != 0 {
            return Ok(Fill::Undefined);
        }
        if flags & 0x20 == 0 {
            return Ok(Fill::Default);
        }
        return match cursor.u32()? {
            0 => Ok(Fill::Default),
            size => Ok(Fill::User(cursor.take(size as usize)?)),
        };
    }
    cursor.skip(2)?;
    let is_defined = cursor.u8()? != 0;
    if version == 2 && !is_defined {
        return Ok(Fill::Undefined);
    }
    match cursor.u32()? as i32 {
        ..0 => Ok(Fill::Undefined),
        0 => Ok(if is_defined { Fill::Default } else { Fill::Undefined }),
        size => Ok(Fill::User(cursor.take(size as usize)?)),
    }
}
