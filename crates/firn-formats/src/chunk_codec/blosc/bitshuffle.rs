//! Bit shuffle: for each byte of the element and each bit of it, lowest first, the bits of all elements in a row.
//!
//! c-blosc 1 filters a block only where its count of elements is a multiple of eight; other blocks are stored as they are.

use crate::chunk_codec::{scratch, shuffle as byte_shuffle};

/// Undoes the shuffle into `out`, which has the same length.
pub(super) fn unshuffle(shuffled: &[u8], element_size: usize, out: &mut [u8]) {
    let Some((count, body)) = layout(shuffled.len(), element_size) else {
        out.copy_from_slice(shuffled);
        return;
    };
    // First the bytes of each plane, in a row; then the planes to elements as the byte shuffle does it.
    let mut planes = scratch::take();
    planes.resize(body, 0);
    for (plane, rows) in planes.chunks_exact_mut(count).zip(shuffled.chunks_exact(count)) {
        let rows: [&[u8]; 8] = std::array::from_fn(|bit| &rows[bit * count / 8..(bit + 1) * count / 8]);
        for (group, bytes) in plane.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *bytes = transpose(u64::from_le_bytes(rows.map(|row| row[group]))).to_le_bytes();
        }
    }
    byte_shuffle::unshuffle(&planes, element_size, &mut out[..body]);
    out[body..].copy_from_slice(&shuffled[body..]);
    scratch::put(planes);
}

/// Shuffles into `out`, which has the same length.
pub(super) fn shuffle(data: &[u8], element_size: usize, out: &mut [u8]) {
    let Some((count, body)) = layout(data.len(), element_size) else {
        out.copy_from_slice(data);
        return;
    };
    let mut planes = scratch::take();
    planes.resize(body, 0);
    byte_shuffle::shuffle(&data[..body], element_size, &mut planes);
    for (plane, rows) in planes.chunks_exact(count).zip(out.chunks_exact_mut(count)) {
        for (group, bytes) in plane.as_chunks::<8>().0.iter().enumerate() {
            let transposed = transpose(u64::from_le_bytes(*bytes)).to_le_bytes();
            for (bit, value) in transposed.iter().enumerate() {
                rows[bit * count / 8 + group] = *value;
            }
        }
    }
    out[body..].copy_from_slice(&data[body..]);
    scratch::put(planes);
}

/// Count of elements and bytes that are shuffled; `None` where the block stays as it is.
fn layout(len: usize, element_size: usize) -> Option<(usize, usize)> {
    let count = len.checked_div(element_size)?;
    (count > 0 && count.is_multiple_of(8)).then_some((count, count * element_size))
}

/// Transposes a matrix of 8 × 8 bits whose row `i` is byte `i`, in three rounds of swapping ever larger squares.
fn transpose(mut x: u64) -> u64 {
    for (shift, mask) in [(7, 0x00aa_00aa_00aa_00aa_u64), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)] {
        let t = (x ^ (x >> shift)) & mask;
        x ^= t ^ (t << shift);
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_moves_to_the_row_of_its_number() {
        for (byte, bit) in [(0, 0), (3, 5), (7, 7)] {
            let x = 1u64 << (byte * 8 + bit);
            assert_eq!(transpose(x), 1u64 << (bit * 8 + byte));
        }
    }

    #[test]
    fn every_size_round_trips() {
        for size in [1usize, 2, 3, 4, 8, 12] {
            for len in [0usize, 5, 8 * size, 64 * size, 64 * size + 1, 63 * size] {
                let data: Vec<u8> = (0..len).map(|i| (i * 37 % 251) as u8).collect();
                let (mut there, mut back) = (vec![0; len], vec![0; len]);
                shuffle(&data, size, &mut there);
                unshuffle(&there, size, &mut back);
                assert_eq!(back, data, "size {size}, length {len}");
            }
        }
    }
}
