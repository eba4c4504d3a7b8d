//! Fractal heaps: where links and attributes are when they are many, and shared messages ("Disk Format: Level 1G").

use super::btree2;
use super::cursor::Cursor;
use super::file::{Extent, File};
use crate::FormatError;
use bytes::Bytes;
use firn_model::diagnose::At;
use std::collections::{BTreeMap, HashSet};

/// A heap whose blocks are known.
#[derive(Debug)]
pub(super) struct FractalHeap {
    at: At,
    id_length: usize,
    offset_width: usize,
    length_width: usize,
    has_block_checksums: bool,
    address: u64,
    huge_index: Option<u64>,
    /// Direct blocks by their offset in the heap: size, address.
    blocks: BTreeMap<u64, (u64, u64)>,
    huge: BTreeMap<u64, Extent>,
}

struct Table {
    width: u64,
    start: u64,
    max_direct: u64,
    max_bits: u32,
}

impl Table {
    fn row_size(&self, row: u32) -> u64 {
        self.start << row.saturating_sub(1)
    }

    fn direct_rows(&self) -> u32 {
        self.max_direct.trailing_zeros() - self.start.trailing_zeros() + 2
    }

    /// Rows of an indirect block that spans `size` bytes.
    fn rows_of(&self, size: u64) -> u32 {
        (size.trailing_zeros() + 1).saturating_sub(self.start.trailing_zeros() + self.width.trailing_zeros())
    }
}

/// An indirect block that has to be read.
struct Indirect {
    owner: usize,
    address: u64,
    offset: u64,
    rows: u32,
}

/// The heaps whose headers are at these addresses, with the places of all their blocks.
pub(super) fn open(file: &File, heaps: &[(u64, &At)]) -> Result<Vec<FractalHeap>, FormatError> {
    let (o, l) = (u64::from(file.sizes.offset), u64::from(file.sizes.length));
    let size = 4 + 1 + 2 + 2 + 1 + 4 + 12 * l + 3 * o + 2 + 2 + 2 + 2 + 4;
    let extents: Vec<Extent> = heaps.iter().map(|(address, _)| (*address, size)).collect();
    let blocks = file.read_many(&file.at, &extents, "the header of a fractal heap")?;
    let mut parsed = Vec::with_capacity(heaps.len());
    let mut tables = Vec::with_capacity(heaps.len());
    let mut indirect = Vec::new();
    for (owner, ((address, at), block)) in heaps.iter().zip(&blocks).enumerate() {
        let mut cursor = file.cursor(block, *address, at, "header of a fractal heap");
        let (heap, table, root) = read_header(&mut cursor, *address, at, owner)?;
        parsed.push(heap);
        tables.push(table);
        indirect.extend(root);
    }
    let mut visited = HashSet::new();
    while !indirect.is_empty() {
        indirect = read_indirect(file, &indirect, &mut parsed, &tables, &mut visited)?;
    }
    read_huge_index(file, &mut parsed)?;
    Ok(parsed)
}

fn read_header(
    cursor: &mut Cursor<'_>,
    address: u64,
    at: &At,
    owner: usize,
) -> Result<(FractalHeap, Table, Option<Indirect>), FormatError> {
    cursor.expect(*b"FRHP")?;
    cursor.version(&[0])?;
    let id_length = usize::from(cursor.u16()?);
    if cursor.u16()? != 0 {
        return Err(cursor
            .unsupported("unsupported-hdf5-filtered-heap", "links or attributes stored through filters are not read"));
    }
    let has_block_checksums = cursor.u8()? & 0x02 != 0;
    let max_managed = u64::from(cursor.u32()?);
    cursor.length()?;
    let huge_index = cursor.offset()?;
    cursor.length()?;
    cursor.offset()?;
    for _ in 0..8 {
        cursor.length()?;
    }
    let width = u64::from(cursor.u16()?);
    let start = cursor.length()?;
    let max_direct = cursor.length()?;
    let max_bits = u32::from(cursor.u16()?);
    cursor.skip(2)?;
    let root = cursor.offset()?;
    let rows = u32::from(cursor.u16()?);
    cursor.checksum()?;
    let is_sound = width.is_power_of_two()
        && start.is_power_of_two()
        && max_direct.is_power_of_two()
        && start <= max_direct
        && max_direct <= 1 << 32
        && (1..=64).contains(&max_bits)
        && max_direct.trailing_zeros() <= max_bits
        && id_length > 0;
    if !is_sound {
        return Err(cursor.corrupt("its block sizes contradict each other"));
    }
    let table = Table { width, start, max_direct, max_bits };
    if rows > max_bits {
        return Err(cursor.corrupt(format_args!("{rows} rows of blocks")));
    }
    let mut heap = FractalHeap {
        at: at.clone(),
        id_length,
        offset_width: max_bits.div_ceil(8) as usize,
        length_width: (max_direct.trailing_zeros().div_ceil(8) as usize).min(bytes_for(max_managed)),
        has_block_checksums,
        address,
        huge_index,
        blocks: BTreeMap::new(),
        huge: BTreeMap::new(),
    };
    let mut indirect = None;
    match root {
        Some(root) if rows == 0 => {
            heap.blocks.insert(0, (start, root));
        }
        Some(root) => indirect = Some(Indirect { owner, address: root, offset: 0, rows }),
        None => {}
    }
    Ok((heap, table, indirect))
}

