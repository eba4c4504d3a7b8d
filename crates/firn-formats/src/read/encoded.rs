//! Encoded chunks as they are stored, for who passes them on without decoding them.

use super::fetch;
use super::layout::regular;
use super::locate::{ChunkLocation, chunk_location};
use crate::chunk_codec::{self, InnerChunk, ShardIndex};
use crate::error::FormatError;
use bytes::Bytes;
use firn_model::array::{Array, ChunkIndices, CodecMetadata};
use firn_model::diagnose::At;
use firn_model::source::{ByteRange, RangeReader, Source, SourceError, SourceVersion};
use std::sync::Arc;

/// A chunk or shard that is there: where its encoded bytes are, none of them read yet.
pub struct EncodedChunk {
    bytes: EncodedBytes,
    at: At,
}

enum EncodedBytes {
    Inline(Bytes),
    Range(Arc<dyn RangeReader>, ByteRange),
}

/// The stored chunk at this position, `None` where it is known to be empty: never written, or absent from a store whose
/// format takes what is absent for empty. `indices` count stored chunks ([`super::StoredLayout::chunk_grid`]).
///
/// # Errors
/// [`FormatError::MissingChunk`] where nothing is known of the chunk, and what the source says. A chunk that skipped a filter
/// is a [`FormatError::Bug`]: the codecs of its array do not decode it.
pub fn encoded_chunk(
    source: &dyn Source,
    array: &Array,
    indices: &ChunkIndices,
    at: &At,
) -> Result<Option<EncodedChunk>, FormatError> {
    let bytes = match chunk_location(array, indices, at)? {
        ChunkLocation::Empty => return Ok(None),
        ChunkLocation::Inline(bytes) => EncodedBytes::Inline(bytes.clone()),
        ChunkLocation::Range { filter_mask, .. } if filter_mask != 0 => {
            return Err(FormatError::bug(at, "a chunk that skipped a filter was asked for as it is stored"));
        }
        ChunkLocation::Range { object, range, .. } => EncodedBytes::Range(fetch::open(source, object)?, range),
        ChunkLocation::Key(key) => {
            let Some(reader) = source.object(&key)? else { return Ok(None) };
            match reader.size() {
                Ok(size) => EncodedBytes::Range(reader, 0..size),
                Err(SourceError::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    };
    Ok(Some(EncodedChunk { bytes, at: at.clone() }))
}

impl EncodedChunk {
    /// Number of its bytes.
    pub fn length(&self) -> u64 {
        match &self.bytes {
            EncodedBytes::Inline(bytes) => bytes.len() as u64,
            EncodedBytes::Range(_, range) => range.end - range.start,
        }
    }

    /// The version of the object that holds it.
    ///
    /// # Errors
    /// What the source says.
    pub fn version(&self) -> Result<SourceVersion, FormatError> {
        match &self.bytes {
            EncodedBytes::Inline(bytes) => Ok(SourceVersion { size: bytes.len() as u64, ..SourceVersion::default() }),
            EncodedBytes::Range(reader, _) => Ok(reader.version()?),
        }
    }

    /// All of its bytes.
    ///
    /// # Errors
    /// What the source says.
    pub fn read(&self) -> Result<Bytes, FormatError> {
        self.part(0..self.length())
    }

    /// The index of this shard of an array that is stored in shards.
    ///
    /// # Errors
    /// [`FormatError::Corrupt`] for a shard that is shorter than its index or an index that is damaged,
    /// [`FormatError::Bug`] for an array without shards; what the source says.
    pub fn shard_index(&self, array: &Array) -> Result<ShardIndex, FormatError> {
        let [CodecMetadata::ShardingIndexed { chunk_shape, index_codecs, index_at_end, .. }] =
            array.metadata.codecs.as_slice()
        else {
            return Err(FormatError::bug(&self.at, "the index of a chunk that is no shard was asked for"));
        };
        let grid = chunk_codec::inner_grid(regular(array, &self.at)?, chunk_shape, &self.at)?;
        let (index, length) = (chunk_codec::index_length(&grid, index_codecs, &self.at)?, self.length());
        if index > length {
            let what = format!("the shard has {length} bytes and is shorter than its index of {index}");
            return Err(FormatError::corrupt(&self.at, what));
        }
        let range = if *index_at_end { length - index..length } else { 0..index };
        ShardIndex::decode(&self.part(range)?, &grid, index_codecs, &self.at)
    }

    /// The encoded bytes of an inner chunk of this shard, as its index has it.
    ///
    /// # Errors
    /// [`FormatError::Corrupt`] where it does not lie in the shard; what the source says.
    pub fn read_inner(&self, inner: InnerChunk) -> Result<Bytes, FormatError> {
        match inner.offset.checked_add(inner.length).filter(|end| *end <= self.length()) {
            Some(end) => self.part(inner.offset..end),
            None => Err(FormatError::corrupt(&self.at, "an inner chunk does not lie in its shard")),
        }
    }

    fn part(&self, range: ByteRange) -> Result<Bytes, FormatError> {
        let wanted = range.end - range.start;
        let bytes = match &self.bytes {
            EncodedBytes::Inline(bytes) => bytes.slice(range.start as usize..range.end as usize),
            EncodedBytes::Range(reader, whole) => reader.read(whole.start + range.start..whole.start + range.end)?,
        };
        if bytes.len() as u64 != wanted {
            let what = "other bytes than those asked for were returned".to_owned();
            return Err(SourceError::Broken { at: self.at.clone(), what }.into());
        }
        Ok(bytes)
    }
}
