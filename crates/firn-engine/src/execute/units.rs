//! The write units of one region while they are being filled, and what became of them.

use super::permits::Permits;
use super::scatter::{self, Aligned};
use super::spare::Spare;
use super::{lock, positions};
use crate::error::EngineError;
use crate::icechunk::ChunkPayload;
use firn_formats::box_copy::{BoxCopy, fill};
use firn_formats::chunk_codec::{self, ChunkSpec};
use firn_model::array::chunk_grid::{product, to_linear};
use firn_model::array::{
    ArraySubset, ChunkGrid, ChunkIndices, CodecMetadata, DataType, Elements, Endian, FillValue, Values,
};
use firn_model::combine::Piece;
use firn_model::diagnose::At;
use firn_model::plan::ArrayLayout;
use rayon::prelude::*;
use std::sync::Mutex;

/// What became of one write unit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Output {
    /// Number of the array in the plan.
    #[serde(rename = "a")]
    pub array: u32,
    /// Position of the write unit in its grid.
    #[serde(rename = "i")]
    pub indices: ChunkIndices,
    /// What became of it.
    #[serde(rename = "s")]
    pub state: OutputState,
}

/// Whether a write unit holds anything.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputState {
    /// All its elements are the fill value: nothing was written, and that is known.
    KnownEmpty,
    /// It was written.
    Written(Written),
}

/// Where a write unit is, and what it is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Written {
    /// Encoded bytes.
    pub length: u64,
    /// BLAKE3 of them, hex.
    pub blake3: String,
    /// Where Icechunk put it; `None` for plain Zarr, where the key follows from the position.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload: Option<ChunkPayload>,
}

/// Codecs of the index of a shard, as zarr-python writes them.
pub(crate) fn index_codecs() -> Vec<CodecMetadata> {
    vec![CodecMetadata::Bytes { endian: Endian::Little }, CodecMetadata::Crc32c]
}

/// Little-endian bytes of a fill value; zero where there is none.
pub(super) fn fill_bytes(fill_value: Option<&FillValue>, data_type: DataType) -> Vec<u8> {
    match fill_value {
        Some(FillValue::Fixed(bytes)) => bytes.clone(),
        _ => vec![0; data_type.size().unwrap_or(0)],
    }
}

enum Buffer {
    Untouched,
    Fixed(Vec<u8>),
    Text(Vec<String>),
}

/// Buffers of the write units of one region: each is made when the first element for it comes.
pub(super) struct UnitBuffers<'a> {
    layout: &'a ArrayLayout,
    fill: Vec<u8>,
    fill_text: String,
    first: Vec<u64>,
    counts: Vec<u64>,
    region: ArraySubset,
    units: Vec<Mutex<Buffer>>,
    spare: &'a Spare,
}

impl<'a> UnitBuffers<'a> {
    pub fn new(layout: &'a ArrayLayout, region: &ArraySubset, spare: &'a Spare) -> Self {
        let unit = layout.unit_shape();
        let first: Vec<u64> = region.start.iter().zip(unit).map(|(s, u)| s / u).collect();
        let counts: Vec<u64> = (0..unit.len()).map(|a| region.end(a).div_ceil(unit[a]) - first[a]).collect();
        let number = product(&counts).unwrap_or(0) as usize;
        Self {
            layout,
            fill: fill_bytes(Some(&layout.fill_value), layout.data_type),
            fill_text: match &layout.fill_value {
                FillValue::Text(text) => text.clone(),
                FillValue::Fixed(_) => String::new(),
            },
            first,
            counts,
            region: region.clone(),
            units: (0..number).map(|_| Mutex::new(Buffer::Untouched)).collect(),
            spare,
        }
    }

    /// Positions of the units in the grid of the whole array.
    pub fn indices(&self) -> Vec<ChunkIndices> {
        positions(&self.first, &self.counts)
    }

    fn element_size(&self) -> usize {
        self.layout.data_type.size().unwrap_or(1)
    }

    /// The box of a unit in the array, not cut at its end: units are stored whole.
    fn unit_box(&self, indices: &ChunkIndices) -> ArraySubset {
        let unit = self.layout.unit_shape();
        ArraySubset { start: indices.0.iter().zip(unit).map(|(i, u)| i * u).collect(), shape: unit.to_vec() }
    }

    /// Every unit that shares elements with a box of the target, beginning at another one for each caller, so that workers
    /// that put at the same time do not wait for each other in line.
    fn overlapping(&self, target: &ArraySubset, turn: u64) -> Vec<(usize, ArraySubset, ArraySubset)> {
        let grid = ChunkGrid::regular(self.layout.unit_shape());
        let mut found: Vec<_> = grid
            .chunks_in(target)
            .into_iter()
            .filter_map(|indices| {
                let relative = ChunkIndices(indices.0.iter().zip(&self.first).map(|(i, f)| i - f).collect());
                let linear = to_linear(&relative, &self.counts)? as usize;
                let unit = self.unit_box(&indices);
                let shared = unit.intersection(target)?;
                Some((linear, unit, shared))
            })
            .collect();
        if !found.is_empty() {
            let by = (turn % found.len() as u64) as usize;
            found.rotate_left(by);
        }
        found
    }

