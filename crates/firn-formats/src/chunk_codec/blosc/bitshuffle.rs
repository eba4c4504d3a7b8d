//! Bit shuffle: for each byte of the element and each bit of it, lowest first, the bits of all elements in a row.
//!
//! c-blosc 1 filters a block only where its count of elements is a multiple of eight; other blocks are stored as they are.

/// Undoes the shuffle into `out`, which has the same length.
pub(super) fn unshuffle(shuffled: &[u8], element_size: usize, out: &mut [u8]) {
    let Some((count, body)) = layout(shuffled.len(), element_size) else {
        out.copy_from_slice(shuffled);
        return;
    };
    out[body..].copy_from_slice(&shuffled[body..]);
    let row = count / 8;
    for byte in 0..element_size {
        let rows = &shuffled[byte * count..(byte + 1) * count];
        for group in 0..row {
            let packed: [u8; 8] = std::array::from_fn(|bit| rows[bit * row + group]);
            let transposed = transpose(u64::from_le_bytes(packed)).to_le_bytes();
            let first = group * 8 * element_size + byte;
            for (i, value) in transposed.iter().enumerate() {
                out[first + i * element_size] = *value;
            }
        }
    }
}

/// Shuffles into `out`, which has the same length.
pub(super) fn shuffle(data: &[u8], element_size: usize, out: &mut [u8]) {
    let Some((count, body)) = layout(data.len(), element_size) else {
        out.copy_from_slice(data);
        return;
    };
    out[body..].copy_from_slice(&data[body..]);
    let row = count / 8;
    for byte in 0..element_size {
        let rows = &mut out[byte * count..(byte + 1) * count];
        for group in 0..row {
            let first = group * 8 * element_size + byte;
            let elements: [u8; 8] = std::array::from_fn(|i| data[first + i * element_size]);
            let transposed = transpose(u64::from_le_bytes(elements)).to_le_bytes();
            for (bit, value) in transposed.iter().enumerate() {
                rows[bit * row + group] = *value;
            }
        }
    }
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
