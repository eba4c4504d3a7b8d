//! Elements of a box of an array, whatever the format and the layout of its chunks.

mod elements;
mod encoded;
mod fetch;
mod heap_text;
mod layout;
mod locate;
mod text;

pub use encoded::{EncodedChunk, encoded_chunk};
pub use layout::StoredLayout;
pub use locate::{ChunkLocation, chunk_location, decode_stored_chunk};
pub use text::TextEncoding;

use crate::error::FormatError;
use firn_model::array::{Array, ArraySubset, DataType, Elements, StoredAs, Values};
use firn_model::diagnose::At;
use firn_model::source::Source;

/// The most that is read at once, bytes: a file may claim any shape. Read larger arrays in parts.
pub const MAX_READ_BYTES: u64 = 1 << 33;

/// Reads a box of an array. `source` is the one that the dataset was opened from; chunks in other objects are reached
/// through [`Source::sibling`]. `at` names object and node in errors.
///
/// All ranges of one object are asked for in one call; of uncompressed chunks only the bytes of the box, of shards only the
/// inner chunks that it touches. Chunks that are known to be empty give the fill value, or zero where there is none.
///
/// # Errors
/// [`FormatError::MissingChunk`] for a chunk of which nothing is known, [`FormatError::InvalidText`] for text in another
/// encoding, [`FormatError::Limit`] for more than [`MAX_READ_BYTES`], and what decoding and the source say.
pub fn read_subset(
    source: &dyn Source,
    array: &Array,
    subset: &ArraySubset,
    encoding: TextEncoding,
    at: &At,
) -> Result<Values, FormatError> {
    check_subset(array, subset, at)?;
    let data_type = array.metadata.data_type;
    let elements = match array.stored_as {
        StoredAs::Elements if data_type == DataType::String => {
            Elements::Text(text::read_variable(source, array, subset, at)?)
        }
        StoredAs::Elements => {
            let layout = StoredLayout::of(array, at)?;
            Elements::Fixed(elements::read(source, array, &layout, subset, at)?)
        }
        StoredAs::Hdf5VlenText { offset_size } => {
            Elements::Text(heap_text::read(source, array, subset, offset_size, encoding, at)?)
        }
        _ => Elements::Text(text::read_stored(source, array, subset, encoding, at)?),
    };
    Ok(Values { data_type, shape: subset.shape.clone(), elements })
}

/// Reads a whole array.
///
/// # Errors
/// As [`read_subset`].
pub fn read_array(source: &dyn Source, array: &Array, encoding: TextEncoding, at: &At) -> Result<Values, FormatError> {
    read_subset(source, array, &ArraySubset::whole(&array.metadata.shape), encoding, at)
}

fn check_subset(array: &Array, subset: &ArraySubset, at: &At) -> Result<(), FormatError> {
    let shape = &array.metadata.shape;
    let same_rank = subset.start.len() == shape.len() && subset.shape.len() == shape.len();
    let inside = |axis: usize| subset.start[axis].checked_add(subset.shape[axis]).is_some_and(|end| end <= shape[axis]);
    if !same_rank || !(0..shape.len()).all(inside) {
        let what = format!("the box {:?} + {:?} is not within the shape {shape:?}", subset.start, subset.shape);
        return Err(FormatError::bug(at, what));
    }
    Ok(())
}
