//! Chunks in an extensible array ("Disk Format: Level 1I").

use super::{Job, array_entry, bit, entry_size, position};
use crate::FormatError;
use crate::hdf5::cursor::Cursor;
use crate::hdf5::file::{Extent, File};
use firn_model::diagnose::At;

/// One array: its parameters and how its numbers become positions.
struct Array {
    at: At,
    header: u64,
    is_filtered: bool,
    size_width: usize,
    entry_size: usize,
    /// Entries in the index block.
    in_index: u64,
    /// Entries of the smallest data block.
    min_entries: u64,
    /// Data blocks of the smallest super block that has a block of its own.
    min_pointers: u64,
    /// Entries of a page of a data block.
    page: u64,
    /// Bytes of the place of a block in the array.
    place_width: usize,
    super_blocks: u32,
    index_block: Option<u64>,
    axis: usize,
    greatest: Vec<u64>,
}

/// A data block to be read.
struct DataBlock {
    owner: usize,
    address: u64,
    /// Number of its first entry.
    first: u64,
    entries: u64,
    /// Which of its pages were written, where it is paged: bitmap, number of the first bit.
    pages: Option<(Vec<u8>, usize)>,
}

struct SuperBlock {
    owner: usize,
    address: u64,
    number: u32,
}

pub(super) fn read(file: &File, jobs: &mut [&mut Job]) -> Result<(), FormatError> {
    let size = 12 + 6 * u64::from(file.sizes.length) + u64::from(file.sizes.offset) + 4;
    let headers: Vec<Extent> = jobs.iter().map(|job| (job.chunked.address.unwrap_or(0), size)).collect();
    let blocks = file.read_many(&file.at, &headers, "the header of an extensible array")?;
    let mut arrays = Vec::with_capacity(jobs.len());
    for ((job, (address, _)), block) in jobs.iter().zip(&headers).zip(&blocks) {
        arrays.push(read_header(file, job, *address, block)?);
    }
    let mut super_blocks = Vec::new();
    let mut data_blocks = Vec::new();
    read_index_blocks(file, jobs, &arrays, &mut super_blocks, &mut data_blocks)?;
    read_super_blocks(file, &arrays, &super_blocks, &mut data_blocks)?;
    read_data_blocks(file, jobs, &arrays, &data_blocks)
}

fn read_header(file: &File, job: &Job, address: u64, block: &[u8]) -> Result<Array, FormatError> {
    let mut cursor = file.cursor(block, address, &job.at, "header of an extensible array");
    cursor.expect(*b"EAHD")?;
    cursor.version(&[0])?;
    let is_filtered = job.num_filters > 0;
    if cursor.u8()? != u8::from(is_filtered) {
        return Err(cursor.corrupt("its entries do not fit to the filters of the dataset"));
    }
    let size_width = job.size_width();
    let size = entry_size(file, is_filtered, size_width);
    let found = usize::from(cursor.u8()?);
    if found != size {
        return Err(cursor.corrupt(format_args!("its entries have {found} bytes instead of {size}")));
    }
    let max_bits = u32::from(cursor.u8()?);
    let in_index = u64::from(cursor.u8()?);
    let min_entries = u64::from(cursor.u8()?);
    let min_pointers = u64::from(cursor.u8()?);
    let page_bits = u32::from(cursor.u8()?);
    for _ in 0..6 {
        cursor.length()?;
    }
    let index_block = cursor.offset()?;
    cursor.checksum()?;
    let is_sound = (1..=64).contains(&max_bits)
        && min_entries.is_power_of_two()
        && min_pointers.is_power_of_two()
        && page_bits < 64
        && min_entries.trailing_zeros() < max_bits
        && 2 * min_pointers.trailing_zeros() <= 1 + max_bits - min_entries.trailing_zeros();
    if !is_sound {
        return Err(cursor.corrupt("its block sizes contradict each other"));
    }
    let axis = job.unlimited_axis()?;
    Ok(Array {
        at: job.at.clone(),
        header: address,
        is_filtered,
        size_width,
        entry_size: size,
        in_index,
        min_entries,
        min_pointers,
        page: 1 << page_bits,
        place_width: max_bits.div_ceil(8) as usize,
        super_blocks: 1 + max_bits - min_entries.trailing_zeros(),
        index_block,
        axis,
        greatest: job.max_grid(Some(axis))?,
    })
}

