//! Global heap collections: where sequences and texts of variable length are ("Disk Format: Level 1E").

use super::cursor::Cursor;
use super::file::{Extent, File};
use crate::FormatError;
use bytes::Bytes;
use firn_model::diagnose::At;
use std::collections::{BTreeMap, BTreeSet};

/// Read ahead for each collection: HDF5 makes none smaller.
const AHEAD: u64 = 4096;

/// A reference to a sequence of variable length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeapReference {
    /// Number of elements, bytes for text.
    pub count: u32,
    /// Address of the collection, and number of the object in it; `None`: nothing was written.
    pub object: Option<(u64, u32)>,
}

/// Parses one reference.
pub(super) fn reference(cursor: &mut Cursor<'_>) -> Result<HeapReference, FormatError> {
    let count = cursor.u32()?;
    let address = cursor.offset()?;
    let number = cursor.u32()?;
    // HDF5 writes address 0 for the empty sequence.
    let object = address.filter(|address| *address != 0 && count != 0).map(|address| (address, number));
    Ok(HeapReference { count, object })
}

/// Collections that were read, each once.
#[derive(Debug, Default)]
pub(super) struct GlobalHeaps {
    collections: BTreeMap<u64, BTreeMap<u32, Bytes>>,
}

impl GlobalHeaps {
    /// Reads those of these collections that were not read yet, in at most two batches.
    pub fn fetch(&mut self, file: &File, at: &At, addresses: impl IntoIterator<Item = u64>) -> Result<(), FormatError> {
        let wanted: BTreeSet<u64> = addresses.into_iter().filter(|a| !self.collections.contains_key(a)).collect();
        let wanted: Vec<u64> = wanted.into_iter().collect();
        let ahead: Vec<Extent> = wanted.iter().map(|address| (*address, AHEAD)).collect();
        let mut blocks = file.read_ahead(at, &ahead, "a global heap")?;
        let mut longer = Vec::new();
        for (index, address) in wanted.iter().enumerate() {
            let mut cursor = file.cursor(&blocks[index], *address, at, "global heap");
            cursor.expect(*b"GCOL")?;
            cursor.version(&[1])?;
            cursor.skip(3)?;
            let size = cursor.length()?;
            match usize::try_from(size).ok().filter(|size| *size <= blocks[index].len()) {
                Some(size) => blocks[index].truncate(size),
                None => longer.push((index, (*address, size))),
            }
        }
        let extents: Vec<Extent> = longer.iter().map(|(_, extent)| *extent).collect();
        for ((index, _), block) in longer.iter().zip(file.read_many(at, &extents, "a global heap")?) {
            blocks[*index] = block;
        }
        for (address, block) in wanted.iter().zip(&blocks) {
            self.collections.insert(*address, objects(file, at, *address, block)?);
        }
        Ok(())
    }

    /// The bytes of an object of a collection that was fetched.
    pub fn get(&self, at: &At, (address, number): (u64, u32)) -> Result<&Bytes, FormatError> {
        let object = self.collections.get(&address).and_then(|collection| collection.get(&number));
        object.ok_or_else(|| {
            FormatError::corrupt(
                &at.bytes(address, 0),
                format!("the global heap here has no object {number}, to which a value refers"),
            )
        })
    }
}

fn objects(file: &File, at: &At, address: u64, block: &Bytes) -> Result<BTreeMap<u32, Bytes>, FormatError> {
    // Both the collection's own prefix and that of each object fill multiples of 8 bytes.
    let prefix = (8 + usize::from(file.sizes.length)).next_multiple_of(8);
    let mut cursor = file.cursor(block, address, at, "global heap");
    cursor.skip(prefix)?;
    let mut objects = BTreeMap::new();
    while cursor.remaining() >= prefix {
        let from = cursor.position();
        let number = u32::from(cursor.u16()?);
        if number == 0 {
            break; // free space to the end
        }
        cursor.skip(6)?;
        let size = cursor.length()?;
        cursor.align(from, 8)?;
        let size = usize::try_from(size).map_err(|_| cursor.corrupt("an object without end"))?;
        let start = cursor.position();
        cursor.skip(size)?;
        objects.insert(number, block.slice(start..start + size));
        let padding = size.next_multiple_of(8) - size;
        cursor.skip(padding.min(cursor.remaining()))?;
    }
    Ok(objects)
}
