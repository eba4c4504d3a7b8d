//! Blosc 1 frames (c-blosc `README_CHUNK_FORMAT`): blocks, each filtered (shuffle by bytes or bits) and compressed, perhaps
//! in one part a byte of the element. Own code instead of a binding to the C library: the format is small, the input
//! hostile, and the inner compressors are here already.

mod bitshuffle;
mod blosclz;
mod decode;
mod encode;

pub(super) use decode::decode;
pub(super) use encode::{Settings, encode};

/// Bytes of the header: version, version of the inner format, flags, element size, then three `u32`: decoded bytes, block
/// size, encoded bytes.
const HEADER: usize = 16;

/// Version of the frame format that is written; c-blosc 1 writes 2.
const VERSION: u8 = 2;

const FLAG_SHUFFLE: u8 = 0x01;
const FLAG_STORED: u8 = 0x02;
const FLAG_BITSHUFFLE: u8 = 0x04;
const FLAG_NO_SPLIT: u8 = 0x10;

/// Larger elements are not split.
const MAX_SPLITS: usize = 16;

/// Parts smaller than this are not split.
const MIN_PART: usize = 128;

/// Parts that a block is compressed in.
fn parts_of(block: usize, block_size: usize, element_size: usize, no_split: bool) -> usize {
    let whole = block == block_size;
    let worth = (2..=MAX_SPLITS).contains(&element_size) && block_size / element_size.max(1) >= MIN_PART;
    if whole && worth && !no_split { element_size } else { 1 }
}
