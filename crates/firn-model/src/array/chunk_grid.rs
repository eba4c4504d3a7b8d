//! Chunk arithmetic: the one home of how shapes, chunks and indices relate.

/// A box of elements: `start[i] .. start[i] + shape[i]` in each dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ArraySubset {
    /// First index in each dimension.
    pub start: Vec<u64>,
    /// Extent in each dimension.
    pub shape: Vec<u64>,
}

impl ArraySubset {
    /// The whole of an array of this shape.
    pub fn whole(shape: &[u64]) -> Self {
        Self { start: vec![0; shape.len()], shape: shape.to_vec() }
    }

    /// Number of elements; `None` where it overflows 64 bits.
    pub fn num_elements(&self) -> Option<u64> {
        product(&self.shape)
    }

    /// One past the last index of dimension `axis`.
    pub fn end(&self, axis: usize) -> u64 {
        self.start[axis].saturating_add(self.shape[axis])
    }

    /// What both boxes share; `None` where they share nothing.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let mut start = Vec::with_capacity(self.start.len());
        let mut shape = Vec::with_capacity(self.start.len());
        for axis in 0..self.start.len() {
            let first = self.start[axis].max(other.start[axis]);
            let end = self.end(axis).min(other.end(axis));
            if first >= end {
                return None;
            }
            start.push(first);
            shape.push(end - first);
        }
        Some(Self { start, shape })
    }

    /// This box, counted from `origin` instead of from zero.
    #[must_use]
    pub fn relative_to(&self, origin: &[u64]) -> Self {
        Self {
            start: self.start.iter().zip(origin).map(|(s, o)| s.saturating_sub(*o)).collect(),
            shape: self.shape.clone(),
        }
    }
}

/// The product of the extents; `None` where it overflows 64 bits. The product of none is 1 (a scalar).
pub fn product(shape: &[u64]) -> Option<u64> {
    shape.iter().try_fold(1u64, |n, extent| n.checked_mul(*extent))
}

/// The position of a chunk in its grid, one index a dimension.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct ChunkIndices(pub Vec<u64>);

/// How an array is cut into chunks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ChunkGrid {
    /// Every chunk has this shape; those at the end may stick out of the array.
    Regular {
        /// Shape of a chunk; every extent at least 1.
        chunk_shape: Vec<u64>,
    },
    /// Chunks of differing extents (decision: only for combining and for error texts, never written).
    Rectilinear {
        /// Extents of the chunks along each dimension; they add up to the shape of the array.
        extents: Vec<Vec<u64>>,
    },
}

impl ChunkGrid {
    /// A regular grid; extents of 0 (a dimension of length 0) count as 1.
    pub fn regular(chunk_shape: &[u64]) -> Self {
        Self::Regular { chunk_shape: chunk_shape.iter().map(|c| (*c).max(1)).collect() }
    }

    /// The shape of every chunk, where the grid is regular.
    pub fn chunk_shape(&self) -> Option<&[u64]> {
        match self {
            Self::Regular { chunk_shape } => Some(chunk_shape),
            Self::Rectilinear { .. } => None,
        }
    }

    /// Number of chunks along each dimension of an array of this shape.
    pub fn grid_shape(&self, shape: &[u64]) -> Vec<u64> {
        match self {
            Self::Regular { chunk_shape } => {
                shape.iter().zip(chunk_shape).map(|(extent, chunk)| extent.div_ceil((*chunk).max(1))).collect()
            }
            Self::Rectilinear { extents } => extents.iter().map(|e| e.len() as u64).collect(),
        }
    }

    /// Number of chunks of an array of this shape; `None` where it overflows 64 bits.
    pub fn num_chunks(&self, shape: &[u64]) -> Option<u64> {
        product(&self.grid_shape(shape))
    }

