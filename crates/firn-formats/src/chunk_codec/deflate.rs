//! Zlib and gzip streams (RFC 1950, 1952).

use super::Bound;
use crate::error::FormatError;
use firn_model::diagnose::At;
use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};
use std::cell::RefCell;
use std::io::Read;

thread_local! {
    // Making a decompressor allocates its tables: 11 KiB, measurable for small chunks.
    static DECOMPRESSOR: RefCell<Decompressor> = RefCell::new(Decompressor::new());
    static COMPRESSOR: RefCell<Option<(i32, Compressor)>> = const { RefCell::new(None) };
}

/// The container around a deflate stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Container {
    /// RFC 1950.
    Zlib,
    /// RFC 1952.
    Gzip,
}

impl Container {
    fn name(self) -> &'static str {
        match self {
            Self::Zlib => "zlib",
            Self::Gzip => "gzip",
        }
    }
}

/// The most that deflate can expand: 258 bytes for a code of two bits, so 1032 for one.
const MAX_RATIO: usize = 1032;

/// Decodes into `out`, which is replaced.
pub(super) fn decode(
    container: Container,
    encoded: &[u8],
    bound: Bound,
    out: &mut Vec<u8>,
    at: &At,
) -> Result<(), FormatError> {
    let possible = encoded.len().saturating_mul(MAX_RATIO);
    if let Bound::Exactly(len) = bound
        && len > possible
    {
        return Err(FormatError::corrupt(
            at,
            format!("{} bytes of {} cannot hold the {len} bytes of the chunk", encoded.len(), container.name()),
        ));
    }
    let largest = bound.largest().min(possible);
    let mut room = match bound {
        Bound::Exactly(len) => len,
        Bound::AtMost(_) => encoded.len().saturating_mul(4).min(largest),
    };
    loop {
        match attempt(container, encoded, room, out, at)? {
            Some(len) => {
                out.truncate(len);
                break;
            }
            None if room < largest => room = room.saturating_mul(4).min(largest),
            None => {
                return Err(FormatError::corrupt(
                    at,
                    format!("the {} stream holds more than the {room} bytes of the chunk", container.name()),
                ));
            }
        }
    }
    if container == Container::Gzip && matches!(bound, Bound::Exactly(len) if out.len() < len) {
        decode_members(encoded, bound, out, at)?;
    }
    bound.check(out.len(), container.name(), at)
}

/// Decodes what fits `room`; `None` where there is more.
fn attempt(
    container: Container,
    encoded: &[u8],
    room: usize,
    out: &mut Vec<u8>,
    at: &At,
) -> Result<Option<usize>, FormatError> {
    reserve(out, room, at)?;
    let result = DECOMPRESSOR.with_borrow_mut(|d| match container {
        Container::Zlib => d.zlib_decompress(encoded, out),
        Container::Gzip => d.gzip_decompress(encoded, out),
    });
    match result {
        Ok(len) => Ok(Some(len)),
        Err(DecompressionError::InsufficientSpace) => Ok(None),
        Err(DecompressionError::BadData) => {
            Err(FormatError::corrupt(at, format!("the {} stream is damaged or cut short", container.name())))
        }
    }
}

/// Decodes a zlib stream into this buffer and says how much of it was filled; `None` where the stream is damaged or holds
/// more.
pub(super) fn decode_zlib_into(encoded: &[u8], out: &mut [u8]) -> Option<usize> {
    DECOMPRESSOR.with_borrow_mut(|d| d.zlib_decompress(encoded, out)).ok()
}

/// Gzip allows several members one after the other (`bgzip` writes them); libdeflate reads the first alone.
fn decode_members(encoded: &[u8], bound: Bound, out: &mut Vec<u8>, at: &At) -> Result<(), FormatError> {
    out.clear();
    let limit = bound.largest() as u64 + 1;
    flate2::read::MultiGzDecoder::new(encoded)
        .take(limit)
        .read_to_end(out)
        .map_err(|error| FormatError::corrupt(at, format!("the gzip stream is damaged: {error}")))?;
    Ok(())
}

/// Makes `out` exactly `len` bytes long, whatever they are.
fn reserve(out: &mut Vec<u8>, len: usize, at: &At) -> Result<(), FormatError> {
    if out.capacity() < len {
        *out = super::with_capacity(len, at)?;
    }
    out.resize(len, 0);
    Ok(())
}

/// Encodes at this level (0 to 9; higher ones count as 9).
pub(super) fn encode(container: Container, data: &[u8], level: u8, at: &At) -> Result<Vec<u8>, FormatError> {
    let level = i32::from(level.min(9));
    COMPRESSOR.with_borrow_mut(|slot| {
        let (_, compressor) = match slot {
            Some(kept) if kept.0 == level => kept,
            _ => {
                let valid = CompressionLvl::new(level)
                    .map_err(|_| FormatError::bug(at, format!("{level} is not a level of deflate")))?;
                slot.insert((level, Compressor::new(valid)))
            }
        };
        let room = match container {
            Container::Zlib => compressor.zlib_compress_bound(data.len()),
            Container::Gzip => compressor.gzip_compress_bound(data.len()),
        };
        let mut out = super::zeroed(room, at)?;
        let written = match container {
            Container::Zlib => compressor.zlib_compress(data, &mut out),
            Container::Gzip => compressor.gzip_compress(data, &mut out),
        };
        let len = written.map_err(|_| FormatError::bug(at, "libdeflate gave too small a bound for its output"))?;
        out.truncate(len);
        Ok(out)
    })
}
