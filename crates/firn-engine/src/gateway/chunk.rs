//! The bytes of a chunk.

use super::budget::Budget;
use super::cache::Cache;
use super::dataset::{ServedDataset, ServedNode};
use super::layout::Way;
use crate::error::EngineError;
use bytes::Bytes;
use firn_formats::box_copy::{BoxCopy, fill};
use firn_formats::chunk_codec::{self, ChunkSpec, ShardIndex};
use firn_formats::read::{ChunkLocation, EncodedChunk, StoredLayout, chunk_location, encoded_chunk};
use firn_formats::{TextEncoding, read_subset};
use firn_model::array::chunk_grid::{product, to_linear};
use firn_model::array::{
    Array, ArrayMetadata, ArraySubset, ChunkIndices, CodecMetadata, DataType, Elements, FillValue, StoredAs, Values,
};
use firn_model::diagnose::At;
use firn_model::source::{Source, SourceError, SourceVersion};
use std::sync::Arc;

/// What is kept of chunks that were asked for, and the memory that answers may take.
pub struct ChunkStore {
    budget: Budget,
    encoded: Cache<ChunkNumber, Bytes>,
    indices: Cache<(ChunkNumber, SourceVersion), Arc<ShardIndex>>,
}

/// Opening, array, position: what an encoded chunk is kept under. The codecs follow from the array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ChunkNumber {
    serial: u64,
    array: u32,
    linear: u64,
}

/// Of an inner chunk in the index of its shard, encoded and decoded, bytes.
const INDEX_ENTRY: u64 = 40;

/// Of a text whose length nobody knows, bytes.
const TEXT: u64 = 128;

impl ChunkStore {
    /// With so much memory in all, a half of it for what is kept.
    pub fn new(memory: u64) -> Self {
        let kept = memory / 2;
        Self { budget: Budget::new(memory - kept), encoded: Cache::new(kept / 4 * 3), indices: Cache::new(kept / 4) }
    }

    /// The bytes of a chunk; `None` where it is known to be empty.
    ///
    /// # Errors
    /// Whatever stands between the server and the bytes: they are there, and could not be had.
    pub fn bytes(
        &self,
        dataset: &ServedDataset,
        array: u32,
        indices: &ChunkIndices,
    ) -> Result<Option<Bytes>, EngineError> {
        let node = dataset.nodes.get(array as usize).ok_or_else(|| EngineError::bug("an array without a number"))?;
        let at = At::url(&dataset.url).node(node.path.as_str()).index(indices.0.clone());
        let linear =
            to_linear(indices, &node.grid_shape).ok_or_else(|| EngineError::bug("a chunk outside its grid"))?;
        let number = ChunkNumber { serial: dataset.serial, array, linear };
        let source = dataset.source.as_ref();
        match node.served.way {
            Way::AsStored => {
                let Some(chunk) = encoded_chunk(source, &node.array, indices, &at)? else { return Ok(None) };
                let lent = self.budget.take(chunk.length(), &at)?;
                Ok(Some(lent.around(chunk.read()?)))
            }
            Way::Inner => self.inner(dataset, node, indices, number, &at),
            Way::Encoded => {
                if let Some(bytes) = self.encoded.get(&number) {
                    return Ok(Some(bytes));
                }
                let Some(bytes) = self.encode(source, node, indices, &at)? else { return Ok(None) };
                self.encoded.put(number, bytes.clone(), bytes.len() as u64);
                Ok(Some(bytes))
            }
        }
    }

    /// An inner chunk, by its range in the shard.
    fn inner(
        &self,
        dataset: &ServedDataset,
        node: &ServedNode,
        indices: &ChunkIndices,
        number: ChunkNumber,
        at: &At,
    ) -> Result<Option<Bytes>, EngineError> {
        let source = dataset.source.as_ref();
        let Some(shard_shape) = node.array.metadata.chunk_grid.chunk_shape() else {
            return Err(EngineError::bug("shards of different shapes"));
        };
        let mut shard = Vec::with_capacity(indices.0.len());
        let mut inside = Vec::with_capacity(indices.0.len());
        for ((index, inner), outer) in indices.0.iter().zip(&node.served.chunk_shape).zip(shard_shape) {
            let of_shard = outer / inner;
            shard.push(index / of_shard);
            inside.push(index % of_shard);
        }
        let shard = ChunkIndices(shard);
        let grid = node.array.metadata.chunk_grid.grid_shape(&node.array.metadata.shape);
        let linear = to_linear(&shard, &grid).ok_or_else(|| EngineError::bug("a shard outside its grid"))?;
        let Some(object) = encoded_chunk(source, &node.array, &shard, at)? else { return Ok(None) };
        let index = self.index(&object, dataset, node, ChunkNumber { linear, ..number }, at)?;
        let Some(found) = index.get(&ChunkIndices(inside), object.length(), at)? else { return Ok(None) };
        let lent = self.budget.take(found.length, at)?;
        Ok(Some(lent.around(object.read_inner(found)?)))
    }