impl Array {
    /// Number of the first entry, number of data blocks, and entries of each of this super block.
    fn super_block(&self, number: u32) -> Option<(u64, u64, u64)> {
        let entries = self.min_entries.checked_mul(1u64.checked_shl(number.div_ceil(2))?)?;
        let blocks = 1u64.checked_shl(number / 2)?;
        let before = self.min_entries.checked_mul(1u64.checked_shl(number)? - 1)?;
        Some((self.in_index.checked_add(before)?, blocks, entries))
    }

    /// The position of the chunk with this number: the unlimited dimension varies slowest.
    fn position(&self, number: u64) -> Option<Vec<u64>> {
        let others = firn_model::array::chunk_grid::product(&self.greatest)?;
        if others == 0 {
            return None;
        }
        let mut found = position(number % others, &self.greatest)?;
        found[self.axis] = number / others;
        Some(found)
    }

    fn put(
        &self,
        file: &File,
        job: &mut Job,
        cursor: &mut Cursor<'_>,
        first: u64,
        entries: u64,
    ) -> Result<(), FormatError> {
        for number in first..first.saturating_add(entries) {
            let entry = array_entry(cursor, self.is_filtered, self.size_width, job.chunk_bytes)?;
            if let Some(position) = self.position(number) {
                job.put(file, &position, entry)?;
            }
        }
        Ok(())
    }

    /// Starts a cursor on a block behind its signature, version, class and the address of its header.
    fn enter<'a>(
        &'a self,
        file: &File,
        block: &'a [u8],
        address: u64,
        signature: [u8; 4],
        what: &'static str,
    ) -> Result<Cursor<'a>, FormatError> {
        let mut cursor = file.cursor(block, address, &self.at, what);
        cursor.expect(signature)?;
        cursor.version(&[0])?;
        cursor.skip(1)?;
        if cursor.address()? != self.header {
            return Err(cursor.corrupt("it belongs to another dataset"));
        }
        Ok(cursor)
    }
}

fn read_index_blocks(
    file: &File,
    jobs: &mut [&mut Job],
    arrays: &[Array],
    super_blocks: &mut Vec<SuperBlock>,
    data_blocks: &mut Vec<DataBlock>,
) -> Result<(), FormatError> {
    let width = u64::from(file.sizes.offset);
    let mut owners = Vec::new();
    let mut extents = Vec::new();
    for (owner, array) in arrays.iter().enumerate() {
        let Some(address) = array.index_block else { continue };
        let own = 2 * array.min_pointers.trailing_zeros();
        let pointers = 2 * (array.min_pointers - 1) + u64::from(array.super_blocks - own);
        let size = 6 + width + array.in_index * array.entry_size as u64 + pointers * width + 4;
        owners.push((owner, own));
        extents.push((address, size));
    }
    let blocks = file.read_many(&file.at, &extents, "the index block of an extensible array")?;
    for (((owner, own), (address, _)), block) in owners.into_iter().zip(extents).zip(&blocks) {
        let array = &arrays[owner];
        let mut cursor = array.enter(file, block, address, *b"EAIB", "index block of an extensible array")?;
        array.put(file, jobs[owner], &mut cursor, 0, array.in_index)?;
        for number in 0..array.super_blocks {
            let here = array.super_block(number);
            let places = if number < own { here.map_or(0, |(_, blocks, _)| blocks) } else { 1 };
            for place in 0..places {
                let Some(address) = cursor.offset()? else { continue };
                let Some((first, _, entries)) = here else {
                    return Err(cursor.corrupt("a super block beyond what can be counted"));
                };
                if number < own {
                    let first = first + place * entries;
                    let pages =
                        (entries > array.page).then(|| (vec![0xff; (entries / array.page).div_ceil(8) as usize], 0));
                    data_blocks.push(DataBlock { owner, address, first, entries, pages });
                } else {
                    super_blocks.push(SuperBlock { owner, address, number });
                }
            }
        }
        cursor.checksum()?;
    }
    Ok(())
}

