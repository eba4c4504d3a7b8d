//! Doing the tasks of a plan: read each source chunk, decode it, put its elements where they belong, encode, write.
//!
//! Tasks run side by side on threads of their own; inside a task source chunks are decoded, and write units encoded, on a
//! shared pool. A write unit has one writer. What is in memory follows the plan: so many regions, so many chunks.

mod permits;
mod scatter;
mod spare;
mod units;

pub(crate) use scatter::{part_of, source_box, target_box};
pub(crate) use units::index_codecs;
pub use units::{Output, OutputState, Written};

use crate::error::EngineError;
use crate::progress::{TaskProgress, Unit};
use crate::settings::Engine;
use bytes::Bytes;
use firn_formats::{TextEncoding, chunk_codec};
use firn_model::array::chunk_grid::{indices_of, product, to_linear};
use firn_model::array::{Array, ArraySubset, ChunkEntry, ChunkIndices, ChunkManifest, Elements, Values};
use firn_model::combine::{Combined, CombinedArray, CombinedContent, Piece};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use firn_model::plan::{ArrayLayout, Plan, Region, Task, is_read_chunk_by_chunk};
use firn_model::source::{RangeReader, Source, SourceError};
use permits::Permits;
use rayon::prelude::*;
use spare::Spare;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use units::UnitBuffers;

/// Where encoded write units go.
pub trait ChunkSink: Send + Sync {
    /// Writes the encoded bytes of one write unit and says what the journal keeps.
    ///
    /// # Errors
    /// What the target says.
    fn write(&self, array: &NodePath, indices: &ChunkIndices, encoded: Bytes) -> Result<Written, EngineError>;

    /// Returns when these outputs, each with its array, would survive the loss of power.
    ///
    /// # Errors
    /// What the target says.
    fn make_durable(&self, outputs: &[(&NodePath, &Output)]) -> Result<(), EngineError>;
}

/// What happens after a task, of which the number and all outputs are given.
pub type Done<'a> = dyn Fn(usize, &[Output]) -> Result<(), EngineError> + Sync + 'a;

/// One scanned source, for reading.
#[derive(Clone)]
pub struct OpenSource {
    /// Its URL, without credentials.
    pub url: String,
    /// The source; its own object, where it is one, is opened each time as the version that was scanned.
    pub source: Arc<dyn Source>,
}

/// What the tasks of one run share and change.
struct Shared {
    permits: Permits,
    spare: Spare,
}

/// Everything the tasks of one run share and only read.
pub struct Execution<'a> {
    /// Settings, progress, cancellation.
    pub engine: &'a Engine,
    /// What is written.
    pub combined: &'a Combined,
    /// The sources, numbered as in [`Combined::files`].
    pub sources: &'a [OpenSource],
    /// How it is cut into tasks.
    pub plan: &'a Plan,
    /// Layouts by the number of the array in the plan.
    pub layouts: &'a [ArrayLayout],
    /// Where chunks go.
    pub sink: &'a dyn ChunkSink,
    /// Encoding of text that is not UTF-8.
    pub encoding: TextEncoding,
}

/// Chunks that are asked for at once.
const BATCH_CHUNKS: usize = 256;

