use super::{FLAG_BITSHUFFLE, FLAG_NO_SPLIT, FLAG_SHUFFLE, FLAG_STORED, HEADER, bitshuffle, blosclz, parts_of};
use crate::chunk_codec::{Bound, deflate, scratch, shuffle, with_capacity, zstandard};
use crate::error::FormatError;
use firn_model::diagnose::At;

/// The header of a frame, checked against the length of the frame.
struct Header {
    flags: u8,
    element_size: usize,
    decoded: usize,
    block_size: usize,
}

/// Decodes into `out`, which is replaced.
pub(in crate::chunk_codec) fn decode(
    encoded: &[u8],
    bound: Bound,
    out: &mut Vec<u8>,
    at: &At,
) -> Result<(), FormatError> {
    let header = header(encoded, at)?;
    bound.check(header.decoded, "blosc", at)?;
    out.clear();
    if header.flags & FLAG_STORED != 0 {
        let stored = encoded.get(HEADER..HEADER + header.decoded);
        out.extend_from_slice(stored.ok_or_else(|| FormatError::corrupt(at, "the blosc frame is cut short"))?);
        return Ok(());
    }
    if out.capacity() < header.decoded {
        *out = with_capacity(header.decoded, at)?;
    }
    out.resize(header.decoded, 0);
    let mut filtered = scratch::take();
    let result = (|| {
        for (number, block) in out.chunks_mut(header.block_size).enumerate() {
            decode_block(encoded, &header, number, block, &mut filtered, at)?;
        }
        Ok(())
    })();
    scratch::put(filtered);
    result
}

fn header(encoded: &[u8], at: &At) -> Result<Header, FormatError> {
    let Some((head, _)) = encoded.split_first_chunk::<HEADER>() else {
        return Err(FormatError::corrupt(at, format!("{} bytes cannot hold a blosc frame", encoded.len())));
    };
    let word = |from: usize| u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]]) as usize;
    let (decoded, block_size, length) = (word(4), word(8), word(12));
    if head[0] > 2 {
        let what = format!("blosc frames of version {} (Blosc 2) are not read yet", head[0]);
        return Err(FormatError::unsupported("unsupported-blosc2", at, what));
    }
    if length > encoded.len() || (decoded > 0 && block_size == 0) {
        let what =
            format!("the blosc frame states {length} bytes in blocks of {block_size}, and has {}", encoded.len());
        return Err(FormatError::corrupt(at, what));
    }
    Ok(Header { flags: head[2], element_size: usize::from(head[3]).max(1), decoded, block_size: block_size.max(1) })
}

fn decode_block(
    encoded: &[u8],
    header: &Header,
    number: usize,
    block: &mut [u8],
    filtered: &mut Vec<u8>,
    at: &At,
) -> Result<(), FormatError> {
    let damaged = || FormatError::corrupt(at, format!("block {number} of the blosc frame is damaged"));
    let start = read_u32(encoded, HEADER + number * 4).ok_or_else(damaged)?;
    let mut rest = encoded.get(start..).ok_or_else(damaged)?;
    let by_bytes = header.flags & FLAG_SHUFFLE != 0 && header.element_size > 1;
    let by_bits = header.flags & FLAG_BITSHUFFLE != 0 && block.len() >= header.element_size;
    let no_split = header.flags & FLAG_NO_SPLIT != 0;
    let parts = parts_of(block.len(), header.block_size, header.element_size, no_split);
    if !block.len().is_multiple_of(parts) {
        return Err(damaged());
    }
    let target: &mut [u8] = if by_bytes || by_bits {
        filtered.clear();
        filtered.resize(block.len(), 0);
        filtered
    } else {
        &mut *block
    };
    for part in target.chunks_mut((target.len() / parts).max(1)) {
        let length = read_u32(rest, 0).ok_or_else(damaged)?;
        let bytes = rest.get(4..4 + length).ok_or_else(damaged)?;
        decode_part(header.flags >> 5, bytes, part, at)?.ok_or_else(damaged)?;
        rest = &rest[4 + length..];
    }
    if by_bytes {
        shuffle::unshuffle(filtered, header.element_size, block);
    } else if by_bits {
        bitshuffle::unshuffle(filtered, header.element_size, block);
    }
    Ok(())
}

/// `None` where the part is damaged.
fn decode_part(format: u8, bytes: &[u8], out: &mut [u8], at: &At) -> Result<Option<()>, FormatError> {
    if bytes.len() == out.len() {
        out.copy_from_slice(bytes);
        return Ok(Some(()));
    }
    if format == 0 {
        return Ok(blosclz::decode(bytes, out));
    }
    let filled = match format {
        1 => lz4_flex::block::decompress_into(bytes, out).ok(),
        2 => return Err(unsupported("snappy", at)),
        3 => deflate::decode_zlib_into(bytes, out),
        4 => zstandard::decode_into(bytes, out),
        other => return Err(unsupported(&format!("number {other}"), at)),
    };
    Ok(filled.filter(|len| *len == out.len()).map(|_| ()))
}

fn unsupported(compressor: &str, at: &At) -> FormatError {
    let what = format!("blosc with the inner compressor {compressor} is not read yet");
    FormatError::unsupported("unsupported-blosc-compressor", at, what)
}

fn read_u32(bytes: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.first_chunk::<4>().map(|word| u32::from_le_bytes(*word) as usize)
}
