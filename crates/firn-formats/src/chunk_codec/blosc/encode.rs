use super::{FLAG_BITSHUFFLE, FLAG_NO_SPLIT, FLAG_SHUFFLE, FLAG_STORED, HEADER, VERSION, bitshuffle, parts_of};
use crate::chunk_codec::{Bound, scratch, shuffle, with_capacity, zstandard};
use crate::error::FormatError;
use firn_model::array::codec::{BloscCompressor, BloscShuffle};
use firn_model::diagnose::At;

/// How a frame is written.
#[derive(Debug, Clone, Copy)]
pub(in crate::chunk_codec) struct Settings {
    pub(in crate::chunk_codec) compressor: BloscCompressor,
    pub(in crate::chunk_codec) level: u8,
    pub(in crate::chunk_codec) shuffle: BloscShuffle,
    pub(in crate::chunk_codec) element_size: usize,
    pub(in crate::chunk_codec) block_size: usize,
}

/// Block size where none is asked for: one that stays in a second-level cache next to its filtered copy.
const AUTOMATIC_BLOCK: usize = 256 << 10;

/// The largest frame: its lengths are 32 bits, signed in c-blosc.
const MAX_DECODED: usize = i32::MAX as usize - HEADER;

/// Encodes one frame.
pub(in crate::chunk_codec) fn encode(data: &[u8], settings: Settings, at: &At) -> Result<Vec<u8>, FormatError> {
    if data.len() > MAX_DECODED {
        return Err(FormatError::limit(at, "the size of a blosc chunk", data.len() as u64, MAX_DECODED as u64));
    }
    // One byte holds the element size; like c-blosc, larger ones count as single bytes.
    let element_size = if settings.element_size > 255 { 1 } else { settings.element_size.max(1) };
    let block_size = block_size(data.len(), settings.block_size, element_size);
    let no_split = settings.compressor != BloscCompressor::Lz4;
    let flags = flags(settings, element_size, no_split)?;
    let blocks = data.len().div_ceil(block_size);
    let mut out = with_capacity(Bound::Exactly(data.len()).compressed().largest(), at)?;
    out.resize(HEADER + blocks * 4, 0);
    let mut filtered = scratch::take();
    for (number, block) in data.chunks(block_size).enumerate() {
        let start = out.len() as u32;
        out[HEADER + number * 4..HEADER + number * 4 + 4].copy_from_slice(&start.to_le_bytes());
        let filtered = filter(block, settings.shuffle, element_size, &mut filtered);
        let parts = parts_of(block.len(), block_size, element_size, no_split);
        for part in filtered.chunks((block.len() / parts).max(1)) {
            encode_part(part, settings, &mut out, at)?;
        }
    }
    scratch::put(filtered);
    if blocks == 0 || out.len() >= HEADER + data.len() {
        out.truncate(HEADER);
        out.extend_from_slice(data);
        write_header(&mut out, flags | FLAG_STORED, element_size, data.len(), block_size);
    } else {
        write_header(&mut out, flags, element_size, data.len(), block_size);
    }
    Ok(out)
}

/// The asked or automatic size in whole groups of eight elements (for the bit shuffle), or the whole elements of the data
/// where that is less; a rest is a block of its own.
fn block_size(len: usize, asked: usize, element_size: usize) -> usize {
    let wanted = if asked == 0 { AUTOMATIC_BLOCK } else { asked };
    if wanted >= len {
        return if len > element_size { len / element_size * element_size } else { len.max(1) };
    }
    let group = element_size * 8;
    (wanted / group).max(1) * group
}

fn flags(settings: Settings, element_size: usize, no_split: bool) -> Result<u8, FormatError> {
    let format = match settings.compressor {
        BloscCompressor::Lz4 => 1,
        BloscCompressor::Zstd => 4,
        other => {
            let what = format!("blosc with the inner compressor {other} is read, but not written");
            return Err(FormatError::unsupported("unsupported-blosc-compressor", &At::nowhere(), what));
        }
    };
    let filter = match settings.shuffle {
        BloscShuffle::Shuffle if element_size > 1 => FLAG_SHUFFLE,
        BloscShuffle::BitShuffle => FLAG_BITSHUFFLE,
        _ => 0,
    };
    Ok(format << 5 | filter | if no_split { FLAG_NO_SPLIT } else { 0 })
}

fn filter<'a>(block: &'a [u8], kind: BloscShuffle, element_size: usize, buffer: &'a mut Vec<u8>) -> &'a [u8] {
    match kind {
        BloscShuffle::Shuffle if element_size > 1 => {
            buffer.resize(block.len(), 0);
            shuffle::shuffle(block, element_size, buffer);
        }
        BloscShuffle::BitShuffle if block.len() >= element_size => {
            buffer.resize(block.len(), 0);
            bitshuffle::shuffle(block, element_size, buffer);
        }
        _ => return block,
    }
    buffer
}

/// Appends the length of a part and its bytes, which are the part itself where it does not compress.
fn encode_part(part: &[u8], settings: Settings, out: &mut Vec<u8>, at: &At) -> Result<(), FormatError> {
    let before = out.len();
    out.extend_from_slice(&[0; 4]);
    let length = if settings.compressor == BloscCompressor::Zstd {
        let encoded = zstandard::encode(part, zstd_level(settings.level), false, at)?;
        out.extend_from_slice(&encoded);
        encoded.len()
    } else {
        out.resize(before + 4 + lz4_flex::block::get_maximum_output_size(part.len()), 0);
        lz4_flex::block::compress_into(part, &mut out[before + 4..])
            .map_err(|_| FormatError::bug(at, "LZ4 gave too small a bound for its output"))?
    };
    out.truncate(before + 4 + length);
    let length = if length >= part.len() {
        out.truncate(before + 4);
        out.extend_from_slice(part);
        part.len()
    } else {
        length
    };
    out[before..before + 4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(())
}

/// The Zstandard level that c-blosc uses at this level.
fn zstd_level(level: u8) -> i32 {
    match level {
        0 => 1,
        9.. => 22,
        8 => 20,
        other => i32::from(other) * 2 - 1,
    }
}

fn write_header(out: &mut [u8], flags: u8, element_size: usize, decoded: usize, block_size: usize) {
    let length = out.len() as u32;
    out[..4].copy_from_slice(&[VERSION, 1, flags, element_size as u8]);
    out[4..8].copy_from_slice(&(decoded as u32).to_le_bytes());
    out[8..12].copy_from_slice(&(block_size as u32).to_le_bytes());
    out[12..16].copy_from_slice(&length.to_le_bytes());
}
