//! `transpose` (Zarr v3 core codec): stored dimension `i` is dimension `order[i]` of the array.

use crate::error::FormatError;
use firn_model::diagnose::At;

/// The shape in the stored order, or an error where `order` is no permutation of the dimensions.
pub(super) fn stored_shape(shape: &[u64], order: &[usize], at: &At) -> Result<Vec<u64>, FormatError> {
    let mut seen = vec![false; shape.len()];
    for axis in order {
        match seen.get_mut(*axis) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(wrong(order, shape, at)),
        }
    }
    if order.len() != shape.len() {
        return Err(wrong(order, shape, at));
    }
    Ok(order.iter().map(|axis| shape[*axis]).collect())
}

fn wrong(order: &[usize], shape: &[u64], at: &At) -> FormatError {
    FormatError::corrupt(at, format!("the order {order:?} is not one of the {} dimensions", shape.len()))
}

/// The order that undoes this one.
pub(super) fn inverse(order: &[usize]) -> Vec<usize> {
    let mut inverse = vec![0; order.len()];
    for (position, axis) in order.iter().enumerate() {
        inverse[*axis] = position;
    }
    inverse
}

/// Elements of an array of this shape, rearranged so that dimension `i` of the result is dimension `order[i]`.
pub(super) fn permute(data: &[u8], shape: &[u64], order: &[usize], element_size: usize, out: &mut [u8]) {
    let mut strides = vec![element_size; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as usize;
    }
    let extents: Vec<usize> = order.iter().map(|axis| shape[*axis] as usize).collect();
    let steps: Vec<usize> = order.iter().map(|axis| strides[*axis]).collect();
    let mut index = vec![0usize; shape.len()];
    let mut from = 0usize;
    for to in out.chunks_exact_mut(element_size) {
        to.copy_from_slice(&data[from..from + element_size]);
        for axis in (0..extents.len()).rev() {
            index[axis] += 1;
            from += steps[axis];
            if index[axis] < extents[axis] {
                break;
            }
            from -= steps[axis] * extents[axis];
            index[axis] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_stored_by_columns() {
        let mut out = [0u8; 6];
        permute(&[1, 2, 3, 4, 5, 6], &[2, 3], &[1, 0], 1, &mut out);
        assert_eq!(out, [1, 4, 2, 5, 3, 6]);
    }

    #[test]
    fn a_repeated_or_missing_dimension_is_refused() {
        let at = At::nowhere();
        assert!(stored_shape(&[2, 3], &[1, 1], &at).is_err());
        assert!(stored_shape(&[2, 3], &[0], &at).is_err());
        assert!(stored_shape(&[2, 3], &[0, 2], &at).is_err());
        assert_eq!(stored_shape(&[2, 3], &[1, 0], &at).unwrap(), [3, 2]);
    }
}
