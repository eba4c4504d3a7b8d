//! What is known of an array apart from where its bytes are.

use super::values::{Elements, Values};
use super::{Attributes, ChunkGrid, ChunkManifest, CodecMetadata, DataType, Endian};

/// The value of elements of chunks that were never written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum FillValue {
    /// Little-endian bytes of one element.
    Fixed(Vec<u8>),
    /// A text.
    Text(String),
}

impl FillValue {
    /// Zero, or the empty text.
    pub fn zero(data_type: DataType) -> Self {
        match data_type.size() {
            Some(size) => Self::Fixed(vec![0; size]),
            None => Self::Text(String::new()),
        }
    }

    /// For people: the number or text of an element of this type.
    pub fn display(&self, data_type: DataType) -> String {
        match self {
            Self::Fixed(bytes) => {
                Values { data_type, shape: Vec::new(), elements: Elements::Fixed(bytes.clone()) }.display(0)
            }
            Self::Text(text) => format!("{text:?}"),
        }
    }
}

/// Metadata of an array, in Zarr v3's words.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayMetadata {
    /// Extent of each dimension.
    pub shape: Vec<u64>,
    /// Type of an element.
    pub data_type: DataType,
    /// How it is cut into chunks.
    pub chunk_grid: ChunkGrid,
    /// The value of unwritten elements, where the format has one (HDF5 fill value, Zarr `fill_value`; in NetCDF-3
    /// alone the attribute `_FillValue`, else the default of the type).
    pub fill_value: Option<FillValue>,
    /// How stored bytes become elements, in encoding order.
    pub codecs: Vec<CodecMetadata>,
    /// Name of each dimension.
    pub dimension_names: Vec<String>,
    /// Attributes, without those that only carry the format's own bookkeeping (`DIMENSION_LIST`, `_ARRAY_DIMENSIONS`, …).
    pub attributes: Attributes,
}

impl ArrayMetadata {
    /// Bytes of all elements decoded; for text, of the pointers only. Saturates.
    pub fn decoded_bytes(&self) -> u64 {
        self.shape.iter().fold(self.data_type.size().unwrap_or(16) as u64, |n, extent| n.saturating_mul(*extent))
    }

    /// Position of the dimension with this name.
    pub fn axis(&self, name: &str) -> Option<usize> {
        self.dimension_names.iter().position(|n| n == name)
    }
}

/// What one stored element is, where it is not simply the array's data type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoredAs {
    /// Elements of the array's data type.
    Elements,
    /// The array is text; stored is one more dimension, the last, of single characters (NetCDF `char`). The manifest's
    /// grid has that dimension too, as its last.
    CharDimension {
        /// Characters in each text.
        length: u64,
        /// Characters in each chunk along that dimension.
        chunk_length: u64,
    },
    /// The array is text; each stored element has this many bytes, padded (HDF5 fixed-length strings).
    FixedText {
        /// Bytes of an element.
        length: usize,
    },
    /// The array is text; each stored element has this many characters of four bytes, padded (NumPy `U`).
    FixedUtf32 {
        /// Characters of an element.
        length: usize,
        /// Byte order of a character.
        endian: Endian,
    },
    /// The array is text; each stored element is a reference into the global heap of its HDF5 file.
    Hdf5VlenText {
        /// Bytes of an address in that file.
        offset_size: u8,
    },
}

/// An array: what it is, and where its chunks are.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// What it is.
    pub metadata: ArrayMetadata,
    /// What one stored element is.
    pub stored_as: StoredAs,
    /// Where its chunks are.
    pub manifest: ChunkManifest,
}
