//! What is written: plain Zarr v3, or an Icechunk repository.

pub mod ledger;
pub mod structure;
pub mod zarr3;
