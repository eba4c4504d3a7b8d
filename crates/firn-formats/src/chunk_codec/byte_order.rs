//! Byte order of elements.

/// Reverses the bytes of every element in place; elements of one byte, and a rest shorter than an element, stay.
pub fn swap_bytes(bytes: &mut [u8], element_size: usize) {
    match element_size {
        0 | 1 => {}
        2 => {
            for element in bytes.as_chunks_mut::<2>().0 {
                *element = u16::from_ne_bytes(*element).swap_bytes().to_ne_bytes();
            }
        }
        4 => {
            for element in bytes.as_chunks_mut::<4>().0 {
                *element = u32::from_ne_bytes(*element).swap_bytes().to_ne_bytes();
            }
        }
        8 => {
            for element in bytes.as_chunks_mut::<8>().0 {
                *element = u64::from_ne_bytes(*element).swap_bytes().to_ne_bytes();
            }
        }
        size => bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_is_reversed_and_a_rest_stays() {
        for size in [1usize, 2, 3, 4, 8] {
            let original: Vec<u8> = (0..(3 * size + size - 1) as u8).collect();
            let mut swapped = original.clone();
            swap_bytes(&mut swapped, size);
            for element in 0..3 {
                let range = element * size..(element + 1) * size;
                let reversed: Vec<u8> = original[range.clone()].iter().rev().copied().collect();
                assert_eq!(swapped[range], reversed);
            }
            assert_eq!(swapped[3 * size..], original[3 * size..]);
        }
    }
}
