//! Attribute message, versions 1 to 3 ("IV.A.2.m").

use crate::FormatError;
use crate::hdf5::cursor::Cursor;

/// An attribute whose datatype and dataspace are not parsed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hdf5) struct Parts {
    pub name: String,
    /// Where in the message its datatype, dataspace and data are: start, length.
    pub datatype: (usize, usize),
    pub dataspace: (usize, usize),
    pub data: usize,
    pub datatype_is_shared: bool,
    pub dataspace_is_shared: bool,
}

/// Cuts the message into its parts.
pub(in crate::hdf5) fn parse(cursor: &mut Cursor<'_>) -> Result<Parts, FormatError> {
    let version = cursor.version(&[1, 2, 3])?;
    let flags = cursor.u8()?; // reserved in version 1
    let name_size = usize::from(cursor.u16()?);
    let datatype_size = usize::from(cursor.u16()?);
    let dataspace_size = usize::from(cursor.u16()?);
    if version == 3 {
        cursor.skip(1)?;
    }
    let unit = if version == 1 { 8 } else { 1 };
    let from = cursor.position();
    let name = super::link::text(cursor.take(name_size)?);
    cursor.align(from, unit)?;
    let datatype = (cursor.position(), datatype_size);
    cursor.skip(datatype_size)?;
    cursor.align(datatype.0, unit)?;
    let dataspace = (cursor.position(), dataspace_size);
    cursor.skip(dataspace_size)?;
    cursor.align(dataspace.0, unit)?;
    Ok(Parts {
        name,
        datatype,
        dataspace,
        data: cursor.position(),
        datatype_is_shared: version > 1 && flags & 0x01 != 0,
        dataspace_is_shared: version > 1 && flags & 0x02 != 0,
    })
}