fn bytes_for(limit: u64) -> usize {
    ((u64::BITS - limit.leading_zeros()).div_ceil(8) as usize).max(1)
}

/// Reads these indirect blocks; adds the direct blocks they name and gives the indirect ones.
fn read_indirect(
    file: &File,
    wanted: &[Indirect],
    heaps: &mut [FractalHeap],
    tables: &[Table],
    visited: &mut HashSet<(usize, u64)>,
) -> Result<Vec<Indirect>, FormatError> {
    let width = u64::from(file.sizes.offset);
    let extents: Vec<Extent> = wanted
        .iter()
        .map(|one| {
            let children = u64::from(one.rows).saturating_mul(tables[one.owner].width);
            (one.address, 9 + width + heaps[one.owner].offset_width as u64 + children.saturating_mul(width))
        })
        .collect();
    let blocks = file.read_many(&file.at, &extents, "an indirect block of a fractal heap")?;
    let mut next = Vec::new();
    for (one, block) in wanted.iter().zip(&blocks) {
        let (heap, table) = (&mut heaps[one.owner], &tables[one.owner]);
        let at = heap.at.clone();
        let mut cursor = file.cursor(block, one.address, &at, "indirect block of a fractal heap");
        if !visited.insert((one.owner, one.address)) {
            return Err(cursor.corrupt("it leads back to itself"));
        }
        cursor.expect(*b"FHIB")?;
        cursor.version(&[0])?;
        if cursor.address()? != heap.address || cursor.uint(heap.offset_width)? != one.offset {
            return Err(cursor.corrupt("it belongs to another heap or place"));
        }
        let mut offset = one.offset;
        for row in 0..one.rows {
            let size = table.row_size(row);
            for _ in 0..table.width {
                if let Some(address) = cursor.offset()? {
                    if row < table.direct_rows() {
                        heap.blocks.insert(offset, (size, address));
                    } else {
                        next.push(Indirect { owner: one.owner, address, offset, rows: table.rows_of(size) });
                    }
                }
                offset = offset
                    .checked_add(size)
                    .filter(|o| table.max_bits == 64 || *o <= 1 << table.max_bits)
                    .ok_or_else(|| cursor.corrupt("it spans more than the heap"))?;
            }
        }
        cursor.checksum()?;
    }
    Ok(next)
}

/// Reads the B-trees that find huge objects by number, where a heap needs one.
fn read_huge_index(file: &File, heaps: &mut [FractalHeap]) -> Result<(), FormatError> {
    let owners: Vec<usize> = (0..heaps.len()).filter(|i| heaps[*i].huge_index.is_some()).collect();
    let ats: Vec<At> = owners.iter().map(|i| heaps[*i].at.clone()).collect();
    let trees: Vec<(u64, &At)> =
        owners.iter().zip(&ats).filter_map(|(i, at)| heaps[*i].huge_index.map(|address| (address, at))).collect();
    let found = btree2::read(file, &trees)?;
    for ((owner, at), tree) in owners.iter().zip(&ats).zip(found) {
        if tree.kind != 1 {
            continue; // direct identifiers carry the address themselves
        }
        for record in &tree.records {
            let mut cursor = file.cursor(record, 0, at, "record of a huge object");
            let extent = (cursor.address()?, cursor.length()?);
            heaps[*owner].huge.insert(cursor.length()?, extent);
        }
    }
    Ok(())
}

/// Where the bytes of an object are.
enum Place {
    /// In a direct block (its offset in the heap), from this byte, so many.
    Managed(u64, u64, u64),
    Huge(Extent),
    /// In the identifier.
    Tiny(Bytes),
}

