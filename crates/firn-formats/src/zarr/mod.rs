//! Zarr hierarchies: reading them, and writing the metadata documents of v3.

mod array;
mod attribute_json;
mod codec_json;
mod consolidate;
mod consolidated;
mod document;
mod fill_value;
mod json;
mod open;
pub mod v2;

pub use attribute_json::attributes_as_read;
pub use codec_json::{codecs_from_json, codecs_to_json};
pub use consolidate::{consolidated_v2, consolidated_v3};
pub use consolidated::{ConsolidatedDocument, consolidated_documents};
pub use document::{array_document, consolidated_document, group_document};
pub use open::{ROOT_DOCUMENT, has_root, is_consolidated, open};
