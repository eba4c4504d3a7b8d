//! Filter pipeline message ("IV.A.2.l").

use crate::FormatError;
use crate::hdf5::cursor::Cursor;

/// One filter, in the order of writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hdf5) struct Filter {
    pub id: u16,
    pub name: String,
    pub parameters: Vec<u32>,
}

/// Parses the message.
pub(in crate::hdf5) fn parse(cursor: &mut Cursor<'_>) -> Result<Vec<Filter>, FormatError> {
    let version = cursor.version(&[1, 2])?;
    let count = cursor.u8()?;
    if count > 32 {
        return Err(cursor.corrupt(format_args!("{count} filters, of which HDF5 allows 32")));
    }
    if version == 1 {
        cursor.skip(6)?;
    }
    let mut filters = Vec::with_capacity(usize::from(count));
    for _ in 0..count {
        let id = cursor.u16()?;
        let name_length = if version == 1 || id >= 256 { usize::from(cursor.u16()?) } else { 0 };
        cursor.skip(2)?; // whether it may fail: says nothing about reading
        let values = usize::from(cursor.u16()?);
        let from = cursor.position();
        let name = cursor.take(name_length)?;
        if version == 1 {
            cursor.align(from, 8)?;
        }
        let name = String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
        let mut parameters = Vec::new();
        for _ in 0..values {
            parameters.push(cursor.u32()?);
        }
        if version == 1 && values % 2 == 1 {
            cursor.skip(4)?;
        }
        filters.push(Filter { id, name, parameters });
    }
    Ok(filters)
}