    fn with_fixed<T>(&self, linear: usize, put: impl FnOnce(&mut [u8]) -> T) -> T {
        let mut buffer = lock(&self.units[linear]);
        if matches!(*buffer, Buffer::Untouched) {
            let len = product(self.layout.unit_shape()).unwrap_or(0) as usize * self.element_size();
            let mut bytes = self.spare.take(len);
            fill(&mut bytes, &self.fill);
            *buffer = Buffer::Fixed(bytes);
        }
        match &mut *buffer {
            Buffer::Fixed(bytes) => put(bytes),
            _ => put(&mut []),
        }
    }

    /// Puts the elements of a decoded source chunk where they belong.
    pub fn put_chunk(
        &self,
        decoded: &[u8],
        piece: &Piece,
        axes: &[Option<usize>],
        wanted: &ArraySubset,
        indices: &ChunkIndices,
        chunk_shape: &[u64],
    ) -> Result<(), EngineError> {
        let chunk = ArraySubset {
            start: indices.0.iter().zip(chunk_shape).map(|(i, c)| i * c).collect(),
            shape: chunk_shape.to_vec(),
        };
        let Some(source) = chunk.intersection(wanted) else { return Ok(()) };
        let target = scatter::target_box(piece, &source, axes);
        let turn = indices.0.iter().sum::<u64>() + u64::from(piece.file);
        for (linear, unit, shared) in self.overlapping(&target, turn) {
            let part = scatter::source_box(piece, &shared, axes);
            let aligned = Aligned::new(axes, &chunk, &part, &unit, &shared);
            self.with_fixed(linear, |bytes| aligned.copy().copy_bytes(decoded, bytes, self.element_size()))
                .ok_or_else(|| EngineError::bug("a source chunk does not fit the unit it belongs to"))?;
        }
        Ok(())
    }

    /// Puts the source's fill value where a source chunk was never written.
    pub fn put_fill(
        &self,
        source_fill: &[u8],
        piece: &Piece,
        axes: &[Option<usize>],
        wanted: &ArraySubset,
        indices: &ChunkIndices,
        chunk_shape: &[u64],
    ) -> Result<(), EngineError> {
        if source_fill == self.fill {
            return Ok(());
        }
        let count = product(chunk_shape).unwrap_or(0) as usize;
        let mut bytes = vec![0u8; count * self.element_size()];
        fill(&mut bytes, source_fill);
        self.put_chunk(&bytes, piece, axes, wanted, indices, chunk_shape)
    }

    /// Puts a box of values: `wanted` is their box in the source array.
    pub fn put_box(
        &self,
        values: Values,
        piece: &Piece,
        axes: &[Option<usize>],
        wanted: &ArraySubset,
    ) -> Result<(), EngineError> {
        let misfit = || EngineError::bug("values do not fit the unit they belong to");
        let target = scatter::target_box(piece, wanted, axes);
        let target = target.intersection(&self.region).ok_or_else(misfit)?;
        let mut elements = values.elements;
        let turn = wanted.start.iter().fold(u64::from(piece.file), |sum, start| sum.wrapping_add(*start));
        for (linear, unit, shared) in self.overlapping(&target, turn) {
            let part = scatter::source_box(piece, &shared, axes);
            let aligned = Aligned::new(axes, wanted, &part, &unit, &shared);
            match &mut elements {
                Elements::Fixed(bytes) => {
                    let size = self.element_size();
                    self.with_fixed(linear, |unit| aligned.copy().copy_bytes(bytes, unit, size)).ok_or_else(misfit)?;
                }
                Elements::Text(texts) => {
                    let mut buffer = lock(&self.units[linear]);
                    if matches!(*buffer, Buffer::Untouched) {
                        let count = product(self.layout.unit_shape()).unwrap_or(0) as usize;
                        *buffer = Buffer::Text(vec![self.fill_text.clone(); count]);
                    }
                    let Buffer::Text(unit) = &mut *buffer else { return Err(misfit()) };
                    aligned.copy().take(texts, unit).ok_or_else(misfit)?;
                }
            }
        }
        Ok(())
    }