impl Execution<'_> {
    /// Does these tasks, and calls `done` after each one whose outputs are all written. The first failure stops the rest.
    ///
    /// # Errors
    /// The first error in the order of the tasks, or of `done`.
    pub fn run(&self, tasks: &[usize], done: &Done<'_>) -> Result<(), EngineError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(self.plan.workers + self.plan.waiting)
            .thread_name(|n| format!("firn-chunk-{n}"))
            .build()
            .map_err(|error| EngineError::bug(format!("no threads: {error}")))?;
        let Plan { concurrency, workers, peak_memory, .. } = *self.plan;
        let planned = self.plan.tasks.len();
        tracing::info!(tasks = tasks.len(), planned, concurrency, workers, peak_memory, "tasks begin");
        let shared = Shared { permits: Permits::new(self.plan.workers), spare: Spare::default() };
        // What a task holds in memory is gone when it is written: the next one begins while it is made durable.
        let in_memory = Permits::new(self.plan.concurrency);
        let progress = self.engine.progress.task("write chunks", Some(self.total_bytes(tasks)), Unit::Bytes);
        let next = AtomicUsize::new(0);
        let failures: Mutex<BTreeMap<usize, EngineError>> = Mutex::new(BTreeMap::new());
        std::thread::scope(|scope| {
            for _ in 0..(self.plan.concurrency * 2).min(tasks.len()) {
                scope.spawn(|| {
                    loop {
                        let Some(number) = tasks.get(next.fetch_add(1, Ordering::Relaxed)).copied() else { return };
                        let task = || pool.install(|| self.task(&self.plan.tasks[number], &shared, &progress));
                        let Some(written) = in_memory.run(|| lock(&failures).is_empty().then(task)) else { return };
                        let result =
                            written.and_then(|outputs| self.keep(&outputs).and_then(|()| done(number, &outputs)));
                        tracing::debug!(task = number, ok = result.is_ok(), "task ended");
                        if let Err(error) = result {
                            lock(&failures).insert(number, error);
                            return;
                        }
                    }
                });
            }
        });
        let failures = failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        tracing::info!(tasks = tasks.len(), failed = failures.len(), "tasks ended");
        failures.into_values().next().map_or(Ok(()), Err)
    }

    fn keep(&self, outputs: &[Output]) -> Result<(), EngineError> {
        let written: Vec<_> =
            outputs.iter().map(|output| (&self.plan.arrays[output.array as usize].path, output)).collect();
        self.sink.make_durable(&written)
    }

    fn total_bytes(&self, tasks: &[usize]) -> u64 {
        tasks
            .iter()
            .flat_map(|t| &self.plan.tasks[*t].regions)
            .map(|r| {
                product(&r.subset.shape).unwrap_or(0).saturating_mul(self.layouts[r.array as usize].element_size())
            })
            .sum()
    }

    fn task(&self, task: &Task, shared: &Shared, progress: &TaskProgress) -> Result<Vec<Output>, EngineError> {
        let mut outputs = Vec::new();
        for region in &task.regions {
            outputs.extend(self.region(region, shared)?);
            let elements = product(&region.subset.shape).unwrap_or(0);
            progress.advance(elements.saturating_mul(self.layouts[region.array as usize].element_size()));
        }
        Ok(outputs)
    }

    fn region(&self, region: &Region, shared: &Shared) -> Result<Vec<Output>, EngineError> {
        let number = region.array as usize;
        let path = &self.plan.arrays[number].path;
        let array =
            self.combined.arrays.get(path).ok_or_else(|| EngineError::bug(format!("{path} is not combined")))?;
        let units = UnitBuffers::new(&self.layouts[number], &region.subset, &shared.spare);
        match &array.content {
            CombinedContent::Values(values) => put_values(&units, values, &region.subset)?,
            CombinedContent::Pieces(pieces) => {
                self.read_pieces(path, array, pieces, &units, &region.subset, &shared.permits)?;
            }
        }
        let write = |indices: &ChunkIndices| {
            self.engine.cancel.check()?;
            let at = At::nowhere().node(path.as_str()).index(indices.0.clone());
            let state = match units.encode(indices, &at, &shared.permits)? {
                None => OutputState::KnownEmpty,
                Some(encoded) => OutputState::Written(self.sink.write(path, indices, Bytes::from(encoded))?),
            };
            Ok(Output { array: region.array, indices: indices.clone(), state })
        };
        let indices = units.indices();
        if self.layouts[number].shard_shape.is_some() {
            // The chunks of a shard are encoded side by side; so many shards at once would not fit into memory.
            return indices.iter().map(write).collect();
        }
        let outputs: Vec<Result<Output, EngineError>> = indices.par_iter().map(write).collect();
        outputs.into_iter().collect()
    }

    fn read_pieces(
        &self,
        path: &NodePath,
        array: &CombinedArray,
        pieces: &[Piece],
        units: &UnitBuffers,
        region: &ArraySubset,
        permits: &Permits,
    ) -> Result<(), EngineError> {
        let mut batches: Vec<Batch> = Vec::new();
        for piece in pieces {
            let Some(target) = piece.target.intersection(region) else { continue };
            let wanted = scatter::source_box(piece, &target, &array.axes);
            let facts = &self.combined.files[piece.file as usize];
            // Coordinates that were compared are at hand; over a network reading them again is a request a file.
            if let Some(values) = facts.contents.get(&array.source_path).and_then(|c| c.values.as_deref()) {
                units.put_box(part_of(values, &wanted)?, piece, &array.axes, &wanted)?;
                continue;
            }
            let source = facts
                .dataset
                .array(&array.source_path)
                .ok_or_else(|| EngineError::bug(format!("{path} is not in file {}", piece.file)))?;
            let place = Place { piece, source, array };
            if is_read_chunk_by_chunk(source) {
                self.batch(&place, &wanted, &mut batches);
            } else if matches!(source.manifest, ChunkManifest::Keyed(_)) {
                batches.extend(boxes_of_chunks(source, &wanted).map(|wanted| Batch::whole(place, wanted)));
            } else {
                batches.push(Batch::whole(place, wanted));
            }
        }
        let results: Vec<Result<(), EngineError>> = batches
            .par_iter()
            .map(|batch| {
                self.engine.cancel.check()?;
                if batch.chunks.is_empty() {
                    self.read_box(batch, units)
                } else {
                    self.read_batch(batch, units, permits)
                }
            })
            .collect();
        results.into_iter().collect()
    }

    /// The chunks of one piece, in groups that are asked for at once.
    fn batch<'p>(&self, place: &Place<'p>, wanted: &ArraySubset, batches: &mut Vec<Batch<'p>>) {
        let ChunkManifest::Table(table) = &place.source.manifest else { return };
        for indices in place.source.metadata.chunk_grid.chunks_in(wanted) {
            let Some(linear) = to_linear(&indices, table.grid_shape()) else { continue };
            let bytes = match table.entry(linear) {
                ChunkEntry::Stored { length, .. } => length,
                _ => 0,
            };
            match batches.last_mut() {
                Some(open)
                    if std::ptr::eq(open.place.piece, place.piece)
                        && !open.chunks.is_empty()
                        && open.bytes + bytes <= self.plan.batch
                        && open.chunks.len() < BATCH_CHUNKS =>
                {
                    open.bytes += bytes;
                    open.chunks.push((linear, indices));
                }
                _ => batches.push(Batch {
                    place: *place,
                    wanted: wanted.clone(),
                    chunks: vec![(linear, indices)],
                    bytes,
                }),
            }
        }
    }

    fn read_batch(&self, batch: &Batch, units: &UnitBuffers, permits: &Permits) -> Result<(), EngineError> {
        let Place { piece, source, .. } = batch.place;
        let ChunkManifest::Table(table) = &source.manifest else { return Ok(()) };
        let mut by_object: BTreeMap<&str, (Vec<std::ops::Range<u64>>, Vec<usize>)> = BTreeMap::new();
        for (at, (linear, _)) in batch.chunks.iter().enumerate() {
            if let ChunkEntry::Stored { object, offset, length, .. } = table.entry(*linear) {
                let (ranges, places) = by_object.entry(&object.url).or_default();
                ranges.push(offset..offset.saturating_add(length));
                places.push(at);
            }
        }
        let mut encoded: Vec<Option<Bytes>> = vec![None; batch.chunks.len()];
        for (url, (ranges, places)) in by_object {
            let reader = self.reader(piece.file, url)?;
            for (place, bytes) in places.into_iter().zip(reader.read_ranges(&ranges)?) {
                encoded[place] = Some(bytes);
            }
        }
        for ((linear, indices), bytes) in batch.chunks.iter().zip(encoded) {
            self.engine.cancel.check()?;
            permits.run(|| self.put_chunk(batch, table.entry(*linear), indices, bytes, units))?;
        }
        Ok(())
    }

    fn put_chunk(
        &self,
        batch: &Batch,
        entry: ChunkEntry<'_>,
        indices: &ChunkIndices,
        bytes: Option<Bytes>,
        units: &UnitBuffers,
    ) -> Result<(), EngineError> {
        let Place { piece, source, array } = batch.place;
        let metadata = &source.metadata;
        let at =
            At::url(&self.sources[piece.file as usize].url).node(array.source_path.as_str()).index(indices.0.clone());
        let chunk_shape = metadata.chunk_grid.chunk_shape().unwrap_or(&[]);
        let fill = units::fill_bytes(metadata.fill_value.as_ref(), metadata.data_type);
        let spec = chunk_codec::ChunkSpec {
            shape: chunk_shape,
            element_size: metadata.data_type.size().unwrap_or(1),
            fill_value: &fill,
        };
        let (encoded, filter_mask) = match (entry, bytes) {
            (ChunkEntry::Stored { filter_mask, .. }, Some(bytes)) => (bytes, filter_mask),
            (ChunkEntry::Inline(bytes), _) => (bytes.clone(), 0),
            (ChunkEntry::KnownEmpty, _) => {
                return units.put_fill(&fill, piece, &array.axes, &batch.wanted, indices, chunk_shape);
            }
            _ => {
                return Err(firn_formats::FormatError::MissingChunk {
                    at,
                    what: "nothing is known of this chunk, so it cannot be read".to_owned(),
                }
                .into());
            }
        };
        chunk_codec::decode_with(encoded, &metadata.codecs, filter_mask, spec, &at, |decoded| {
            units.put_chunk(decoded, piece, &array.axes, &batch.wanted, indices, chunk_shape)
        })?
    }

    /// Text, and chunks of Zarr stores, which may be shards: the box is read as a whole.
    fn read_box(&self, batch: &Batch, units: &UnitBuffers) -> Result<(), EngineError> {
        let Place { piece, source, array } = batch.place;
        let open = &self.sources[piece.file as usize];
        let at = At::url(&open.url).node(array.source_path.as_str());
        let values = firn_formats::read_subset(open.source.as_ref(), source, &batch.wanted, self.encoding, &at)?;
        units.put_box(values, piece, &array.axes, &batch.wanted)
    }

    fn reader(&self, file: u32, url: &str) -> Result<Arc<dyn RangeReader>, EngineError> {
        let open = &self.sources[file as usize];
        let object = if open.url == url { open.source.object("")? } else { open.source.sibling(url)?.object("")? };
        object.ok_or_else(|| SourceError::NotFound { at: At::url(url) }.into())
    }
}

