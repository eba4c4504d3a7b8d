//! The chunks of datasets: one module an index structure, each reading all datasets of the file that use it together.

mod btree1;
mod btree2;
mod extensible_array;
mod fixed_array;

use super::file::File;
use super::message::layout::{Chunked, Index};
use crate::FormatError;
use firn_model::array::chunk_grid::{ChunkIndices, from_linear, indices_of, product, to_linear};
use firn_model::array::manifest::{ChunkEntry, ChunkTable};
use firn_model::diagnose::At;

/// The chunks of one dataset, to be found.
pub(super) struct Job {
    pub at: At,
    pub chunked: Chunked,
    /// Extents of the dataset; the grid of the table may be larger, where an unlimited dimension is longer elsewhere.
    pub shape: Vec<u64>,
    pub max_shape: Vec<Option<u64>>,
    pub num_filters: usize,
    /// Bytes of a chunk without filters.
    pub chunk_bytes: u64,
    /// What was found so far.
    pub table: ChunkTable,
    /// The number of the file in the table.
    pub object: u32,
}

/// An entry of an index.
#[derive(Debug, Clone, Copy)]
struct Entry {
    address: Option<u64>,
    length: u64,
    filter_mask: u32,
}

/// Finds the chunks of all these datasets.
pub(super) fn read(file: &File, jobs: &mut [Job]) -> Result<(), FormatError> {
    let mut by_kind: [Vec<&mut Job>; 4] = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for job in jobs {
        let Some(address) = job.chunked.address else { continue };
        match job.chunked.index.clone() {
            Index::BTree1 => by_kind[0].push(job),
            Index::FixedArray => by_kind[1].push(job),
            Index::ExtensibleArray => by_kind[2].push(job),
            Index::BTree2 => by_kind[3].push(job),
            Index::Single(filtered) => {
                let (length, filter_mask) = filtered.unwrap_or((job.chunk_bytes, 0));
                let first = vec![0; job.shape.len()];
                job.put(file, &first, Entry { address: Some(address), length, filter_mask })?;
            }
            Index::Implicit => implicit(file, job, address)?,
        }
    }
    let [btree1, fixed, extensible, btree2] = &mut by_kind;
    btree1::read(file, btree1)?;
    fixed_array::read(file, fixed)?;
    extensible_array::read(file, extensible)?;
    btree2::read(file, btree2)
}

/// All chunks lie in a row, in C order over the greatest extents.
fn implicit(file: &File, job: &mut Job, address: u64) -> Result<(), FormatError> {
    let greatest = job.max_grid(None)?;
    for indices in indices_of(&job.grid()) {
        let entry = to_linear(&indices, &greatest)
            .and_then(|number| number.checked_mul(job.chunk_bytes))
            .and_then(|offset| offset.checked_add(address));
        let address = Some(entry.ok_or_else(|| FormatError::corrupt(&job.at, "the place of a chunk overflows"))?);
        job.put(file, &indices.0, Entry { address, length: job.chunk_bytes, filter_mask: 0 })?;
    }
    Ok(())
}

impl Job {
    /// Number of chunks along each dimension of the dataset as it is.
    fn grid(&self) -> Vec<u64> {
        self.shape.iter().zip(&self.chunked.chunk_shape).map(|(extent, chunk)| extent.div_ceil(*chunk)).collect()
    }

    /// Number of chunks along each dimension of the dataset as it may become; `unlimited`, where given, counts as 1.
    fn max_grid(&self, unlimited: Option<usize>) -> Result<Vec<u64>, FormatError> {
        let mut grid = Vec::with_capacity(self.shape.len());
        for (axis, (max, chunk)) in self.max_shape.iter().zip(&self.chunked.chunk_shape).enumerate() {
            match max {
                _ if unlimited == Some(axis) => grid.push(1),
                Some(max) => grid.push(max.div_ceil(*chunk)),
                None => {
                    let what = "its chunk index does not fit to its unlimited dimensions";
                    return Err(FormatError::corrupt(&self.at, what));
                }
            }
        }
        if product(&grid).is_none() {
            return Err(FormatError::limit(
                &self.at,
                "the number of chunks at its greatest extent",
                u64::MAX,
                u64::MAX,
            ));
        }
        Ok(grid)
    }

