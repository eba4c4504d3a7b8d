//! Readers of array file formats, pure Rust, synchronous, into the one model.
