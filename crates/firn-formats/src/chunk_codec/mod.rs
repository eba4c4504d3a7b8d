//! One chunk between its stored bytes and its elements, by the codecs of its array.
//!
//! Decoded elements are little-endian bytes in C order. What a codec may put out is bounded before it runs: by the exact
//! size that the chunk must have, or by a stated limit, so a chunk that inflates without end is an error.

mod blosc;
mod byte_order;
mod crc32c;
mod deflate;
mod fletcher32;
mod pipeline;
mod scratch;
mod sharding;
mod shuffle;
mod transpose;
mod vlen_utf8;
mod zstandard;

pub use byte_order::swap_bytes;
pub use pipeline::{ChunkSpec, MAX_CHUNK_BYTES, decode, decode_text, decode_with, encode, encode_text};
pub use sharding::{InnerChunk, ShardIndex, encode_shard, index_length, inner_grid};

use crate::error::FormatError;
use firn_model::diagnose::At;

/// A buffer of this many zeros, or an error where there is no memory for it.
pub(crate) fn zeroed(len: usize, at: &At) -> Result<Vec<u8>, FormatError> {
    let mut out = with_capacity(len, at)?;
    out.resize(len, 0);
    Ok(out)
}

/// An empty buffer with room for this many bytes, or an error where there is no memory for it.
pub(crate) fn with_capacity(len: usize, at: &At) -> Result<Vec<u8>, FormatError> {
    let mut out = Vec::new();
    out.try_reserve_exact(len)
        .map_err(|_| FormatError::limit(at, "the size of a chunk in memory", len as u64, MAX_CHUNK_BYTES))?;
    Ok(out)
}

/// How many bytes a codec must or may put out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Exactly so many.
    Exactly(usize),
    /// Not more than so many.
    AtMost(usize),
}

impl Bound {
    /// The largest size it allows.
    pub(crate) fn largest(self) -> usize {
        match self {
            Self::Exactly(n) | Self::AtMost(n) => n,
        }
    }

    /// The bound of what a compressor makes of this many bytes: incompressible data grows a little, by any of them.
    pub(crate) fn compressed(self) -> Self {
        let n = self.largest();
        Self::AtMost(n.saturating_add(n / 8).saturating_add(1 << 16))
    }

    /// The bound with this many bytes appended.
    pub(crate) fn plus(self, more: usize) -> Self {
        match self {
            Self::Exactly(n) => Self::Exactly(n.saturating_add(more)),
            Self::AtMost(n) => Self::AtMost(n.saturating_add(more)),
        }
    }

    /// An error unless this size keeps the bound.
    pub(crate) fn check(self, len: usize, codec: &str, at: &At) -> Result<(), FormatError> {
        match self {
            Self::Exactly(n) if n != len => {
                Err(FormatError::corrupt(at, format!("the {codec} codec gave {len} bytes where the chunk has {n}")))
            }
            Self::AtMost(n) if len > n => Err(FormatError::corrupt(
                at,
                format!("the {codec} codec gave {len} bytes where the chunk cannot have more than {n}"),
            )),
            _ => Ok(()),
        }
    }
}