fn read_super_blocks(
    file: &File,
    arrays: &[Array],
    wanted: &[SuperBlock],
    data_blocks: &mut Vec<DataBlock>,
) -> Result<(), FormatError> {
    let width = u64::from(file.sizes.offset);
    let mut shapes = Vec::with_capacity(wanted.len());
    let mut extents: Vec<Extent> = Vec::with_capacity(wanted.len());
    for one in wanted {
        let array = &arrays[one.owner];
        let shape = array.super_block(one.number);
        let (first, blocks, entries) =
            shape.ok_or_else(|| FormatError::corrupt(&array.at, "a super block beyond what can be counted"))?;
        let pages = if entries > array.page { entries / array.page } else { 0 };
        let bitmap = blocks.saturating_mul(pages.div_ceil(8));
        let size =
            (10 + width + array.place_width as u64).saturating_add(bitmap).saturating_add(blocks.saturating_mul(width));
        shapes.push((first, blocks, entries, pages));
        extents.push((one.address, size));
    }
    let found = file.read_many(&file.at, &extents, "a super block of an extensible array")?;
    for ((one, (first, blocks, entries, pages)), block) in wanted.iter().zip(shapes).zip(&found) {
        let array = &arrays[one.owner];
        let mut cursor = array.enter(file, block, one.address, *b"EASB", "super block of an extensible array")?;
        if cursor.uint(array.place_width)? != first - array.in_index {
            return Err(cursor.corrupt("it belongs to another place"));
        }
        let stride = pages.div_ceil(8) as usize;
        let bitmap = cursor.take(stride * blocks as usize)?;
        for number in 0..blocks {
            let Some(address) = cursor.offset()? else { continue };
            let pages = (pages > 0).then(|| (bitmap.to_vec(), number as usize * pages as usize));
            data_blocks.push(DataBlock { owner: one.owner, address, first: first + number * entries, entries, pages });
        }
        cursor.checksum()?;
    }
    Ok(())
}

fn read_data_blocks(
    file: &File,
    jobs: &mut [&mut Job],
    arrays: &[Array],
    wanted: &[DataBlock],
) -> Result<(), FormatError> {
    let width = u64::from(file.sizes.offset);
    let extents: Vec<Extent> = wanted
        .iter()
        .map(|one| {
            let array = &arrays[one.owner];
            let pages = one.pages.as_ref().map_or(0, |_| one.entries / array.page);
            let entries = one.entries.saturating_mul(array.entry_size as u64);
            let prefix = 10 + width + array.place_width as u64;
            (one.address, prefix.saturating_add(entries).saturating_add(pages.saturating_mul(4)))
        })
        .collect();
    let found = file.read_many(&file.at, &extents, "a data block of an extensible array")?;
    for (one, block) in wanted.iter().zip(&found) {
        let (array, job) = (&arrays[one.owner], &mut *jobs[one.owner]);
        let mut cursor = array.enter(file, block, one.address, *b"EADB", "data block of an extensible array")?;
        // Its own place: writers disagree on how it counts below the index block, and the way here says it anyway.
        cursor.skip(array.place_width)?;
        let Some((bitmap, bits)) = &one.pages else {
            array.put(file, job, &mut cursor, one.first, one.entries)?;
            cursor.checksum()?;
            continue;
        };
        cursor.checksum()?;
        let size = array.page as usize * array.entry_size;
        for page in 0..one.entries / array.page {
            let start = cursor.position();
            cursor.skip(size + 4)?;
            if !bit(bitmap, bits + page as usize) {
                continue;
            }
            let mut cursor =
                file.cursor(&block[start..], one.address + start as u64, &array.at, "page of an extensible array");
            array.put(file, job, &mut cursor, one.first + page * array.page, array.page)?;
            cursor.checksum()?;
        }
    }
    Ok(())
}
