//! Byte shuffle (HDF5 filter 2; `numcodecs.shuffle`; inside blosc): first all first bytes of the elements, then all second
//! bytes, …; a rest shorter than an element is kept at the end.

/// Undoes the shuffle into `out`, which has the same length.
pub(super) fn unshuffle(shuffled: &[u8], element_size: usize, out: &mut [u8]) {
    match element_size {
        // Less than one element: all of it is rest, however large a size a file claims.
        size if size > shuffled.len() => out.copy_from_slice(shuffled),
        0 | 1 => out.copy_from_slice(shuffled),
        2 => unshuffle_pairs(shuffled, out),
        4 => unshuffle_fixed::<4>(shuffled, out),
        8 => unshuffle_fixed::<8>(shuffled, out),
        size => unshuffle_any(shuffled, size, out),
    }
}

/// Shuffles into `out`, which has the same length.
pub(super) fn shuffle(data: &[u8], element_size: usize, out: &mut [u8]) {
    match element_size {
        size if size > data.len() => out.copy_from_slice(data),
        0 | 1 => out.copy_from_slice(data),
        2 => shuffle_fixed::<2>(data, out),
        4 => shuffle_fixed::<4>(data, out),
        8 => shuffle_fixed::<8>(data, out),
        size => shuffle_any(data, size, out),
    }
}

/// Written out for two planes, the compiler interleaves whole registers: eight times as fast as the general form.
fn unshuffle_pairs(shuffled: &[u8], out: &mut [u8]) {
    let (low, rest) = shuffled.split_at(shuffled.len() / 2);
    let (high, rest) = rest.split_at(low.len());
    let (pairs, end) = out.as_chunks_mut::<2>();
    for ((pair, low), high) in pairs.iter_mut().zip(low).zip(high) {
        *pair = [*low, *high];
    }
    end.copy_from_slice(rest);
}

/// Elements that are interleaved at a time: a constant trip count lets the compiler use its vector permutations.
const BATCH: usize = 32;

fn unshuffle_fixed<const S: usize>(shuffled: &[u8], out: &mut [u8]) {
    let count = shuffled.len() / S;
    let planes: [&[u8]; S] = std::array::from_fn(|byte| &shuffled[byte * count..(byte + 1) * count]);
    let (elements, rest) = out.as_chunks_mut::<S>();
    rest.copy_from_slice(&shuffled[count * S..]);
    let mut first = 0;
    let mut batches = elements.chunks_exact_mut(BATCH);
    for batch in batches.by_ref() {
        let columns: [&[u8]; S] = std::array::from_fn(|byte| &planes[byte][first..first + BATCH]);
        for (i, element) in batch.iter_mut().enumerate() {
            *element = std::array::from_fn(|byte| columns[byte][i]);
        }
        first += BATCH;
    }
    for (i, element) in batches.into_remainder().iter_mut().enumerate() {
        *element = std::array::from_fn(|byte| planes[byte][first + i]);
    }
}

fn shuffle_fixed<const S: usize>(data: &[u8], out: &mut [u8]) {
    let (elements, rest) = data.as_chunks::<S>();
    let count = elements.len();
    let (planes, tail) = out.split_at_mut(count * S);
    tail.copy_from_slice(rest);
    if count == 0 {
        return;
    }
    for (byte, plane) in planes.chunks_exact_mut(count).enumerate() {
        for (to, element) in plane.iter_mut().zip(elements) {
            *to = element[byte];
        }
    }
}

fn unshuffle_any(shuffled: &[u8], size: usize, out: &mut [u8]) {
    let count = shuffled.len() / size;
    for byte in 0..size {
        let plane = &shuffled[byte * count..(byte + 1) * count];
        for (element, from) in out.chunks_exact_mut(size).zip(plane) {
            element[byte] = *from;
        }
    }
    out[count * size..].copy_from_slice(&shuffled[count * size..]);
}

fn shuffle_any(data: &[u8], size: usize, out: &mut [u8]) {
    let count = data.len() / size;
    for byte in 0..size {
        let plane = &mut out[byte * count..(byte + 1) * count];
        for (to, element) in plane.iter_mut().zip(data.chunks_exact(size)) {
            *to = element[byte];
        }
    }
    out[count * size..].copy_from_slice(&data[count * size..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_come_in_byte_order_and_a_rest_stays_at_the_end() {
        let data = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        let mut out = [0; 9];
        shuffle(&data, 4, &mut out);
        assert_eq!(out, [1, 5, 2, 6, 3, 7, 4, 8, 9]);
    }

    #[test]
    fn every_size_round_trips() {
        for size in [0, 1, 2, 3, 4, 5, 8, 12, 16, 300, usize::MAX] {
            for len in [0usize, 1, 7, 8, 63, 64, 257, 1031] {
                let data: Vec<u8> = (0..len).map(|i| (i * 37 % 251) as u8).collect();
                let (mut there, mut back) = (vec![0; len], vec![0; len]);
                shuffle(&data, size, &mut there);
                unshuffle(&there, size, &mut back);
                assert_eq!(back, data, "size {size}, length {len}");
            }
        }
    }
}
