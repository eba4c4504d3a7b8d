//! Link, link info and attribute info messages ("IV.A.2.c", "IV.A.2.g", "IV.A.2.v").

use crate::FormatError;
use crate::hdf5::cursor::Cursor;

/// What a link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hdf5) enum Target {
    /// The object at this address.
    Hard(u64),
    /// The object at this path.
    Soft(String),
    /// An object of another file: what is said of it.
    External(String),
}

/// A named child of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hdf5) struct Link {
    pub name: String,
    pub target: Target,
    pub creation_order: Option<u64>,
}

/// Where the links or attributes of an object are, where they are many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hdf5) struct Dense {
    /// Address of the fractal heap that holds them.
    pub heap: u64,
    /// Address of the B-tree that finds them by name.
    pub names: u64,
}

/// Parses a link message.
pub(in crate::hdf5) fn parse(cursor: &mut Cursor<'_>) -> Result<Link, FormatError> {
    cursor.version(&[1])?;
    let flags = cursor.u8()?;
    let kind = if flags & 0x08 != 0 { cursor.u8()? } else { 0 };
    let creation_order = if flags & 0x04 != 0 { Some(cursor.u64()?) } else { None };
    if flags & 0x10 != 0 {
        cursor.skip(1)?;
    }
    let length = cursor.uint(1 << (flags & 0x03))?;
    let length = usize::try_from(length).map_err(|_| cursor.corrupt("a name without end"))?;
    let name = text(cursor.take(length)?);
    let target = match kind {
        0 => Target::Hard(cursor.address()?),
        1 => {
            let length = usize::from(cursor.u16()?);
            Target::Soft(text(cursor.take(length)?))
        }
        64 => {
            let length = usize::from(cursor.u16()?);
            let value = cursor.take(length)?;
            let mut parts = value.get(1..).unwrap_or_default().split(|byte| *byte == 0).map(text);
            let (file, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            Target::External(format!("{path} of the file {file:?}"))
        }
        other => Target::External(format!("something that only a program knows (link type {other})")),
    };
    Ok(Link { name, target, creation_order })
}

/// A name or path; what is not UTF-8 is taken for Latin-1, so that different names stay different.
pub(in crate::hdf5) fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Parses a link info message: where the links are, and whether their creation order is tracked.
pub(in crate::hdf5) fn parse_link_info(cursor: &mut Cursor<'_>) -> Result<(Option<Dense>, bool), FormatError> {
    cursor.version(&[0])?;
    let flags = cursor.u8()?;
    if flags & 0x01 != 0 {
        cursor.skip(8)?;
    }
    Ok((dense(cursor)?, flags & 0x01 != 0))
}

/// Parses an attribute info message: where the attributes are that do not stand in the header.
pub(in crate::hdf5) fn parse_attribute_info(cursor: &mut Cursor<'_>) -> Result<Option<Dense>, FormatError> {
    cursor.version(&[0])?;
    let flags = cursor.u8()?;
    if flags & 0x01 != 0 {
        cursor.skip(2)?;
    }
    dense(cursor)
}

fn dense(cursor: &mut Cursor<'_>) -> Result<Option<Dense>, FormatError> {
    match (cursor.offset()?, cursor.offset()?) {
        (Some(heap), Some(names)) => Ok(Some(Dense { heap, names })),
        (None, None) => Ok(None),
        _ => Err(cursor.corrupt("a heap without an index, or an index without a heap")),
    }
}
