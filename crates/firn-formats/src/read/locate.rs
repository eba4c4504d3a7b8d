//! From a position in the chunk grid to stored bytes, and from those to elements.

use super::layout::StoredLayout;
use crate::chunk_codec;
use crate::error::FormatError;
use bytes::Bytes;
use firn_model::array::{Array, ChunkEntry, ChunkIndices, ChunkManifest, SourceObject};
use firn_model::diagnose::At;
use firn_model::source::ByteRange;

/// Where the encoded bytes of a chunk are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkLocation<'a> {
    /// A range of an object.
    Range {
        /// The object.
        object: &'a SourceObject,
        /// Its bytes.
        range: ByteRange,
        /// The filters that were skipped, as in [`ChunkEntry::Stored`].
        filter_mask: u32,
    },
    /// All of the object with this key below the source, which may be absent: then the chunk is empty.
    Key(String),
    /// These bytes.
    Inline(&'a Bytes),
    /// Nowhere: all elements are the fill value.
    Empty,
}

/// Where this chunk is. `indices` count stored chunks ([`StoredLayout::chunk_grid`]).
///
/// # Errors
/// [`FormatError::MissingChunk`] where nothing is known of the chunk.
pub fn chunk_location<'a>(array: &'a Array, indices: &ChunkIndices, at: &At) -> Result<ChunkLocation<'a>, FormatError> {
    let table = match &array.manifest {
        ChunkManifest::Table(table) => table,
        ChunkManifest::Keyed(keyed) => return Ok(ChunkLocation::Key(keyed.key(indices))),
        _ => return Err(FormatError::bug(at, "a chunk manifest of a kind that the reader does not know")),
    };
    Ok(match table.get(indices) {
        ChunkEntry::Stored { object, offset, length, filter_mask } => {
            let end = offset.checked_add(length);
            let end =
                end.ok_or_else(|| FormatError::corrupt(at, format!("chunk {:?} ends beyond 64 bits", indices.0)))?;
            ChunkLocation::Range { object, range: offset..end, filter_mask }
        }
        ChunkEntry::Inline(bytes) => ChunkLocation::Inline(bytes),
        ChunkEntry::KnownEmpty => ChunkLocation::Empty,
        ChunkEntry::Unknown => {
            let what = format!("chunk {:?} is neither stored nor known to be empty", indices.0);
            return Err(FormatError::MissingChunk { at: at.clone(), what });
        }
    })
}

/// Decodes the encoded bytes of one stored chunk into little-endian elements in C order, as many as the chunk shape of
/// `layout` has.
///
/// # Errors
/// As [`chunk_codec::decode`].
pub fn decode_stored_chunk(
    array: &Array,
    layout: &StoredLayout,
    encoded: Bytes,
    filter_mask: u32,
    at: &At,
) -> Result<Bytes, FormatError> {
    chunk_codec::decode(encoded, &array.metadata.codecs, filter_mask, layout.chunk_spec(), at)
}