/// A piece with its arrays.
#[derive(Clone, Copy)]
struct Place<'a> {
    piece: &'a Piece,
    source: &'a Array,
    array: &'a CombinedArray,
}

/// Chunks of one piece that are asked for at once; none where the box is read as a whole.
struct Batch<'a> {
    place: Place<'a>,
    /// The box of the source array that the region needs.
    wanted: ArraySubset,
    chunks: Vec<(u64, ChunkIndices)>,
    bytes: u64,
}

impl<'a> Batch<'a> {
    fn whole(place: Place<'a>, wanted: ArraySubset) -> Self {
        Self { place, wanted, chunks: Vec::new(), bytes: 0 }
    }
}

/// The parts of a box that one stored chunk each holds.
fn boxes_of_chunks(source: &Array, wanted: &ArraySubset) -> impl Iterator<Item = ArraySubset> {
    let (grid, shape) = (&source.metadata.chunk_grid, &source.metadata.shape);
    let part = |indices: ChunkIndices| grid.chunk_subset(&indices, shape)?.intersection(wanted);
    grid.chunks_in(wanted).into_iter().filter_map(part)
}

fn put_values(units: &UnitBuffers, values: &Values, region: &ArraySubset) -> Result<(), EngineError> {
    let whole = ArraySubset::whole(&values.shape);
    let piece = Piece { file: 0, source: whole.clone(), target: whole };
    let axes: Vec<Option<usize>> = (0..values.shape.len()).map(Some).collect();
    let wanted = region.clone();
    let part = match &values.elements {
        Elements::Fixed(_) if wanted.shape == values.shape => values.clone(),
        _ => part_of(values, &wanted)?,
    };
    units.put_box(part, &piece, &axes, &wanted)
}

/// Every position of a grid below `counts`, shifted.
fn positions(first: &[u64], counts: &[u64]) -> Vec<ChunkIndices> {
    indices_of(counts).map(|i| ChunkIndices(i.0.iter().zip(first).map(|(a, b)| a + b).collect())).collect()
}

/// A lock whose holder panicked still guards usable data here: counters and error lists.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
