//! From boxes of source arrays to boxes of target units.

use crate::error::EngineError;
use firn_formats::box_copy::BoxCopy;
use firn_model::array::{ArraySubset, Elements, Values};
use firn_model::combine::Piece;

/// The box of the piece's source array that fills this box of the target.
pub(crate) fn source_box(piece: &Piece, target: &ArraySubset, axes: &[Option<usize>]) -> ArraySubset {
    let mut source = piece.source.clone();
    for (axis, mapped) in axes.iter().enumerate() {
        if let Some(t) = mapped {
            source.start[axis] += target.start[*t] - piece.target.start[*t];
            source.shape[axis] = target.shape[*t];
        }
    }
    source
}

/// The box of the target that this box of the piece's source array fills.
pub(crate) fn target_box(piece: &Piece, source: &ArraySubset, axes: &[Option<usize>]) -> ArraySubset {
    let mut target = piece.target.clone();
    for (axis, mapped) in axes.iter().enumerate() {
        if let Some(t) = mapped {
            target.start[*t] = piece.target.start[*t] + (source.start[axis] - piece.source.start[axis]);
            target.shape[*t] = source.shape[axis];
        }
    }
    target
}

/// Both sides of a copy in the same number of dimensions: new dimensions of the target come first, dropped dimensions of
/// the source stay where they are with length one. Neither is ever moved past another, so both stay in C order.
pub(super) struct Aligned {
    pub src_shape: Vec<u64>,
    pub src_start: Vec<u64>,
    pub dst_shape: Vec<u64>,
    pub dst_start: Vec<u64>,
    pub shape: Vec<u64>,
}

impl Aligned {
    /// `src` is the buffer's box in the source array, `dst` that in the target; `source` and `target` are the boxes to copy.
    pub fn new(
        axes: &[Option<usize>],
        src: &ArraySubset,
        source: &ArraySubset,
        dst: &ArraySubset,
        target: &ArraySubset,
    ) -> Self {
        let mut aligned =
            Self { src_shape: vec![], src_start: vec![], dst_shape: vec![], dst_start: vec![], shape: vec![] };
        let mut next_target = 0;
        for (axis, mapped) in axes.iter().enumerate() {
            let until = mapped.unwrap_or(next_target);
            for t in next_target..until {
                aligned.push(1, 0, dst.shape[t], target.start[t] - dst.start[t], target.shape[t]);
            }
            next_target = until;
            let (src_extent, src_start) = (src.shape[axis], source.start[axis] - src.start[axis]);
            match mapped {
                Some(t) => {
                    aligned.push(
                        src_extent,
                        src_start,
                        dst.shape[*t],
                        target.start[*t] - dst.start[*t],
                        source.shape[axis],
                    );
                    next_target = t + 1;
                }
                None => aligned.push(src_extent, src_start, 1, 0, 1),
            }
        }
        for t in next_target..dst.shape.len() {
            aligned.push(1, 0, dst.shape[t], target.start[t] - dst.start[t], target.shape[t]);
        }
        aligned
    }

    fn push(&mut self, src_shape: u64, src_start: u64, dst_shape: u64, dst_start: u64, shape: u64) {
        self.src_shape.push(src_shape);
        self.src_start.push(src_start);
        self.dst_shape.push(dst_shape);
        self.dst_start.push(dst_start);
        self.shape.push(shape);
    }

    pub fn copy(&self) -> BoxCopy<'_> {
        BoxCopy {
            src_shape: &self.src_shape,
            src_start: &self.src_start,
            dst_shape: &self.dst_shape,
            dst_start: &self.dst_start,
            shape: &self.shape,
        }
    }
}

/// A box of values.
pub(crate) fn part_of(values: &Values, subset: &ArraySubset) -> Result<Values, EngineError> {
    let zero = vec![0; subset.shape.len()];
    let copy = BoxCopy {
        src_shape: &values.shape,
        src_start: &subset.start,
        dst_shape: &subset.shape,
        dst_start: &zero,
        shape: &subset.shape,
    };
    let outside = || EngineError::bug(format!("{subset:?} lies outside of {:?}", values.shape));
    let count = subset.num_elements().ok_or_else(outside)? as usize;
    let elements = match &values.elements {
        Elements::Fixed(bytes) => {
            let size = values.data_type.size().unwrap_or(1);
            let mut part = vec![0; count * size];
            copy.copy_bytes(bytes, &mut part, size).ok_or_else(outside)?;
            Elements::Fixed(part)
        }
        Elements::Text(texts) => {
            let mut part = vec![String::new(); count];
            copy.take(&mut texts.clone(), &mut part).ok_or_else(outside)?;
            Elements::Text(part)
        }
    };
    Ok(Values { data_type: values.data_type, shape: subset.shape.clone(), elements })
}
