//! The array model: every source is a virtual Zarr.

pub mod attributes;
pub mod chunk_grid;
pub mod cloud;
pub mod codec;
mod data_type;
pub mod manifest;
mod metadata;
pub mod values;

pub use attributes::{AttributeValue, Attributes, Numbers};
pub use chunk_grid::{ArraySubset, ChunkGrid, ChunkIndices};
pub use codec::{CodecMetadata, Endian};
pub use data_type::DataType;
pub use manifest::{ChunkEntry, ChunkManifest, ChunkTable, KeyedChunks, SourceObject};
pub use metadata::{Array, ArrayMetadata, FillValue, StoredAs};
pub use values::{Elements, Values};
