//! Zarr v3 hierarchies.

mod codec_json;
mod open;

pub use codec_json::{codecs_from_json, codecs_to_json};
pub use open::{ROOT_DOCUMENT, has_root, open};
