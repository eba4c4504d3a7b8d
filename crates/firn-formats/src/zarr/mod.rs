//! Zarr v3 hierarchies.

mod codec_json;

pub use codec_json::{codecs_from_json, codecs_to_json};
