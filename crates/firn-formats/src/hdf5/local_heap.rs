//! Local heaps: the names of old groups ("Disk Format: Level 1D").

use super::cursor::Cursor;
use super::file::{Extent, File};
use crate::FormatError;
use bytes::Bytes;
use firn_model::diagnose::At;

/// The data of one heap.
#[derive(Debug, Clone)]
pub(super) struct LocalHeap {
    data: Bytes,
    address: u64,
}

/// The heaps at these addresses, in two batches.
pub(super) fn read(file: &File, heaps: &[(u64, &At)]) -> Result<Vec<LocalHeap>, FormatError> {
    let header = 8 + 2 * u64::from(file.sizes.length) + u64::from(file.sizes.offset);
    let extents: Vec<Extent> = heaps.iter().map(|(address, _)| (*address, header)).collect();
    let blocks = file.read_many(&file.at, &extents, "a local heap")?;
    let mut extents = Vec::with_capacity(heaps.len());
    for ((address, at), block) in heaps.iter().zip(&blocks) {
        let mut cursor = file.cursor(block, *address, at, "local heap");
        cursor.expect(*b"HEAP")?;
        cursor.version(&[0])?;
        cursor.skip(3)?;
        let size = cursor.length()?;
        cursor.length()?;
        extents.push((cursor.address()?, size));
    }
    let data = file.read_many(&file.at, &extents, "the names of a group")?;
    Ok(extents.iter().zip(data).map(|((address, _), data)| LocalHeap { data, address: *address }).collect())
}

impl LocalHeap {
    /// The bytes from `offset` to the next NUL.
    pub fn text(&self, file: &File, at: &At, offset: u64) -> Result<String, FormatError> {
        let mut cursor: Cursor<'_> = file.cursor(&self.data, self.address, at, "names of a group");
        let offset = usize::try_from(offset).map_err(|_| cursor.corrupt("a name beyond the heap"))?;
        cursor.skip(offset)?;
        Ok(super::message::link::text(cursor.text_to_nul()?))
    }
}