impl FractalHeap {
    fn place(&self, file: &File, id: &Bytes) -> Result<Place, FormatError> {
        let mut cursor = file.cursor(id, 0, &self.at, "identifier of a heap object");
        let first = cursor.u8()?;
        if first >> 6 != 0 {
            return Err(cursor.unsupported("unsupported-hdf5-version", "its version is not known"));
        }
        match first >> 4 & 0x03 {
            0 => {
                let (offset, length) = (cursor.uint(self.offset_width)?, cursor.uint(self.length_width)?);
                let block = self.blocks.range(..=offset).next_back();
                match block {
                    Some((start, (size, _)))
                        if (offset - start).checked_add(length).is_some_and(|end| end <= *size) =>
                    {
                        Ok(Place::Managed(*start, offset - start, length))
                    }
                    _ => Err(cursor.corrupt("the object lies in no block of the heap")),
                }
            }
            1 => {
                let is_direct = 1 + usize::from(file.sizes.offset) + usize::from(file.sizes.length) <= self.id_length;
                if is_direct {
                    return Ok(Place::Huge((cursor.address()?, cursor.length()?)));
                }
                let number = cursor.uint((self.id_length - 1).min(usize::from(file.sizes.length)).min(8))?;
                let extent =
                    self.huge.get(&number).ok_or_else(|| cursor.corrupt("the object is not in the heap's index"))?;
                Ok(Place::Huge(*extent))
            }
            2 => {
                let (start, length) = if self.id_length <= 17 {
                    (1, usize::from(first & 0x0f) + 1)
                } else {
                    (2, (usize::from(first & 0x0f) << 8 | usize::from(cursor.u8()?)) + 1)
                };
                if start + length > id.len() {
                    return Err(cursor.corrupt("a tiny object is longer than its identifier"));
                }
                Ok(Place::Tiny(id.slice(start..start + length)))
            }
            _ => Err(cursor.corrupt("an object of an unknown kind")),
        }
    }
}

/// The objects with these identifiers: number of the heap, identifier. Every block is read once, all in one batch.
/// Each object comes with its address, 0 for those inside their identifier.
pub(super) fn objects(
    file: &File,
    heaps: &[FractalHeap],
    ids: &[(usize, Bytes)],
) -> Result<Vec<(Bytes, u64)>, FormatError> {
    let mut places = Vec::with_capacity(ids.len());
    let mut needed: BTreeMap<(usize, u64), Extent> = BTreeMap::new();
    let mut huge = Vec::new();
    for (owner, id) in ids {
        let place = heaps[*owner].place(file, id)?;
        match &place {
            Place::Managed(start, ..) => {
                if let Some((size, address)) = heaps[*owner].blocks.get(start) {
                    needed.insert((*owner, *start), (*address, *size));
                }
            }
            Place::Huge(extent) => huge.push(*extent),
            Place::Tiny(_) => {}
        }
        places.push((*owner, place));
    }
    let extents: Vec<Extent> = needed.values().copied().collect();
    let answers = file.read_many(&file.at, &extents, "a block of a fractal heap")?;
    let mut blocks: BTreeMap<(usize, u64), (u64, Bytes)> = BTreeMap::new();
    for ((key, (address, _)), block) in needed.iter().zip(answers) {
        verify_block(file, &heaps[key.0], key.1, *address, &block)?;
        blocks.insert(*key, (*address, block));
    }
    let mut huge_answers = file.read_many(&file.at, &huge, "a huge object of a fractal heap")?.into_iter().zip(&huge);
    let mut found = Vec::with_capacity(places.len());
    for (owner, place) in places {
        let lost = || FormatError::bug(&heaps[owner].at, "a heap block that was asked for was not read");
        found.push(match place {
            Place::Managed(start, from, length) => {
                let (address, block) = blocks.get(&(owner, start)).ok_or_else(lost)?;
                (block.slice(from as usize..(from + length) as usize), address + from)
            }
            Place::Huge(_) => {
                let (bytes, (address, _)) = huge_answers.next().ok_or_else(lost)?;
                (bytes, *address)
            }
            Place::Tiny(bytes) => (bytes, 0),
        });
    }
    Ok(found)
}

fn verify_block(file: &File, heap: &FractalHeap, offset: u64, address: u64, block: &[u8]) -> Result<(), FormatError> {
    let mut cursor = file.cursor(block, address, &heap.at, "direct block of a fractal heap");
    cursor.expect(*b"FHDB")?;
    cursor.version(&[0])?;
    if cursor.address()? != heap.address || cursor.uint(heap.offset_width)? != offset {
        return Err(cursor.corrupt("it belongs to another heap or place"));
    }
    if !heap.has_block_checksums {
        return Ok(());
    }
    // The checksum stands before the data and counts as zero in itself.
    let place = cursor.position();
    let stored = cursor.u32()?;
    let mut zeroed = block.to_vec();
    zeroed[place..place + 4].fill(0);
    if super::checksum::holds(&zeroed, stored) {
        return Ok(());
    }
    Err(cursor.corrupt("the stored checksum is not that of the bytes"))
}
