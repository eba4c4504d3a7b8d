//! How the allowed memory is divided.
//!
//! What a run holds at its peak, in order: the program and what it knows of its sources ([`BASE`] and a share for each
//! file, chunk and output); the regions of the tasks under way; for each worker what decoding or encoding a chunk needs;
//! for each thread the bytes that it reads or writes. All of it is stated in the plan, and none of it is more than allowed.

use super::layout::ArrayLayout;
use crate::array::chunk_grid::product;
use crate::array::codec::{BloscCompressor, is_uncompressed};
use crate::array::{Array, ChunkManifest, CodecMetadata};
use crate::combine::{Combined, CombinedArray, CombinedContent};
use crate::dataset::{Node, NodePath};

/// What a run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Bytes of memory, for the whole process.
    pub memory: u64,
    /// Chunks that may be decoded or encoded side by side.
    pub jobs: usize,
    /// Whether chunks are read from or written to a network: then more threads wait than compute.
    pub is_remote: bool,
    /// Chunk references that are written.
    pub references: u64,
}

/// The program, its threads and libraries, before it has read anything.
const BASE: u64 = 40 << 20;
/// What is kept of each source file, chunks not counted.
const OF_A_FILE: u64 = 48 << 10;
/// What is kept of each chunk of each source file.
const OF_A_CHUNK: u64 = 64;
/// What is kept of each chunk or shard that is written, until the ledger is.
const OF_AN_OUTPUT: u64 = 400;
/// What is kept of each reference: where the chunk is, and its place in the table that is written.
const OF_A_REFERENCE: u64 = 64;
/// References that are held until they are written out, and what each takes until then.
const REFERENCES_HELD: u64 = 500_000;
const OF_A_HELD_REFERENCE: u64 = 600;
/// Encoded bytes of one source that are asked for at once over a network: each request costs a round trip.
const REMOTE_BATCH: u64 = 8 << 20;
/// The same of a local file, where asking costs little.
const LOCAL_BATCH: u64 = 1 << 20;
/// Most threads that wait for the network beyond those that compute.
const WAITING: u64 = 16;

/// The division of the memory among the parts of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemoryModel {
    resources: Resources,
    /// Held all the time.
    pub base: u64,
    /// Of each task besides its region: the encoded parts of a shard, and the shard.
    task: u64,
    /// Of each worker: what codecs hold while they work on a chunk.
    worker: u64,
    /// Of each thread: what it has read or is going to write, and the tables of its encoder.
    thread: u64,
    /// Encoded bytes that are asked for at once.
    pub batch: u64,
}

/// How many do what, and what that takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Division {
    pub concurrency: usize,
    pub workers: usize,
    pub waiting: usize,
    pub peak: u64,
}

impl MemoryModel {
    pub fn new(combined: &Combined, layouts: &[(NodePath, ArrayLayout)], resources: Resources) -> Self {
        let batch = if resources.is_remote { REMOTE_BATCH } else { LOCAL_BATCH };
        let references = resources.references;
        let base = [
            BASE,
            known(combined),
            references.saturating_mul(OF_A_REFERENCE),
            references.min(REFERENCES_HELD).saturating_mul(OF_A_HELD_REFERENCE),
        ];
        let base = base.into_iter().fold(0, u64::saturating_add);
        let mut model = Self { resources, base, task: 0, worker: 1, thread: batch, batch };
        for (path, layout) in layouts {
            if let Some(array) = combined.arrays.get(path) {
                model.add(combined, array, layout);
            }
        }
        model
    }

    fn add(&mut self, combined: &Combined, array: &CombinedArray, layout: &ArrayLayout) {
        let bytes = |shape: &[u64]| shape.iter().fold(layout.element_size(), |n, extent| n.saturating_mul(*extent));
        let (unit, chunk) = (bytes(layout.unit_shape()), bytes(&layout.chunk_shape));
        let units = crate::array::ChunkGrid::regular(layout.unit_shape()).num_chunks(&array.metadata.shape);
        self.base = self.base.saturating_add(units.unwrap_or(u64::MAX).saturating_mul(OF_AN_OUTPUT));
        let encoder = encoder_bytes(&layout.codecs, chunk);
        if layout.shard_shape.is_some() {
            self.task = self.task.max(unit.saturating_mul(2));
            self.worker = self.worker.max(chunk.saturating_mul(2));
            self.thread = self.thread.max(encoder);
        } else {
            self.thread = self.thread.max(unit.saturating_add(encoder));
        }
        let CombinedContent::Pieces(pieces) = &array.content else { return };
        for piece in pieces {
            let Some(source) = combined.files[piece.file as usize].dataset.array(&array.source_path) else { continue };
            let stored = source.metadata.chunk_grid.chunk_shape().unwrap_or(&[]);
            let stored = match source.manifest {
                // A chunk of a Zarr store is stored whole also at the end of its array.
                ChunkManifest::Keyed(_) => bytes(stored),
                ChunkManifest::Table(_) => {
                    let cut: Vec<u64> = stored.iter().zip(&source.metadata.shape).map(|(c, s)| *c.min(s)).collect();
                    bytes(&cut)
                }
            };
            if is_read_chunk_by_chunk(source) {
                let scratch = if is_uncompressed(&source.metadata.codecs) { 0 } else { 2 };
                self.worker = self.worker.max(stored.saturating_mul(scratch));
                self.thread = self.thread.max(stored);
            } else {
                // As stored, as decoded, and the part of it that is wanted.
                self.thread = self.thread.max(stored.saturating_mul(4));
            }
        }
    }

    /// Bytes that one region may take: all but what one task with one worker needs.
    pub fn region(&self) -> u64 {
        self.resources.memory.saturating_sub(self.needed_for(0))
    }