    /// The box of elements of this chunk, cut at the end of the array; `None` for indices outside of the grid.
    pub fn chunk_subset(&self, indices: &ChunkIndices, shape: &[u64]) -> Option<ArraySubset> {
        if indices.0.len() != shape.len() {
            return None;
        }
        let mut start = Vec::with_capacity(shape.len());
        let mut extent = Vec::with_capacity(shape.len());
        for (axis, index) in indices.0.iter().enumerate() {
            let (first, length) = match self {
                Self::Regular { chunk_shape } => (index.checked_mul(chunk_shape[axis])?, chunk_shape[axis]),
                Self::Rectilinear { extents } => {
                    let all = extents.get(axis)?;
                    let position = usize::try_from(*index).ok()?;
                    (all.get(..position)?.iter().sum(), *all.get(position)?)
                }
            };
            if first >= shape[axis] {
                return None;
            }
            start.push(first);
            extent.push(length.min(shape[axis] - first));
        }
        Some(ArraySubset { start, shape: extent })
    }

    /// The indices of the chunks that share elements with this box, in C order. Regular grids only; others give none.
    pub fn chunks_in(&self, subset: &ArraySubset) -> Vec<ChunkIndices> {
        let Self::Regular { chunk_shape } = self else { return Vec::new() };
        if subset.shape.contains(&0) {
            return Vec::new();
        }
        let first: Vec<u64> = subset.start.iter().zip(chunk_shape).map(|(s, c)| s / c).collect();
        let count: Vec<u64> = (0..first.len()).map(|a| (subset.end(a) - 1) / chunk_shape[a] - first[a] + 1).collect();
        indices_of(&count)
            .map(|relative| ChunkIndices(relative.0.iter().zip(&first).map(|(r, f)| r + f).collect()))
            .collect()
    }
}

/// Every position of a grid of this shape, in C order (the last dimension runs fastest).
pub fn indices_of(grid_shape: &[u64]) -> impl Iterator<Item = ChunkIndices> + use<> {
    let shape = grid_shape.to_vec();
    let total = product(&shape).unwrap_or(u64::MAX);
    (0..total).map(move |linear| from_linear(linear, &shape))
}

/// The C-order number of a position in a grid of this shape; `None` outside of it.
pub fn to_linear(indices: &ChunkIndices, grid_shape: &[u64]) -> Option<u64> {
    if indices.0.len() != grid_shape.len() {
        return None;
    }
    let mut linear = 0u64;
    for (index, extent) in indices.0.iter().zip(grid_shape) {
        if index >= extent {
            return None;
        }
        linear = linear.checked_mul(*extent)?.checked_add(*index)?;
    }
    Some(linear)
}

/// The position with this C-order number in a grid of this shape (every extent at least 1).
pub fn from_linear(mut linear: u64, grid_shape: &[u64]) -> ChunkIndices {
    let mut indices = vec![0; grid_shape.len()];
    for axis in (0..grid_shape.len()).rev() {
        let extent = grid_shape[axis].max(1);
        indices[axis] = linear % extent;
        linear /= extent;
    }
    ChunkIndices(indices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_chunk_may_be_partial() {
        let grid = ChunkGrid::regular(&[2, 3]);
        assert_eq!(grid.grid_shape(&[5, 3]), vec![3, 1]);
        let subset = grid.chunk_subset(&ChunkIndices(vec![2, 0]), &[5, 3]).unwrap();
        assert_eq!(subset, ArraySubset { start: vec![4, 0], shape: vec![1, 3] });
        assert_eq!(grid.chunk_subset(&ChunkIndices(vec![3, 0]), &[5, 3]), None);
    }

    #[test]
    fn a_scalar_has_one_chunk() {
        let grid = ChunkGrid::regular(&[]);
        assert_eq!(grid.num_chunks(&[]), Some(1));
        assert_eq!(indices_of(&[]).collect::<Vec<_>>(), vec![ChunkIndices(vec![])]);
    }

    #[test]
    fn an_empty_dimension_has_no_chunk() {
        assert_eq!(ChunkGrid::regular(&[0, 4]).num_chunks(&[0, 8]), Some(0));
    }

    #[test]
    fn chunks_in_a_box_are_those_that_overlap_it() {
        let grid = ChunkGrid::regular(&[2, 2]);
        let found = grid.chunks_in(&ArraySubset { start: vec![1, 2], shape: vec![2, 1] });
        assert_eq!(found, vec![ChunkIndices(vec![0, 1]), ChunkIndices(vec![1, 1])]);
    }

    #[test]
    fn linear_numbers_round_trip() {
        let shape = [3, 4, 5];
        for linear in 0..60 {
            assert_eq!(to_linear(&from_linear(linear, &shape), &shape), Some(linear));
        }
    }
}
