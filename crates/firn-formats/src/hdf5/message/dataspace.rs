//! Dataspace message: the shape ("IV.A.2.b").

use crate::FormatError;
use crate::hdf5::cursor::Cursor;
use crate::hdf5::limits;

/// The extents of a dataset or attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::hdf5) enum Dataspace {
    /// No elements at all, and no shape either.
    Null,
    /// A scalar (no dimensions) or an array.
    Simple {
        /// Extent of each dimension.
        shape: Vec<u64>,
        /// Greatest extent of each dimension; `None`: unlimited.
        max_shape: Vec<Option<u64>>,
    },
}

impl Dataspace {
    /// Extent of each dimension; none for a scalar and for a null dataspace.
    pub fn shape(&self) -> &[u64] {
        match self {
            Self::Null => &[],
            Self::Simple { shape, .. } => shape,
        }
    }

    /// Number of elements; `None` where it overflows.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Null => Some(0),
            Self::Simple { shape, .. } => firn_model::array::chunk_grid::product(shape),
        }
    }
}

/// Parses the message.
pub(in crate::hdf5) fn parse(cursor: &mut Cursor<'_>) -> Result<Dataspace, FormatError> {
    let version = cursor.version(&[1, 2])?;
    let rank = usize::from(cursor.u8()?);
    let flags = cursor.u8()?;
    let kind = cursor.u8()?; // reserved in version 1
    if version == 1 {
        cursor.skip(4)?;
    }
    if rank > limits::RANK {
        return Err(cursor.corrupt(format_args!("{rank} dimensions, of which HDF5 allows {}", limits::RANK)));
    }
    if version == 2 && kind == 2 {
        return Ok(Dataspace::Null);
    }
    let mut shape = Vec::with_capacity(rank);
    for _ in 0..rank {
        shape.push(cursor.length()?);
    }
    let mut max_shape: Vec<Option<u64>> = shape.iter().copied().map(Some).collect();
    if flags & 0x01 != 0 {
        let unlimited = u64::MAX >> (64 - 8 * u32::from(cursor.sizes().length));
        for (extent, max) in shape.iter().zip(&mut max_shape) {
            let read = cursor.length()?;
            *max = (read != unlimited).then_some(read);
            if max.is_some_and(|max| max < *extent) {
                return Err(cursor.corrupt(format_args!("an extent of {extent} is greater than its maximum {read}")));
            }
        }
    }
    Ok(Dataspace::Simple { shape, max_shape })
}
