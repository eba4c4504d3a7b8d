//! Opening a hierarchy.

use crate::error::FormatError;
use firn_model::dataset::Dataset;
use firn_model::diagnose::At;
use firn_model::source::{Source, SourceError};

/// The key of the document of the root group.
pub const ROOT_DOCUMENT: &str = "zarr.json";

/// Whether the source has a root document of Zarr v3.
///
/// # Errors
/// Anything but "does not exist".
pub fn has_root(source: &dyn Source) -> Result<bool, FormatError> {
    let Some(reader) = source.object(ROOT_DOCUMENT)? else { return Ok(false) };
    match reader.size() {
        Ok(_) => Ok(true),
        Err(SourceError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// TODO
pub fn open(_source: &dyn Source, at: &At) -> Result<Dataset, FormatError> {
    Err(FormatError::unsupported("unsupported-zarr", at, "Zarr v3 is not read yet"))
}
