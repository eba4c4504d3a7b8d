//! The array as its chunks hold it: text as its characters or references, each a dimension or element of its own.

use crate::chunk_codec::ChunkSpec;
use crate::error::FormatError;
use firn_model::array::{Array, ArraySubset, ChunkGrid, Endian, FillValue, StoredAs};
use firn_model::diagnose::At;

/// Bytes of a character of UTF-32.
pub(super) const UTF32: usize = 4;

/// Shape, chunk shape and elements as stored. Differs from the metadata for text only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLayout {
    /// Extent of each stored dimension: that of the array, and the characters of a text where they are a dimension.
    pub shape: Vec<u64>,
    /// Extent of a chunk in each stored dimension.
    pub chunk_shape: Vec<u64>,
    /// Bytes of a stored element.
    pub element_size: usize,
    /// Little-endian bytes of the element that empty chunks consist of.
    pub fill_value: Vec<u8>,
}

impl StoredLayout {
    /// The layout of this array.
    ///
    /// # Errors
    /// [`FormatError::Bug`] for an irregular grid and for text without stored elements of fixed size (`vlen-utf8`).
    pub fn of(array: &Array, at: &At) -> Result<Self, FormatError> {
        let mut shape = array.metadata.shape.clone();
        let mut chunk_shape = regular(array, at)?.to_vec();
        let element_size =
            match array.stored_as {
                StoredAs::Elements => array.metadata.data_type.size().ok_or_else(|| {
                    FormatError::bug(at, "text of variable length has no stored elements of fixed size")
                })?,
                StoredAs::CharDimension { length, chunk_length } => {
                    shape.push(length);
                    chunk_shape.push(chunk_length.max(1));
                    1
                }
                StoredAs::FixedText { length } => length,
                StoredAs::FixedUtf32 { length, .. } => length.saturating_mul(UTF32),
                StoredAs::Hdf5VlenText { offset_size } => 8 + usize::from(offset_size),
            };
        let fill_value = fill(array, element_size);
        Ok(Self { shape, chunk_shape, element_size, fill_value })
    }

    /// What a chunk is once decoded.
    pub fn chunk_spec(&self) -> ChunkSpec<'_> {
        ChunkSpec { shape: &self.chunk_shape, element_size: self.element_size, fill_value: &self.fill_value }
    }

    /// The grid of stored chunks.
    pub fn chunk_grid(&self) -> ChunkGrid {
        ChunkGrid::regular(&self.chunk_shape)
    }

    /// The stored box of a box of the array: all characters of each text.
    #[must_use]
    pub fn stored_subset(&self, subset: &ArraySubset) -> ArraySubset {
        let mut stored = subset.clone();
        if let Some(characters) = self.shape.get(subset.shape.len()) {
            stored.start.push(0);
            stored.shape.push(*characters);
        }
        stored
    }
}

pub(super) fn regular<'a>(array: &'a Array, at: &At) -> Result<&'a [u64], FormatError> {
    let shape = array.metadata.chunk_grid.chunk_shape();
    let shape = shape.filter(|chunk| chunk.len() == array.metadata.shape.len());
    shape.ok_or_else(|| FormatError::bug(at, "only arrays on a regular grid of their own rank are read"))
}

/// One element of the fill value: of a text its first bytes, zeros after it; for references the null reference.
fn fill(array: &Array, element_size: usize) -> Vec<u8> {
    let mut element = match (&array.metadata.fill_value, array.stored_as) {
        (Some(FillValue::Fixed(bytes)), _) => bytes.clone(),
        (Some(FillValue::Text(text)), StoredAs::FixedUtf32 { endian, .. }) => {
            text.chars().flat_map(|c| utf32(c, endian)).collect()
        }
        (Some(FillValue::Text(_)), StoredAs::Hdf5VlenText { .. }) | (None, _) => Vec::new(),
        (Some(FillValue::Text(text)), _) => text.as_bytes().to_vec(),
    };
    element.resize(element_size, 0);
    element
}

fn utf32(character: char, endian: Endian) -> [u8; UTF32] {
    match endian {
        Endian::Little => u32::from(character).to_le_bytes(),
        Endian::Big => u32::from(character).to_be_bytes(),
    }
}
