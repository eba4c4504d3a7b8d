//! Zarr v2 hierarchies: `.zgroup`, `.zarray`, `.zattrs`, and all of them in `.zmetadata`.
//!
//! They become the same model as those of v3, as xarray sees them: `fill_value` is also the `_FillValue` of the array,
//! `_ARRAY_DIMENSIONS` (or the `dimrefs` of NCZarr) its dimensions.
//!
//! Source: Zarr storage specification version 2; xarray, "Zarr Encoding Specification".

mod array;
mod codecs;
mod data_type;
mod document;
mod open;

pub(super) use data_type::text_of_base64;
pub(crate) use document::{array_documents, group_attributes, group_document};
pub(super) use open::CONSOLIDATED;
pub(crate) use open::{from_documents, is_document};
pub use open::{has_root, open};
