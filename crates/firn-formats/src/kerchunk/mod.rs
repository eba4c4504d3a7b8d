//! Reference files of kerchunk, as JSON: a Zarr v2 hierarchy whose chunks are byte ranges of other files.
//!
//! Source: kerchunk, "References specification", versions 0 and 1.

mod document;
mod open;
mod table;
mod write;

pub use open::{is_kerchunk, open};
pub use write::{MAX_INLINE, ReferencesWriter};
