//! Readers of array file formats, pure Rust, synchronous, into the one model.

pub mod error;

pub use error::FormatError;