    /// Bytes of the size of a chunk in an index entry of a filtered dataset.
    fn size_width(&self) -> usize {
        match self.chunked.size_width {
            Some(width) => usize::from(width),
            // Enough for the size of the chunk and one byte more, for chunks that grow through their filters.
            None => (1 + (u64::BITS - self.chunk_bytes.leading_zeros() + 7) as usize / 8).min(8),
        }
    }

    /// Records a chunk at this position of the grid. Positions outside of the current extents are stale: HDF5 does not
    /// show them either.
    fn put(&mut self, file: &File, position: &[u64], entry: Entry) -> Result<(), FormatError> {
        let Some(address) = entry.address else { return Ok(()) };
        let inside = position
            .iter()
            .zip(&self.shape)
            .zip(&self.chunked.chunk_shape)
            .all(|((index, extent), chunk)| index.checked_mul(*chunk).is_some_and(|first| first < *extent));
        if !inside {
            return Ok(());
        }
        let indices = ChunkIndices(position.to_vec());
        let linear = to_linear(&indices, self.table.grid_shape());
        let linear = linear.ok_or_else(|| FormatError::bug(&self.at, "a chunk lies outside of its own grid"))?;
        if !matches!(self.table.entry(linear), ChunkEntry::KnownEmpty) {
            return Err(FormatError::corrupt(&self.at, format!("the chunk at {position:?} is there twice")));
        }
        let mut filter_mask = entry.filter_mask;
        if self.chunked.edges_unfiltered && self.is_partial(position) {
            filter_mask = (1u64 << self.num_filters).wrapping_sub(1) as u32;
        }
        if self.num_filters == 0 && entry.length != self.chunk_bytes {
            let what = format!("the chunk at {position:?} has {} bytes instead of {}", entry.length, self.chunk_bytes);
            return Err(FormatError::corrupt(&self.at, what));
        }
        let offset = file.place(&self.at, (address, entry.length), "a chunk")?;
        self.table.set_stored(linear, self.object, offset, entry.length, filter_mask);
        Ok(())
    }

    fn is_partial(&self, position: &[u64]) -> bool {
        let ends =
            position.iter().zip(&self.chunked.chunk_shape).map(|(index, chunk)| (index + 1).saturating_mul(*chunk));
        ends.zip(&self.shape).any(|(end, extent)| end > *extent)
    }

    /// The number of the one unlimited dimension, as an extensible array needs it.
    fn unlimited_axis(&self) -> Result<usize, FormatError> {
        let mut axes = (0..self.max_shape.len()).filter(|axis| self.max_shape[*axis].is_none());
        match (axes.next(), axes.next()) {
            (Some(axis), None) => Ok(axis),
            _ => Err(FormatError::corrupt(&self.at, "an extensible array without exactly one unlimited dimension")),
        }
    }
}

/// Parses an entry of a fixed or extensible array: an address, and for filtered chunks their size and filter mask.
fn array_entry(
    cursor: &mut super::cursor::Cursor<'_>,
    is_filtered: bool,
    size_width: usize,
    chunk_bytes: u64,
) -> Result<Entry, FormatError> {
    let address = cursor.offset()?;
    if !is_filtered {
        return Ok(Entry { address, length: chunk_bytes, filter_mask: 0 });
    }
    Ok(Entry { address, length: cursor.uint(size_width)?, filter_mask: cursor.u32()? })
}

/// Bytes of an entry of a fixed or extensible array.
fn entry_size(file: &File, is_filtered: bool, size_width: usize) -> usize {
    usize::from(file.sizes.offset) + if is_filtered { size_width + 4 } else { 0 }
}

/// Whether bit `number` of a bitmap is set, the first bit being the greatest of its byte.
fn bit(bitmap: &[u8], number: usize) -> bool {
    bitmap.get(number / 8).is_some_and(|byte| byte << (number % 8) & 0x80 != 0)
}

/// The position with this number in C order over the greatest extents.
fn position(number: u64, greatest: &[u64]) -> Option<Vec<u64>> {
    (number < product(greatest)?).then(|| from_linear(number, greatest).0)
}
