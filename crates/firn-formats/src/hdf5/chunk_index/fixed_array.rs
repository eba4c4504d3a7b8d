//! Chunks in a fixed array ("Disk Format: Level 1H").

use super::{Job, array_entry, bit, entry_size, position};
use crate::FormatError;
use crate::hdf5::file::{Extent, File};

struct Array {
    count: u64,
    /// Entries of a page; all of them where the block is not paged.
    page: u64,
    is_paged: bool,
    block: Option<Extent>,
    is_filtered: bool,
}

pub(super) fn read(file: &File, jobs: &mut [&mut Job]) -> Result<(), FormatError> {
    let size = 4 + 4 + u64::from(file.sizes.length) + u64::from(file.sizes.offset) + 4;
    let headers: Vec<Extent> = jobs.iter().map(|job| (job.chunked.address.unwrap_or(0), size)).collect();
    let blocks = file.read_many(&file.at, &headers, "the header of a fixed array")?;
    let mut arrays = Vec::with_capacity(jobs.len());
    for ((job, (address, _)), block) in jobs.iter().zip(&headers).zip(&blocks) {
        arrays.push(read_header(file, job, *address, block)?);
    }
    let extents: Vec<Extent> = arrays.iter().filter_map(|array| array.block).collect();
    let mut blocks = file.read_many(&file.at, &extents, "a fixed array")?.into_iter();
    for ((job, array), (header, _)) in jobs.iter_mut().zip(&arrays).zip(headers) {
        let (Some((address, _)), Some(block)) = (array.block, array.block.and_then(|_| blocks.next())) else {
            continue;
        };
        read_block(file, job, array, header, address, &block)?;
    }
    Ok(())
}

fn read_header(file: &File, job: &Job, address: u64, block: &[u8]) -> Result<Array, FormatError> {
    let mut cursor = file.cursor(block, address, &job.at, "header of a fixed array");
    cursor.expect(*b"FAHD")?;
    cursor.version(&[0])?;
    let is_filtered = job.num_filters > 0;
    if cursor.u8()? != u8::from(is_filtered) {
        return Err(cursor.corrupt("its entries do not fit to the filters of the dataset"));
    }
    let size = entry_size(file, is_filtered, job.size_width());
    let found = usize::from(cursor.u8()?);
    if found != size {
        return Err(cursor.corrupt(format_args!("its entries have {found} bytes instead of {size}")));
    }
    let page_bits = u32::from(cursor.u8()?);
    let count = cursor.length()?;
    let data = cursor.offset()?;
    cursor.checksum()?;
    let page = 1u64.checked_shl(page_bits).unwrap_or(u64::MAX);
    let is_paged = count > page;
    let prefix = 6 + u64::from(file.sizes.offset) + 4;
    let entries = count.saturating_mul(size as u64);
    let paging = if is_paged {
        count.div_ceil(page).div_ceil(8).saturating_add(count.div_ceil(page).saturating_mul(4))
    } else {
        0
    };
    let total = prefix.saturating_add(entries).saturating_add(paging);
    Ok(Array {
        count,
        page: if is_paged { page } else { count },
        is_paged,
        block: data.map(|data| (data, total)),
        is_filtered,
    })
}

fn read_block(
    file: &File,
    job: &mut Job,
    array: &Array,
    header: u64,
    address: u64,
    block: &[u8],
) -> Result<(), FormatError> {
    let at = job.at.clone();
    let greatest = job.max_grid(None)?;
    let mut cursor = file.cursor(block, address, &at, "fixed array");
    cursor.expect(*b"FADB")?;
    cursor.version(&[0])?;
    cursor.skip(1)?;
    if cursor.address()? != header {
        return Err(cursor.corrupt("it belongs to another dataset"));
    }
    let pages = if array.is_paged { array.count.div_ceil(array.page) as usize } else { 1 };
    let mut bitmap: &[u8] = &[0xff];
    if array.is_paged {
        bitmap = cursor.take(pages.div_ceil(8))?;
        cursor.checksum()?;
    }
    let width = job.size_width();
    let size = entry_size(file, array.is_filtered, width);
    for page in 0..pages {
        let first = page as u64 * array.page;
        let count = array.page.min(array.count - first);
        let bytes = count as usize * size;
        if array.is_paged && !bit(bitmap, page) {
            cursor.skip(bytes + 4)?;
            continue;
        }
        let start = cursor.position();
        if array.is_paged {
            let page = &block[start..];
            let mut page = file.cursor(page, address + start as u64, &at, "page of a fixed array");
            page.skip(bytes)?;
            page.checksum()?;
        }
        for number in first..first + count {
            let entry = array_entry(&mut cursor, array.is_filtered, width, job.chunk_bytes)?;
            if let Some(position) = position(number, &greatest) {
                job.put(file, &position, entry)?;
            }
        }
        if array.is_paged {
            cursor.skip(4)?;
        } else {
            cursor.checksum()?;
        }
    }
    Ok(())
}
