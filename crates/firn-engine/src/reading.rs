//! Reading a box of a combined array from its sources: for verification, apart from the way it was written.

use crate::error::EngineError;
use crate::execute::{OpenSource, source_box, target_box};
use firn_formats::TextEncoding;
use firn_formats::box_copy::{BoxCopy, fill};
use firn_model::array::{ArraySubset, DataType, Elements, FillValue, Values};
use firn_model::combine::{Combined, CombinedContent};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;

/// The values of a box; what no file covers is the array's fill value.
///
/// # Errors
/// What reading the sources says.
pub fn read_combined_box(
    combined: &Combined,
    sources: &[OpenSource],
    path: &NodePath,
    subset: &ArraySubset,
    encoding: TextEncoding,
) -> Result<Values, EngineError> {
    let array = combined.arrays.get(path).ok_or_else(|| EngineError::bug(format!("{path} is not combined")))?;
    let pieces = match &array.content {
        CombinedContent::Values(values) => return crate::execute::part_of(values, subset),
        CombinedContent::Pieces(pieces) => pieces,
    };
    let mut out = filled(array.metadata.data_type, array.metadata.fill_value.as_ref(), subset)?;
    for piece in pieces {
        let Some(target) = piece.target.intersection(subset) else { continue };
        let wanted = source_box(piece, &target, &array.axes);
        let facts = &combined.files[piece.file as usize];
        let source = facts
            .dataset
            .array(&array.source_path)
            .ok_or_else(|| EngineError::bug(format!("{path} is not in {}", facts.url)))?;
        let at = At::url(&facts.url).node(array.source_path.as_str());
        let open = &sources[piece.file as usize];
        let values = firn_formats::read_subset(open.source.as_ref(), source, &wanted, encoding, &at)?;
        // Dropped and new dimensions have length one, so the elements of both boxes stand in the same order.
        put(&mut out, values, &target, subset)?;
    }
    Ok(out)
}

/// Values of a file that are compared whatever its chunks are: where they hold a value each, one of them would prove nothing.
const FEW: u64 = 4096;

/// The part of a box that one source chunk holds, or one file where that is `FEW` values: to look into a box without reading
/// all of its sources. `draw` says which one; the whole box where no file holds any of it.
pub fn part_in_one_source_chunk(combined: &Combined, path: &NodePath, subset: &ArraySubset, draw: u64) -> ArraySubset {
    let part = || {
        let array = combined.arrays.get(path)?;
        let CombinedContent::Pieces(pieces) = &array.content else { return None };
        let shared: Vec<_> = pieces.iter().filter_map(|p| Some((p, p.target.intersection(subset)?))).collect();
        let (piece, target) = shared.get(draw.checked_rem(shared.len() as u64)? as usize)?;
        if target.num_elements()? <= FEW {
            return Some(target.clone());
        }
        let wanted = source_box(piece, target, &array.axes);
        let source = &combined.files[piece.file as usize].dataset.array(&array.source_path)?.metadata;
        let chunks = source.chunk_grid.chunks_in(&wanted);
        let chunk = chunks.get(draw.checked_rem(chunks.len() as u64)? as usize)?;
        let inside = source.chunk_grid.chunk_subset(chunk, &source.shape)?.intersection(&wanted)?;
        Some(target_box(piece, &inside, &array.axes))
    };
    part().unwrap_or_else(|| subset.clone())
}

fn filled(data_type: DataType, fill_value: Option<&FillValue>, subset: &ArraySubset) -> Result<Values, EngineError> {
    let count = subset.num_elements().ok_or_else(|| EngineError::bug("a box of more than 2^64 elements"))? as usize;
    let elements = match (data_type.size(), fill_value) {
        (None, Some(FillValue::Text(text))) => Elements::Text(vec![text.clone(); count]),
        (None, _) => Elements::Text(vec![String::new(); count]),
        (Some(size), fill_value) => {
            let mut bytes = vec![0; count * size];
            if let Some(FillValue::Fixed(element)) = fill_value {
                fill(&mut bytes, element);
            }
            Elements::Fixed(bytes)
        }
    };
    Ok(Values { data_type, shape: subset.shape.clone(), elements })
}

fn put(out: &mut Values, values: Values, target: &ArraySubset, subset: &ArraySubset) -> Result<(), EngineError> {
    let zero = vec![0; target.shape.len()];
    let inside = target.relative_to(&subset.start);
    let copy = BoxCopy {
        src_shape: &target.shape,
        src_start: &zero,
        dst_shape: &subset.shape,
        dst_start: &inside.start,
        shape: &target.shape,
    };
    let done = match (values.elements, &mut out.elements) {
        (Elements::Fixed(from), Elements::Fixed(to)) => copy.copy_bytes(&from, to, out.data_type.size().unwrap_or(1)),
        (Elements::Text(mut from), Elements::Text(to)) => copy.take(&mut from, to),
        _ => None,
    };
    done.ok_or_else(|| EngineError::bug("a box does not fit the place it belongs to"))
}
