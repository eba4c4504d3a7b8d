//! Work as data: what is written how, and in which pieces. Pure and deterministic.

mod layout;
mod memory;
mod region;

pub use layout::{
    ArrayLayout, ChunkLength, CodecChoice, LayoutError, TargetOptions, check_dimensions, fill_value_of, layout_of,
};
pub use memory::{Resources, is_read_chunk_by_chunk};
pub use region::{read_amplification, region_shape};

use crate::array::chunk_grid::indices_of;
use crate::array::{ArraySubset, ChunkGrid};
use crate::combine::{Combined, CombinedContent};
use crate::dataset::NodePath;
use crate::diagnose::{At, Category, Diagnose};
use memory::{MemoryModel, box_bytes};

/// A box of one array that one task writes: whole write units (chunks, or shards), so that each has one writer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Region {
    /// Number of the array in [`Plan::arrays`].
    pub array: u32,
    /// The box, cut at the end of the array.
    pub subset: ArraySubset,
}

/// A unit of work: done, journalled and repeated as a whole.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Task {
    /// What it writes, one region after the other.
    pub regions: Vec<Region>,
}

/// How one array is worked on.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PlannedArray {
    /// Where it is in the store.
    pub path: NodePath,
    /// Extent of each dimension.
    pub shape: Vec<u64>,
    /// Shape of a write unit: a shard, or a chunk where there are none.
    pub unit_shape: Vec<u64>,
    /// Shape of a region.
    pub region_shape: Vec<u64>,
    /// How often each source byte is decoded on average; 1 is once.
    pub read_amplification: f64,
}

/// All tasks of a run. Its size grows with files and regions, never with chunks.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Plan {
    /// The arrays that tasks write.
    pub arrays: Vec<PlannedArray>,
    /// The tasks, in order.
    pub tasks: Vec<Task>,
    /// Tasks that may run side by side.
    pub concurrency: usize,
    /// Chunks that may be decoded or encoded side by side.
    pub workers: usize,
    /// Threads that may wait for a network besides.
    pub waiting: usize,
    /// Encoded bytes of one source that are asked for at once.
    pub batch: u64,
    /// Most bytes of memory that the process takes at any time.
    pub peak_memory: u64,
    /// The part of them that does not depend on how many tasks run: the program, and what it knows of its sources.
    pub base_memory: u64,
}

impl Plan {
    /// The plan where nothing is left to do.
    pub fn empty() -> Self {
        Self {
            arrays: vec![],
            tasks: vec![],
            concurrency: 0,
            workers: 0,
            waiting: 0,
            batch: 0,
            peak_memory: 0,
            base_memory: 0,
        }
    }
}

/// The plan cannot be made within its bounds.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// One write unit does not fit into memory.
    #[error(
        "to write one {unit} of {path} at a time takes {needed} bytes of memory, more than the {memory} that may be used"
    )]
    Memory {
        /// The array.
        path: NodePath,
        /// `chunk` or `shard`.
        unit: &'static str,
        /// Bytes that are needed at least.
        needed: u64,
        /// Bytes that may be used.
        memory: u64,
    },
    /// The layout is impossible.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

impl Diagnose for PlanError {
    fn code(&self) -> &'static str {
        match self {
            Self::Memory { .. } => "plan-memory",
            Self::Layout(error) => error.code(),
        }
    }

    fn category(&self) -> Category {
        match self {
            Self::Memory { .. } => Category::Usage,
            Self::Layout(error) => error.category(),
        }
    }

    fn at(&self) -> At {
        match self {
            Self::Memory { path, .. } => At::nowhere().node(path.as_str()),
            Self::Layout(error) => error.at(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::Memory { .. } => "the run would be killed half-way; firn refuses before it starts".to_owned(),
            Self::Layout(error) => error.why(),
        }
    }

    fn next(&self) -> String {
        match self {
            Self::Memory { needed, .. } => {
                format!(
                    "the same command with --memory {}MiB, or with smaller --chunks or --shards",
                    needed.div_ceil(1 << 20)
                )
            }
            Self::Layout(error) => error.next(),
        }
    }
}

/// Most regions of one plan, against chunk shapes that make more work than anyone meant.
const MAX_REGIONS: u64 = 5_000_000;