    /// The index of a shard. It is kept for the version of the object that it was read from: of another one its ranges would
    /// be any bytes.
    fn index(
        &self,
        object: &EncodedChunk,
        dataset: &ServedDataset,
        node: &ServedNode,
        number: ChunkNumber,
        at: &At,
    ) -> Result<Arc<ShardIndex>, EngineError> {
        let key = (number, object.version()?);
        // Times of modification are too coarse to tell two states of a shard that may be replaced.
        let is_told_apart = dataset.version.is_some() || key.1.etag.is_some();
        if let Some(index) = self.indices.get(&key).filter(|_| is_told_apart) {
            return Ok(index);
        }
        let inner = product(&node.served.chunk_shape).unwrap_or(1).max(1);
        let shard = node.array.metadata.chunk_grid.chunk_shape().and_then(product).unwrap_or(u64::MAX);
        let bytes = (shard / inner).saturating_mul(INDEX_ENTRY).min(object.length().saturating_mul(3));
        let _lent = self.budget.take(bytes, at)?;
        let index = Arc::new(object.shard_index(&node.array)?);
        if is_told_apart {
            self.indices.put(key, Arc::clone(&index), bytes);
        }
        Ok(index)
    }

    /// The box of a chunk, read, filled up to the whole chunk and encoded.
    fn encode(
        &self,
        source: &dyn Source,
        node: &ServedNode,
        indices: &ChunkIndices,
        at: &At,
    ) -> Result<Option<Bytes>, EngineError> {
        let metadata = &node.served.metadata;
        let subset = metadata.chunk_grid.chunk_subset(indices, &metadata.shape);
        let subset = subset.ok_or_else(|| EngineError::bug("a chunk outside its grid"))?;
        if is_empty(source, &node.array, &subset, at)? {
            return Ok(None);
        }
        let lent = self.budget.take(needed(node), at)?;
        let values = read_subset(source, &node.array, &subset, TextEncoding::Utf8, at)?;
        let bytes = encode_whole(values, &node.served.chunk_shape, metadata, at)?;
        Ok(Some(lent.around(bytes.into())))
    }
}

/// Memory for reading, decoding and encoding a chunk, in bytes.
fn needed(node: &ServedNode) -> u64 {
    let served = product(&node.served.chunk_shape).unwrap_or(u64::MAX);
    let element = node.array.metadata.data_type.size().map_or(TEXT, |size| size as u64);
    let stored = match (&node.array.metadata.codecs[..], StoredLayout::of(&node.array, &At::nowhere())) {
        // Of uncompressed chunks only what is wanted is read, of shards only one inner chunk.
        ([CodecMetadata::Bytes { .. } | CodecMetadata::ShardingIndexed { .. }], _) | (_, Err(_)) => served,
        (_, Ok(layout)) => {
            let bytes = product(&layout.chunk_shape).and_then(|count| count.checked_mul(layout.element_size as u64));
            bytes.unwrap_or(u64::MAX) / element.max(1)
        }
    };
    served.saturating_mul(3).saturating_add(stored.saturating_mul(2)).saturating_mul(element)
}

/// Whether all that is stored of a box is known to be empty.
fn is_empty(source: &dyn Source, array: &Array, subset: &ArraySubset, at: &At) -> Result<bool, EngineError> {
    let is_variable = array.stored_as == StoredAs::Elements && array.metadata.data_type == DataType::String;
    let (grid, stored) = if is_variable {
        (array.metadata.chunk_grid.clone(), subset.clone())
    } else {
        let layout = StoredLayout::of(array, at)?;
        (layout.chunk_grid(), layout.stored_subset(subset))
    };
    for indices in grid.chunks_in(&stored) {
        match chunk_location(array, &indices, at)? {
            ChunkLocation::Empty => {}
            ChunkLocation::Key(key) => match source.object(&key)?.map(|object| object.size()) {
                None | Some(Err(SourceError::NotFound { .. })) => {}
                Some(Ok(_)) => return Ok(false),
                Some(Err(error)) => return Err(error.into()),
            },
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The values of a box at the beginning of a chunk, encoded as a whole chunk: chunks of Zarr are never short.
fn encode_whole(
    values: Values,
    chunk_shape: &[u64],
    metadata: &ArrayMetadata,
    at: &At,
) -> Result<Vec<u8>, EngineError> {
    let does_not_fit = || EngineError::bug("a box does not fit its chunk");
    let count = product(chunk_shape).and_then(|count| usize::try_from(count).ok()).ok_or_else(does_not_fit)?;
    let zero = vec![0; chunk_shape.len()];
    let copy = BoxCopy {
        src_shape: &values.shape,
        src_start: &zero,
        dst_shape: chunk_shape,
        dst_start: &zero,
        shape: &values.shape,
    };
    let is_whole = values.shape == chunk_shape;
    match values.elements {
        Elements::Fixed(bytes) => {
            let size = metadata.data_type.size().ok_or_else(does_not_fit)?;
            let fill_value = match &metadata.fill_value {
                Some(FillValue::Fixed(element)) => element.clone(),
                _ => vec![0; size],
            };
            let whole = if is_whole {
                bytes
            } else {
                let mut whole = vec![0; count * size];
                fill(&mut whole, &fill_value);
                copy.copy_bytes(&bytes, &mut whole, size).ok_or_else(does_not_fit)?;
                whole
            };
            let spec = ChunkSpec { shape: chunk_shape, element_size: size, fill_value: &fill_value };
            Ok(chunk_codec::encode(&whole, &metadata.codecs, spec, at)?)
        }
        Elements::Text(mut texts) => {
            let whole = if is_whole {
                texts
            } else {
                let empty = match &metadata.fill_value {
                    Some(FillValue::Text(text)) => text.clone(),
                    _ => String::new(),
                };
                let mut whole = vec![empty; count];
                copy.take(&mut texts, &mut whole).ok_or_else(does_not_fit)?;
                whole
            };
            Ok(chunk_codec::encode_text(&whole, &metadata.codecs, at)?)
        }
    }
}
