//! Readers of array file formats, pure Rust, synchronous, into the one model.

pub mod box_copy;
pub mod chunk_codec;
pub mod error;
pub mod zarr;

pub use error::FormatError;
