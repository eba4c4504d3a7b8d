//! What is written: plain Zarr v3, an Icechunk repository, or a kerchunk JSON file.

pub mod kerchunk;
pub mod ledger;
pub mod structure;
pub mod zarr3;
