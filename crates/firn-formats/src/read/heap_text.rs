//! Text in the global heap of HDF5 files: chunks hold references, which mean something in their own file only.

use super::fetch;
use super::locate::{ChunkLocation, chunk_location};
use super::text::{TextEncoding, count, decode_all};
use super::{StoredLayout, elements};
use crate::box_copy::BoxCopy;
use crate::error::FormatError;
use crate::hdf5;
use firn_model::array::{Array, ArraySubset, ChunkIndices, ChunkManifest, FillValue, SourceObject};
use firn_model::diagnose::At;
use firn_model::source::Source;

/// The texts of a box.
pub(super) fn read(
    source: &dyn Source,
    array: &Array,
    subset: &ArraySubset,
    offset_size: u8,
    encoding: TextEncoding,
    at: &At,
) -> Result<Vec<String>, FormatError> {
    let layout = StoredLayout::of(array, at)?;
    let mut out = vec![String::new(); count(subset, at)?];
    if out.is_empty() {
        return Ok(out);
    }
    for (object, part) in parts(array, &layout, subset, at)? {
        let mut texts = match object {
            Some(object) => {
                let references = elements::read(source, array, &layout, &part, at)?;
                let reader = fetch::open(source, object)?;
                let texts = hdf5::read_vlen_text(reader.as_ref(), at, &references, offset_size)?;
                decode_all(texts.iter().map(Vec::as_slice), encoding.of(array), &part, at)?
            }
            None => vec![fill(array); count(&part, at)?],
        };
        let copy = BoxCopy {
            src_shape: &part.shape,
            src_start: &vec![0; part.shape.len()],
            dst_shape: &subset.shape,
            dst_start: &part.relative_to(&subset.start).start,
            shape: &part.shape,
        };
        copy.take(&mut texts, &mut out).ok_or_else(|| FormatError::bug(at, "a chunk does not fit the box"))?;
    }
    Ok(out)
}

fn fill(array: &Array) -> String {
    match &array.metadata.fill_value {
        Some(FillValue::Text(text)) => text.clone(),
        _ => String::new(),
    }
}

/// The box in parts of one file each: all of it where there is one file and no empty chunk, else chunk by chunk. `None` is
/// a part that is empty.
fn parts<'a>(
    array: &'a Array,
    layout: &StoredLayout,
    subset: &ArraySubset,
    at: &At,
) -> Result<Vec<(Option<&'a SourceObject>, ArraySubset)>, FormatError> {
    let grid = layout.chunk_grid();
    let mut parts: Vec<(Option<&SourceObject>, ArraySubset)> = Vec::new();
    for indices in grid.chunks_in(subset) {
        let object = object_of(array, &indices, at)?;
        let chunk = grid.chunk_subset(&indices, &layout.shape);
        let shared = chunk.and_then(|chunk| chunk.intersection(subset));
        parts.push((object, shared.ok_or_else(|| FormatError::bug(at, "a chunk outside of the box"))?));
    }
    match parts.first() {
        Some((Some(first), _)) if parts.iter().all(|(object, _)| *object == Some(*first)) => {
            Ok(vec![(Some(*first), subset.clone())])
        }
        _ => Ok(parts),
    }
}

fn object_of<'a>(array: &'a Array, indices: &ChunkIndices, at: &At) -> Result<Option<&'a SourceObject>, FormatError> {
    match (chunk_location(array, indices, at)?, &array.manifest) {
        (ChunkLocation::Range { object, .. }, _) => Ok(Some(object)),
        (ChunkLocation::Empty, _) => Ok(None),
        (ChunkLocation::Inline(_), ChunkManifest::Table(table)) if table.objects().len() == 1 => {
            Ok(table.objects().first())
        }
        _ => {
            let what = "references to text that do not say which file they are of are not read";
            Err(FormatError::unsupported("unsupported-vlen-text", at, what))
        }
    }
}