    /// The encoded bytes of a unit; `None` where all its elements are the fill value. Its buffer is given up.
    ///
    /// A permit is held while a codec works, never while other work of this pool is waited for: a thread that waits takes
    /// up other work, which may ask for a permit too.
    pub fn encode(&self, indices: &ChunkIndices, at: &At, permits: &Permits) -> Result<Option<Vec<u8>>, EngineError> {
        let relative = ChunkIndices(indices.0.iter().zip(&self.first).map(|(i, f)| i - f).collect());
        let linear =
            to_linear(&relative, &self.counts).ok_or_else(|| EngineError::bug("a unit outside of its region"))?;
        let buffer = std::mem::replace(&mut *lock(&self.units[linear as usize]), Buffer::Untouched);
        match buffer {
            Buffer::Untouched => Ok(None),
            Buffer::Fixed(bytes) => {
                let encoded = self.encode_fixed(&bytes, at, permits);
                self.spare.put(bytes);
                encoded
            }
            Buffer::Text(texts) if texts.iter().all(|t| *t == self.fill_text) => Ok(None),
            Buffer::Text(texts) if self.layout.shard_shape.is_some() => {
                permits.run(|| self.encode_text_shard(texts, at)).map(Some)
            }
            Buffer::Text(texts) => Ok(Some(permits.run(|| chunk_codec::encode_text(&texts, &self.layout.codecs, at))?)),
        }
    }

    fn encode_fixed(&self, bytes: &[u8], at: &At, permits: &Permits) -> Result<Option<Vec<u8>>, EngineError> {
        if is_all(bytes, &self.fill) {
            return Ok(None);
        }
        if self.layout.shard_shape.is_some() {
            return self.encode_shard(bytes, at, permits).map(Some);
        }
        let spec = self.spec(self.layout.unit_shape());
        Ok(Some(permits.run(|| chunk_codec::encode(bytes, &self.layout.codecs, spec, at))?))
    }

    fn spec<'s>(&'s self, shape: &'s [u64]) -> ChunkSpec<'s> {
        ChunkSpec { shape, element_size: self.element_size(), fill_value: &self.fill }
    }

    /// The grid of inner chunks of a shard and the copy of each into a buffer of its own.
    fn inner_chunks(&self) -> Vec<ChunkIndices> {
        let counts: Vec<u64> =
            self.layout.unit_shape().iter().zip(&self.layout.chunk_shape).map(|(s, c)| s / c).collect();
        positions(&vec![0; counts.len()], &counts)
    }

    fn encode_shard(&self, bytes: &[u8], at: &At, permits: &Permits) -> Result<Vec<u8>, EngineError> {
        let inner = &self.layout.chunk_shape;
        let len = product(inner).unwrap_or(0) as usize * self.element_size();
        let encoded: Vec<Result<Option<Vec<u8>>, EngineError>> = self
            .inner_chunks()
            .par_iter()
            .map(|position| permits.run(|| self.encode_inner(bytes, position, len, at)))
            .collect();
        let encoded: Vec<Option<Vec<u8>>> = encoded.into_iter().collect::<Result<_, _>>()?;
        Ok(chunk_codec::encode_shard(&encoded, &index_codecs(), true, at)?)
    }

    /// One chunk of a shard, of this many bytes; `None` where all its elements are the fill value.
    fn encode_inner(
        &self,
        shard: &[u8],
        position: &ChunkIndices,
        len: usize,
        at: &At,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        let inner = &self.layout.chunk_shape;
        let start: Vec<u64> = position.0.iter().zip(inner).map(|(i, c)| i * c).collect();
        let copy = BoxCopy {
            src_shape: self.layout.unit_shape(),
            src_start: &start,
            dst_shape: inner,
            dst_start: &vec![0; inner.len()],
            shape: inner,
        };
        let mut chunk = vec![0u8; len];
        copy.copy_bytes(shard, &mut chunk, self.element_size())
            .ok_or_else(|| EngineError::bug("an inner chunk does not fit its shard"))?;
        if is_all(&chunk, &self.fill) {
            return Ok(None);
        }
        Ok(Some(chunk_codec::encode(&chunk, &self.layout.codecs, self.spec(inner), at)?))
    }

    fn encode_text_shard(&self, mut texts: Vec<String>, at: &At) -> Result<Vec<u8>, EngineError> {
        let inner = &self.layout.chunk_shape;
        let count = product(inner).unwrap_or(0) as usize;
        let zero = vec![0; inner.len()];
        let mut encoded = Vec::new();
        for position in self.inner_chunks() {
            let start: Vec<u64> = position.0.iter().zip(inner).map(|(i, c)| i * c).collect();
            let mut chunk = vec![String::new(); count];
            let copy = BoxCopy {
                src_shape: self.layout.unit_shape(),
                src_start: &start,
                dst_shape: inner,
                dst_start: &zero,
                shape: inner,
            };
            copy.take(&mut texts, &mut chunk)
                .ok_or_else(|| EngineError::bug("an inner chunk does not fit its shard"))?;
            let empty = chunk.iter().all(|t| *t == self.fill_text);
            encoded.push(if empty { None } else { Some(chunk_codec::encode_text(&chunk, &self.layout.codecs, at)?) });
        }
        Ok(chunk_codec::encode_shard(&encoded, &index_codecs(), true, at)?)
    }
}

/// Whether a buffer is one element over and over. Compares the buffer with itself, one element further: one pass of memcmp.
fn is_all(bytes: &[u8], element: &[u8]) -> bool {
    !element.is_empty() && bytes.starts_with(element) && bytes[element.len()..] == bytes[..bytes.len() - element.len()]
}