    /// Bytes needed in all for one region of this size.
    pub fn needed_for(&self, region: u64) -> u64 {
        [self.base, self.task, self.worker, self.thread].iter().fold(region, |sum, part| sum.saturating_add(*part))
    }

    /// How many tasks with regions of at most this size run side by side, with how many workers.
    pub fn divide(&self, largest: u64, tasks: usize) -> Division {
        let jobs = self.resources.jobs.max(1) as u64;
        let free = self.resources.memory.saturating_sub(self.base);
        let of_a_task = largest.saturating_add(self.task);
        let of_a_worker = self.worker.saturating_add(self.thread);
        let both = of_a_task.saturating_add(of_a_worker);
        let concurrency = (free / both).clamp(1, jobs).min(tasks.max(1) as u64);
        let free = free.saturating_sub(of_a_task.saturating_mul(concurrency));
        let workers = (free / of_a_worker).clamp(1, jobs);
        let free = free.saturating_sub(of_a_worker.saturating_mul(workers));
        let waiting = if self.resources.is_remote { (free / self.thread).min(WAITING) } else { 0 };
        let parts = [
            of_a_task.saturating_mul(concurrency),
            of_a_worker.saturating_mul(workers),
            self.thread.saturating_mul(waiting),
        ];
        Division {
            concurrency: concurrency as usize,
            workers: workers as usize,
            waiting: waiting as usize,
            peak: parts.iter().fold(self.base, |sum, part| sum.saturating_add(*part)),
        }
    }
}

/// Whether the chunks of a source array are read and decoded one by one, not a box of it as a whole: elements of one size.
pub fn is_read_chunk_by_chunk(source: &Array) -> bool {
    matches!(source.manifest, ChunkManifest::Table(_))
        && source.stored_as == crate::array::StoredAs::Elements
        && source.metadata.data_type.size().is_some()
}

/// What is kept of the sources.
fn known(combined: &Combined) -> u64 {
    let chunks = |node: &Node| match node {
        Node::Array(array) => match &array.manifest {
            ChunkManifest::Table(table) => table.len() as u64,
            ChunkManifest::Keyed(_) => 0,
        },
        _ => 0,
    };
    let of_a_file = |nodes: u64| OF_A_FILE.saturating_add(nodes.saturating_mul(OF_A_CHUNK));
    let files = combined.files.iter().map(|file| of_a_file(file.dataset.nodes.values().map(chunks).sum()));
    files.fold(0, u64::saturating_add)
}

/// Tables of the encoder for chunks of this size: small for the usual levels, hundreds of megabytes for the highest ones.
fn encoder_bytes(codecs: &[CodecMetadata], chunk: u64) -> u64 {
    let of_zstd = |level: i32| match level {
        ..=4 => 4 << 20,
        5..=9 => 32 << 20,
        10..=12 => 64 << 20,
        13..=19 => 128 << 20,
        20 => 192 << 20,
        21 => 352 << 20,
        _ => 704 << 20,
    };
    let of = |codec: &CodecMetadata| match codec {
        CodecMetadata::Zstd { level, .. } => of_zstd(*level),
        CodecMetadata::Blosc { compressor: BloscCompressor::Zstd, .. } => 16 << 20,
        CodecMetadata::Gzip { .. } => 2 << 20,
        _ => 0,
    };
    // Of small chunks the tables are small.
    codecs.iter().map(of).fold(0, u64::saturating_add).min(chunk.saturating_mul(16).saturating_add(1 << 20))
}

/// Bytes of the elements of a box.
pub(super) fn box_bytes(shape: &[u64], element: u64) -> u64 {
    product(shape).and_then(|n| n.checked_mul(element)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(memory: u64, jobs: usize, is_remote: bool) -> MemoryModel {
        let resources = Resources { memory, jobs, is_remote, references: 0 };
        MemoryModel { resources, base: 40, task: 0, worker: 10, thread: 5, batch: 5 }
    }

    #[test]
    fn what_is_divided_is_never_more_than_what_one_task_needs_or_what_is_allowed() {
        for memory in 0..400 {
            for region in [1, 7, 20, 100] {
                for is_remote in [false, true] {
                    let model = model(memory, 4, is_remote);
                    let peak = model.divide(region, 9).peak;
                    assert!(peak <= memory.max(model.needed_for(region)), "{memory} {region}: {peak}");
                }
            }
        }
    }

    #[test]
    fn plenty_of_memory_gives_every_worker_a_task_and_a_network_more_threads() {
        assert_eq!(
            model(10_000, 4, false).divide(100, 9),
            Division { concurrency: 4, workers: 4, waiting: 0, peak: 40 + 4 * 115 }
        );
        assert_eq!(model(10_000, 4, true).divide(100, 9).waiting, 16);
        assert_eq!(model(10_000, 4, true).divide(100, 2).concurrency, 2);
    }

    #[test]
    fn the_smallest_memory_that_is_named_is_enough_and_one_byte_less_is_not() {
        let needed = model(0, 4, false).needed_for(100);
        assert_eq!(model(needed, 4, false).region(), 100);
        assert_eq!(model(needed - 1, 4, false).region(), 99);
        assert_eq!(model(needed, 4, false).divide(100, 9).peak, needed);
    }

    #[test]
    fn the_highest_levels_of_an_encoder_are_counted_and_those_of_small_chunks_are_small() {
        let codecs = |level| vec![CodecMetadata::Zstd { level, checksum: false }];
        assert!(encoder_bytes(&codecs(22), 1 << 30) > 600 << 20);
        assert!(encoder_bytes(&codecs(3), 1 << 30) < 8 << 20);
        assert!(encoder_bytes(&codecs(22), 1 << 10) < 2 << 20);
    }
}
