//! `sharding_indexed` (Zarr v3): encoded inner chunks, and an index of their offsets and lengths at one end of the shard.

use super::{byte_order, crc32c};
use crate::error::FormatError;
use firn_model::array::chunk_grid::{product, to_linear};
use firn_model::array::{ChunkIndices, CodecMetadata, Endian};
use firn_model::diagnose::At;

/// Offset and length of an inner chunk that the shard does not hold.
const EMPTY: u64 = u64::MAX;

/// Bytes of an entry of the index before its codecs: offset and length.
const ENTRY: usize = 16;

/// Most inner chunks of a shard: their index is 256 MiB.
const MAX_INNER_CHUNKS: u64 = 1 << 24;

/// Where an inner chunk is, counted from the start of its shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InnerChunk {
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

/// The decoded index of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardIndex {
    grid_shape: Vec<u64>,
    chunks: Vec<Option<InnerChunk>>,
}

/// Number of inner chunks along each dimension of a shard of this shape.
///
/// # Errors
/// [`FormatError::Corrupt`] where the inner shape does not divide the shard, [`FormatError::Limit`] for too many.
pub fn inner_grid(shard_shape: &[u64], inner_shape: &[u64], at: &At) -> Result<Vec<u64>, FormatError> {
    let divides = |(shard, inner): (&u64, &u64)| *inner > 0 && shard.is_multiple_of(*inner);
    if shard_shape.len() != inner_shape.len() || !shard_shape.iter().zip(inner_shape).all(divides) {
        let what = format!("inner chunks of shape {inner_shape:?} do not divide shards of shape {shard_shape:?}");
        return Err(FormatError::corrupt(at, what));
    }
    let grid: Vec<u64> = shard_shape.iter().zip(inner_shape).map(|(shard, inner)| shard / inner).collect();
    match product(&grid) {
        Some(count) if count <= MAX_INNER_CHUNKS => Ok(grid),
        count => {
            let count = count.unwrap_or(u64::MAX);
            Err(FormatError::limit(at, "the number of inner chunks in a shard", count, MAX_INNER_CHUNKS))
        }
    }
}

/// Bytes of the encoded index of a shard with this grid of inner chunks.
///
/// # Errors
/// [`FormatError::Unsupported`] for index codecs other than `bytes` and `crc32c`.
pub fn index_length(grid_shape: &[u64], index_codecs: &[CodecMetadata], at: &At) -> Result<u64, FormatError> {
    let (_, checksum) = index_pipeline(index_codecs, at)?;
    let count = product(grid_shape).unwrap_or(u64::MAX);
    Ok(count.saturating_mul(ENTRY as u64).saturating_add(if checksum { crc32c::LENGTH as u64 } else { 0 }))
}

fn index_pipeline(codecs: &[CodecMetadata], at: &At) -> Result<(Endian, bool), FormatError> {
    match codecs {
        [CodecMetadata::Bytes { endian }] => Ok((*endian, false)),
        [CodecMetadata::Bytes { endian }, CodecMetadata::Crc32c] => Ok((*endian, true)),
        other => {
            let names: Vec<&str> = other.iter().map(CodecMetadata::name).collect();
            let what = format!("a shard index encoded by {} is not read yet", names.join(", "));
            Err(FormatError::unsupported("unsupported-shard-index", at, what))
        }
    }
}

impl ShardIndex {
    /// The index from its encoded bytes.
    ///
    /// # Errors
    /// [`FormatError::Corrupt`] for a wrong length or checksum, [`FormatError::Unsupported`] as [`index_length`].
    pub fn decode(
        encoded: &[u8],
        grid_shape: &[u64],
        index_codecs: &[CodecMetadata],
        at: &At,
    ) -> Result<Self, FormatError> {
        let (endian, checksum) = index_pipeline(index_codecs, at)?;
        let length = index_length(grid_shape, index_codecs, at)?;
        if encoded.len() as u64 != length {
            let what = format!("the shard index has {} bytes where its grid needs {length}", encoded.len());
            return Err(FormatError::corrupt(at, what));
        }
        let data = if checksum { crc32c::check(encoded, at)? } else { encoded };
        let word = |bytes: &[u8; 8]| match endian {
            Endian::Little => u64::from_le_bytes(*bytes),
            Endian::Big => u64::from_be_bytes(*bytes),
        };
        let words = data.as_chunks::<8>().0;
        let chunks = words.as_chunks::<2>().0.iter().map(|[offset, length]| {
            let (offset, length) = (word(offset), word(length));
            (offset != EMPTY || length != EMPTY).then_some(InnerChunk { offset, length })
        });
        Ok(Self { grid_shape: grid_shape.to_vec(), chunks: chunks.collect() })
    }

    /// Number of inner chunks along each dimension.
    pub fn grid_shape(&self) -> &[u64] {
        &self.grid_shape
    }

    /// The inner chunk at this position of the shard, `None` where the shard does not hold it.
    ///
    /// # Errors
    /// [`FormatError::Corrupt`] where it would not lie within a shard of this many bytes.
    pub fn get(&self, indices: &ChunkIndices, shard_length: u64, at: &At) -> Result<Option<InnerChunk>, FormatError> {
        let linear = to_linear(indices, &self.grid_shape)
            .ok_or_else(|| FormatError::bug(at, format!("{:?} is not in the grid of the shard", indices.0)))?;
        let Some(chunk) = self.chunks.get(linear as usize).copied().flatten() else { return Ok(None) };
        if chunk.offset.checked_add(chunk.length).is_none_or(|end| end > shard_length) {
            let what = format!(
                "inner chunk {:?} would be at byte {} with {} bytes, in a shard of {shard_length}",
                indices.0, chunk.offset, chunk.length
            );
            return Err(FormatError::corrupt(at, what));
        }
        Ok(Some(chunk))
    }
}

/// A shard of these encoded inner chunks, in C order; `None` is an inner chunk of fill values, which takes no bytes.
///
/// # Errors
/// [`FormatError::Unsupported`] as [`index_length`].
pub fn encode_shard(
    inner_chunks: &[Option<Vec<u8>>],
    index_codecs: &[CodecMetadata],
    index_at_end: bool,
    at: &At,
) -> Result<Vec<u8>, FormatError> {
    let (endian, checksum) = index_pipeline(index_codecs, at)?;
    let index_len = index_length(&[inner_chunks.len() as u64], index_codecs, at)? as usize;
    let data_len: usize = inner_chunks.iter().flatten().map(Vec::len).sum();
    let mut offset = if index_at_end { 0 } else { index_len as u64 };
    let mut index = Vec::with_capacity(index_len);
    for chunk in inner_chunks {
        let entry = match chunk {
            Some(bytes) => [offset, bytes.len() as u64],
            None => [EMPTY, EMPTY],
        };
        offset += chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
        for word in entry {
            index.extend_from_slice(&word.to_le_bytes());
        }
    }
    if endian == Endian::Big {
        byte_order::swap_bytes(&mut index, 8);
    }
    if checksum {
        crc32c::append(&mut index);
    }
    let mut shard = super::with_capacity(index_len + data_len, at)?;
    if !index_at_end {
        shard.append(&mut index);
    }
    for bytes in inner_chunks.iter().flatten() {
        shard.extend_from_slice(bytes);
    }
    shard.append(&mut index);
    Ok(shard)
}
