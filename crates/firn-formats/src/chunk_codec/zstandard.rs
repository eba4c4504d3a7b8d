//! Zstandard frames (RFC 8878).

use super::Bound;
use crate::error::FormatError;
use firn_model::diagnose::At;
use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

thread_local! {
    // A context is 160 KiB (decoding) to some MiB (encoding) that would be made and cleared for each chunk.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
    static COMPRESSOR: RefCell<Option<(i32, bool, Compressor<'static>)>> = const { RefCell::new(None) };
}

/// Decodes into `out`, which is replaced.
pub(super) fn decode(encoded: &[u8], bound: Bound, out: &mut Vec<u8>, at: &At) -> Result<(), FormatError> {
    let Ok(stated) = zstd::zstd_safe::get_frame_content_size(encoded) else {
        return Err(FormatError::corrupt(at, "the bytes do not start with a Zstandard frame"));
    };
    // Frames may follow one another, so the first can state less than the whole, never more.
    if let Some(size) = stated
        && size > bound.largest() as u64
    {
        return Err(FormatError::corrupt(
            at,
            format!(
                "the Zstandard frame states {size} bytes where the chunk cannot have more than {}",
                bound.largest()
            ),
        ));
    }
    let mut room = match (bound, stated) {
        // What a frame states is not believed before it is there: one damaged byte can state the whole bound.
        (Bound::AtMost(most), stated) => {
            let likely = encoded.len().saturating_mul(if stated.is_some() { 64 } else { 4 }).max(1 << 12);
            likely.min(stated.unwrap_or(u64::MAX).min(most as u64) as usize)
        }
        (Bound::Exactly(len), _) => len,
    };
    loop {
        out.clear();
        if out.capacity() < room {
            *out = super::with_capacity(room, at)?;
        }
        match with_decompressor(|d| d.decompress_to_buffer(encoded, out)) {
            Ok(_) => return bound.check(out.len(), "zstd", at),
            Err(error) if too_small(&error) && room < bound.largest() => {
                room = room.saturating_mul(4).max(1 << 12).min(bound.largest());
            }
            Err(error) => {
                return Err(FormatError::corrupt(at, format!("the Zstandard frame cannot be decoded: {error}")));
            }
        }
    }
}

/// Decodes into this buffer and says how much of it was filled; `None` where the frame is damaged or holds more.
pub(super) fn decode_into(encoded: &[u8], out: &mut [u8]) -> Option<usize> {
    with_decompressor(|d| d.decompress_to_buffer(encoded, out)).ok()
}

fn too_small(error: &std::io::Error) -> bool {
    error.to_string().contains("too small")
}

fn with_decompressor<T>(work: impl FnOnce(&mut Decompressor<'static>) -> std::io::Result<T>) -> std::io::Result<T> {
    DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(Decompressor::new()?);
        }
        match slot {
            Some(decompressor) => work(decompressor),
            None => Err(std::io::Error::other("no decompression context")),
        }
    })
}

/// Encodes one frame that states its content size.
pub(super) fn encode(data: &[u8], level: i32, checksum: bool, at: &At) -> Result<Vec<u8>, FormatError> {
    COMPRESSOR.with_borrow_mut(|slot| {
        let failed = |error: std::io::Error| FormatError::bug(at, format!("Zstandard cannot encode: {error}"));
        if !matches!(slot, Some((l, c, _)) if *l == level && *c == checksum) {
            let mut compressor = Compressor::new(level).map_err(failed)?;
            compressor.set_parameter(CParameter::ChecksumFlag(checksum)).map_err(failed)?;
            *slot = Some((level, checksum, compressor));
        }
        match slot {
            Some((_, _, compressor)) => compressor.compress(data).map_err(failed),
            None => Err(FormatError::bug(at, "no compression context")),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_frame_states_takes_no_memory_before_it_is_there() {
        let at = At::url("file:///input");
        let text: Vec<u8> = (0..3000_u32).flat_map(u32::to_le_bytes).collect();
        let mut frame = encode(&text, 3, false, &at).unwrap();
        let mut out = Vec::new();
        decode(&frame, Bound::AtMost(1 << 30), &mut out, &at).unwrap();
        assert_eq!(out, text);
        // Magic, descriptor, and the two bytes of the content size (less 256): now four, of half a gigabyte.
        assert_eq!(frame[4] & 0xc0, 0x40, "the size has two bytes");
        frame[4] = frame[4] & 0x3f | 0x80;
        frame.splice(5..7, (1_u32 << 29).to_le_bytes());
        let mut out = Vec::new();
        assert!(decode(&frame, Bound::AtMost(1 << 30), &mut out, &at).is_err());
        assert!(out.capacity() < 8 << 20, "{} bytes", out.capacity());
    }

    #[test]
    fn frames_that_grow_a_lot_are_decoded() {
        let at = At::url("file:///input");
        let zeros = vec![0; 3 << 20];
        let frame = encode(&zeros, 3, false, &at).unwrap();
        let mut out = Vec::new();
        decode(&frame, Bound::AtMost(1 << 30), &mut out, &at).unwrap();
        assert!(frame.len() < 1000 && out == zeros);
    }
}