/// The tasks that write these arrays in these layouts with these resources.
///
/// # Errors
/// [`PlanError::Memory`] where not even one write unit fits.
pub fn plan(combined: &Combined, layouts: &[(NodePath, ArrayLayout)], resources: Resources) -> Result<Plan, PlanError> {
    let mut arrays = Vec::with_capacity(layouts.len());
    let model = MemoryModel::new(combined, layouts, resources);
    let mut refused: Option<(u64, PlanError)> = None;
    for (path, layout) in layouts {
        let Some(array) = combined.arrays.get(path) else { continue };
        let element = layout.element_size();
        let sources = source_chunks(combined, array);
        let Some(region) = region_shape(&array.metadata.shape, layout.unit_shape(), &sources, element, model.region())
        else {
            // The largest of all decides: what would do for this array alone may not do for the next.
            let needed = model.needed_for(box_bytes(layout.unit_shape(), element));
            if refused.as_ref().is_none_or(|(known, _)| *known < needed) {
                let unit = if layout.shard_shape.is_some() { "shard" } else { "chunk" };
                let memory = resources.memory;
                refused = Some((needed, PlanError::Memory { path: path.clone(), unit, needed, memory }));
            }
            continue;
        };
        arrays.push(PlannedArray {
            path: path.clone(),
            shape: array.metadata.shape.clone(),
            unit_shape: layout.unit_shape().to_vec(),
            read_amplification: read_amplification(&array.metadata.shape, &region, &sources),
            region_shape: region,
        });
    }
    if let Some((_, refused)) = refused {
        return Err(refused);
    }
    let elements: Vec<u64> = layouts.iter().map(|(_, layout)| layout.element_size()).collect();
    let tasks = tasks(&arrays, &elements, resources.jobs)?;
    let largest = tasks.iter().map(|task| task_bytes(task, &arrays, &elements)).max().unwrap_or(0);
    let division = model.divide(largest, tasks.len());
    Ok(Plan {
        arrays,
        tasks,
        concurrency: division.concurrency,
        workers: division.workers,
        waiting: division.waiting,
        batch: model.batch,
        peak_memory: division.peak,
        base_memory: model.base,
    })
}

/// Bytes that the regions of a task take, which are worked on one after the other: of whole units, as they are stored.
fn task_bytes(task: &Task, arrays: &[PlannedArray], elements: &[u64]) -> u64 {
    let bytes = |region: &Region| {
        let number = region.array as usize;
        let units = region.subset.shape.iter().zip(&arrays[number].unit_shape);
        let whole: Vec<u64> = units.map(|(extent, unit)| extent.div_ceil(*unit).saturating_mul(*unit)).collect();
        box_bytes(&whole, elements[number])
    };
    task.regions.iter().map(bytes).max().unwrap_or(0)
}

/// The shapes, in the combined array's axes, of the source chunks that feed an array.
fn source_chunks(combined: &Combined, array: &crate::combine::CombinedArray) -> Vec<Vec<u64>> {
    let CombinedContent::Pieces(pieces) = &array.content else { return Vec::new() };
    let mut shapes: Vec<Vec<u64>> = Vec::new();
    for piece in pieces {
        let source = combined.files[piece.file as usize].dataset.array(&array.source_path);
        let Some(chunk) = source.and_then(|s| s.metadata.chunk_grid.chunk_shape()) else { continue };
        let mut shape = vec![1; array.metadata.shape.len()];
        for (axis, mapped) in array.axes.iter().enumerate() {
            if let Some(target) = mapped {
                shape[*target] = chunk[axis].min(piece.target.shape[*target].max(1));
            }
        }
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes
}

/// Regions in C order, small ones grouped: a task is worth its journal entry, and there are enough for every worker.
fn tasks(arrays: &[PlannedArray], elements: &[u64], jobs: usize) -> Result<Vec<Task>, PlanError> {
    const GROUP_BYTES: u64 = 32 << 20;
    let total: u64 = arrays
        .iter()
        .zip(elements)
        .map(|(a, e)| a.shape.iter().fold(*e, |n, extent| n.saturating_mul(*extent)))
        .fold(0, u64::saturating_add);
    let group = GROUP_BYTES.min(total / (jobs as u64 * 8).max(1));
    let mut tasks: Vec<Task> = Vec::new();
    let mut open_bytes = u64::MAX;
    let mut count = 0u64;
    for (number, array) in arrays.iter().enumerate() {
        let grid = ChunkGrid::regular(&array.region_shape);
        count = count.saturating_add(grid.num_chunks(&array.shape).unwrap_or(u64::MAX));
        if count > MAX_REGIONS {
            return Err(LayoutError::TooManyChunks { path: array.path.clone(), count, limit: MAX_REGIONS }.into());
        }
        for indices in indices_of(&grid.grid_shape(&array.shape)) {
            let Some(subset) = grid.chunk_subset(&indices, &array.shape) else { continue };
            let bytes = subset.shape.iter().fold(elements[number], |n, extent| n.saturating_mul(*extent));
            let region = Region { array: number as u32, subset };
            match tasks.last_mut() {
                Some(task) if open_bytes.saturating_add(bytes) <= group => {
                    open_bytes += bytes;
                    task.regions.push(region);
                }
                _ => {
                    open_bytes = bytes;
                    tasks.push(Task { regions: vec![region] });
                }
            }
        }
    }
    Ok(tasks)
}
