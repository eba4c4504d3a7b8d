//! Whether chunks are of a size that is read well over a network.

use super::chunk_grid::product;
use super::{ArrayMetadata, CodecMetadata};

/// Objects smaller than this, decoded, cost more in requests than in bytes; bytes.
pub const SMALL_CHUNK: u64 = 1 << 20;

/// So many small objects are nothing to speak of: coordinates have them.
pub const FEW_CHUNKS: u64 = 100;

/// What decodes as one and is larger than this is more than most readers want of it; bytes.
pub const LARGE_CHUNK: u64 = 256 << 20;

/// What is to be said of the chunks of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkSizes {
    /// Nothing.
    Good,
    /// Many objects smaller than [`SMALL_CHUNK`].
    TooSmall,
    /// Several chunks larger than [`LARGE_CHUNK`].
    TooLarge,
    /// One chunk larger than [`LARGE_CHUNK`].
    NotChunked,
}

/// The chunks of an array, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkNumbers {
    /// Objects (chunks, or shards) of the whole array.
    pub objects: u64,
    /// Bytes of an object, decoded.
    pub object_bytes: u64,
    /// Bytes of what decodes by itself: a chunk, or an inner chunk of a shard.
    pub chunk_bytes: u64,
}

impl ArrayMetadata {
    /// Shape of what decodes by itself: inner chunks where there are shards. `None` where chunks differ in shape.
    pub fn inner_chunk_shape(&self) -> Option<&[u64]> {
        let inner = self.codecs.iter().find_map(|codec| match codec {
            CodecMetadata::ShardingIndexed { chunk_shape, .. } => Some(chunk_shape.as_slice()),
            _ => None,
        });
        inner.or_else(|| self.chunk_grid.chunk_shape())
    }

    /// Number and size of its chunks; `None` where they differ in shape. Saturates.
    pub fn chunk_numbers(&self) -> Option<ChunkNumbers> {
        let size = self.data_type.size().unwrap_or(16) as u64;
        // A chunk that reaches beyond the array is stored as a whole, but read for what is in the array.
        let bytes = |shape: &[u64]| {
            let inside: Vec<u64> = shape.iter().zip(&self.shape).map(|(chunk, extent)| *chunk.min(extent)).collect();
            product(&inside).unwrap_or(u64::MAX).saturating_mul(size)
        };
        Some(ChunkNumbers {
            objects: self.chunk_grid.num_chunks(&self.shape).unwrap_or(u64::MAX),
            object_bytes: bytes(self.chunk_grid.chunk_shape()?),
            chunk_bytes: bytes(self.inner_chunk_shape()?),
        })
    }
}

impl ChunkNumbers {
    /// What is to be said of them.
    pub fn verdict(self) -> ChunkSizes {
        if self.chunk_bytes > LARGE_CHUNK {
            let is_whole = self.objects <= 1 && self.object_bytes == self.chunk_bytes;
            return if is_whole { ChunkSizes::NotChunked } else { ChunkSizes::TooLarge };
        }
        let is_small = self.objects > FEW_CHUNKS && self.object_bytes < SMALL_CHUNK;
        if is_small { ChunkSizes::TooSmall } else { ChunkSizes::Good }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(objects: u64, object_bytes: u64, chunk_bytes: u64) -> ChunkSizes {
        ChunkNumbers { objects, object_bytes, chunk_bytes }.verdict()
    }

    #[test]
    fn small_objects_matter_where_there_are_many() {
        assert_eq!(of(101, SMALL_CHUNK - 1, SMALL_CHUNK - 1), ChunkSizes::TooSmall);
        assert_eq!(of(100, 8, 8), ChunkSizes::Good);
        assert_eq!(of(1000, SMALL_CHUNK, 4096), ChunkSizes::Good, "small inner chunks of shards");
    }

    #[test]
    fn large_is_what_decodes_as_one() {
        assert_eq!(of(1, 2 * LARGE_CHUNK, 2 * LARGE_CHUNK), ChunkSizes::NotChunked);
        assert_eq!(of(2, 2 * LARGE_CHUNK, 2 * LARGE_CHUNK), ChunkSizes::TooLarge);
        assert_eq!(of(1, 8 * LARGE_CHUNK, SMALL_CHUNK), ChunkSizes::Good, "one shard");
        assert_eq!(of(2, LARGE_CHUNK, LARGE_CHUNK), ChunkSizes::Good);
    }
}
