//! One chunk of each variable, read and decoded.

use super::report::{ChunkRead, LinkedVariable};
use crate::error::EngineError;
use crate::settings::Engine;
use crate::store::as_source;
use crate::verify::StoreView;
use firn_formats::{FormatError, TextEncoding};
use firn_model::array::chunk_grid::{from_linear, product};
use firn_model::array::{Array, ArraySubset, ChunkEntry, ChunkGrid, ChunkIndices, ChunkManifest, CodecMetadata};
use firn_model::dataset::{Node, NodePath};
use firn_model::diagnose::{At, Category, Diagnose};
use firn_model::source::{Source, SourceError};
use rayon::prelude::*;
use std::sync::Arc;

/// Chunks that are read side by side: they wait for servers most of the time.
const AT_ONCE: usize = 8;

/// Decoding holds what is encoded, what is decoded, and a step between.
const COPIES: u64 = 3;

/// Every variable with what became of one of its chunks.
///
/// # Errors
/// [`EngineError::Interrupted`]; no threads.
pub(super) fn variables(engine: &Engine, view: &StoreView) -> Result<Vec<LinkedVariable>, EngineError> {
    let source = as_source(Arc::clone(&view.source), view.ledger.as_ref());
    let memory = engine.settings.memory / (AT_ONCE as u64 * COPIES);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(AT_ONCE).build();
    let pool = pool.map_err(|error| EngineError::bug(format!("no threads: {error}")))?;
    let one = |(path, node): (&NodePath, &Node)| {
        let described = match node {
            Node::Group(_) => return Ok(None),
            Node::Refused(refusal) => refused(path, &refusal.what),
            Node::Array(array) => {
                engine.cancel.check()?;
                let at = At::url(&view.url).node(path.as_str());
                describe(path, array, look(source.as_ref(), array, memory, &at))
            }
        };
        Ok(Some(described))
    };
    let nodes: Vec<(&NodePath, &Node)> = view.dataset.nodes.iter().collect();
    let found: Result<Vec<Option<LinkedVariable>>, EngineError> =
        pool.install(|| nodes.into_par_iter().map(one).collect());
    Ok(found?.into_iter().flatten().collect())
}

fn describe(path: &NodePath, array: &Array, chunk: ChunkRead) -> LinkedVariable {
    let metadata = &array.metadata;
    let is_sharded = metadata.codecs.iter().any(|codec| matches!(codec, CodecMetadata::ShardingIndexed { .. }));
    let numbers = metadata.chunk_numbers();
    LinkedVariable {
        path: path.to_string(),
        data_type: metadata.data_type.to_string(),
        dimensions: metadata.dimension_names.clone(),
        shape: metadata.shape.clone(),
        chunk_shape: metadata.inner_chunk_shape().map(<[u64]>::to_vec),
        shard_shape: metadata.chunk_grid.chunk_shape().filter(|_| is_sharded).map(<[u64]>::to_vec),
        objects: numbers.map(|numbers| numbers.objects),
        chunk_bytes: numbers.map(|numbers| numbers.chunk_bytes),
        chunk,
    }
}

fn refused(path: &NodePath, why: &str) -> LinkedVariable {
    LinkedVariable {
        path: path.to_string(),
        data_type: String::new(),
        dimensions: Vec::new(),
        shape: Vec::new(),
        chunk_shape: None,
        shard_shape: None,
        objects: None,
        chunk_bytes: None,
        chunk: ChunkRead::NotRead { why: why.to_owned() },
    }
}

fn look(source: &dyn Source, array: &Array, memory: u64, at: &At) -> ChunkRead {
    let metadata = &array.metadata;
    let grid = match metadata.inner_chunk_shape() {
        Some(shape) => ChunkGrid::regular(shape),
        None => metadata.chunk_grid.clone(),
    };
    for indices in candidates(array, &grid) {
        let Some(subset) = grid.chunk_subset(&indices, &metadata.shape) else { continue };
        let size = metadata.data_type.size().unwrap_or(16) as u64;
        let bytes = subset.num_elements().unwrap_or(u64::MAX).saturating_mul(size);
        if bytes > memory {
            return ChunkRead::NotRead {
                why: format!("a chunk has {bytes} bytes decoded, more than the {memory} that --memory leaves for one"),
            };
        }
        let read = match is_stored(source, array, &subset) {
            Ok(false) => continue,
            Ok(true) => firn_formats::read_subset(source, array, &subset, TextEncoding::Utf8, at),
            Err(error) => Err(error),
        };
        return match read {
            Ok(_) => ChunkRead::Decoded { start: subset.start },
            Err(error) => failure(source, array, &error),
        };
    }
    ChunkRead::Absent
}

/// The chunks that are looked for: the first that is stored, or where only asking tells, the first, the middle, the last.
fn candidates(array: &Array, grid: &ChunkGrid) -> Vec<ChunkIndices> {
    let shape = grid.grid_shape(&array.metadata.shape);
    let Some(count) = product(&shape).filter(|count| *count > 0) else { return Vec::new() };
    if let ChunkManifest::Table(table) = &array.manifest
        && table.grid_shape() == shape
    {
        let is_there = |linear: &u64| !matches!(table.entry(*linear), ChunkEntry::KnownEmpty);
        return (0..table.len() as u64).find(is_there).map(|linear| from_linear(linear, &shape)).into_iter().collect();
    }
    let mut numbers = vec![0, count / 2, count - 1];
    numbers.dedup();
    numbers.into_iter().map(|linear| from_linear(linear, &shape)).collect()
}

/// Whether the object of a chunk is there.
fn is_stored(source: &dyn Source, array: &Array, subset: &ArraySubset) -> Result<bool, FormatError> {
    let (ChunkManifest::Keyed(keyed), Some(outer)) = (&array.manifest, array.metadata.chunk_grid.chunk_shape()) else {
        return Ok(true);
    };
    let position = subset.start.iter().zip(outer).map(|(start, extent)| start / extent).collect();
    let found = source.object(&keyed.key(&ChunkIndices(position)))?;
    match found.map(|reader| reader.size()).transpose() {
        Ok(size) => Ok(size.is_some()),
        Err(SourceError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn failure(source: &dyn Source, array: &Array, error: &FormatError) -> ChunkRead {
    let why = error.to_string();
    match error.category() {
        Category::Unsupported | Category::Unavailable => ChunkRead::NotRead { why },
        // What leads to another host is not followed unasked: that is our setting, and not the server's answer.
        Category::Denied if !may_follow(source, array) => ChunkRead::NotRead { why },
        Category::Denied => ChunkRead::Denied { why },
        _ => ChunkRead::Failed { code: error.code().to_owned(), why },
    }
}

/// Whether firn follows the references of an array.
fn may_follow(source: &dyn Source, array: &Array) -> bool {
    let ChunkManifest::Table(table) = &array.manifest else { return true };
    let refused = |url: &str| matches!(source.sibling(url), Err(SourceError::Denied { .. }));
    !table.objects().iter().any(|object| refused(&object.url))
}
