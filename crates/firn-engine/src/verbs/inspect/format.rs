//! Which format, in which version.

use crate::error::EngineError;
use crate::icechunk::SpecVersion;
use firn_formats::sniff::{FileFormat, sniff};
use firn_model::dataset::{Dataset, DatasetFormat};
use firn_model::diagnose::At;
use firn_model::source::{RangeReader, Source, SourceError, SourceVersion};

/// What a source is.
pub(crate) struct Format {
    /// `netcdf3`, `hdf5`, `kerchunk`, `zarr`, `icechunk`.
    pub name: &'static str,
    /// Version of the format.
    pub version: String,
    /// Version of the object; `None` for a prefix.
    pub object: Option<SourceVersion>,
}

impl Format {
    /// A repository at one of its snapshots.
    pub(super) fn icechunk(snapshot: &str, spec: SpecVersion) -> Self {
        Self { name: "icechunk", version: format!("spec {spec}, snapshot {snapshot}"), object: None }
    }
}

/// Format and version of a source that was opened, and its object where it is one.
pub(super) fn format_of(source: &dyn Source, dataset: &Dataset, at: &At) -> Result<Format, EngineError> {
    let zarr = |version: &str| Format { name: "zarr", version: version.to_owned(), object: None };
    match dataset.format {
        DatasetFormat::ZarrV2 => return Ok(zarr("2")),
        DatasetFormat::ZarrV3 => return Ok(zarr("3")),
        _ => {}
    }
    let object = source.object("")?.ok_or_else(|| SourceError::NotFound { at: at.clone() })?;
    let (name, version) = match sniff(object.as_ref(), at) {
        Ok(FileFormat::NetCdf3) => ("netcdf3", format!("CDF-{}", byte(object.as_ref(), 3)?)),
        Ok(FileFormat::Hdf5) => ("hdf5", format!("superblock {}", superblock(object.as_ref())?)),
        Ok(FileFormat::KerchunkJson) => ("kerchunk", "JSON".to_owned()),
        Ok(_) => ("other", String::new()),
        Err(error) => return Err(error.into()),
    };
    Ok(Format { name, version, object: Some(object.version()?) })
}

/// The version byte behind the signature, which may stand behind a user block.
fn superblock(object: &dyn RangeReader) -> Result<u8, SourceError> {
    let size = object.size()?;
    let mut offset = 0u64;
    while offset + 9 <= size {
        if object.read(offset..offset + 8)?.as_ref() == b"\x89HDF\r\n\x1a\n" {
            return byte(object, offset + 8);
        }
        offset = if offset == 0 { 512 } else { offset * 2 };
    }
    byte(object, 8)
}

fn byte(object: &dyn RangeReader, offset: u64) -> Result<u8, SourceError> {
    Ok(object.read(offset..offset + 1)?.first().copied().unwrap_or(0))
}
