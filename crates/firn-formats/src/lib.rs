//! Readers of array file formats, pure Rust, synchronous, into the one model.

pub mod box_copy;
mod characters;
pub mod chunk_codec;
pub mod error;
pub mod hdf5;
pub mod kerchunk;
pub mod netcdf3;
pub mod open;
pub mod read;
pub mod sniff;
pub mod zarr;

pub use error::FormatError;
pub use open::open;
pub use read::{TextEncoding, read_array, read_subset};
