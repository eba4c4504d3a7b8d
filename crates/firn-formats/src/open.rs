//! Any source into the one model.

use crate::error::FormatError;
use crate::sniff::{FileFormat, sniff};
use crate::{hdf5, kerchunk, netcdf3, zarr};
use firn_model::dataset::Dataset;
use firn_model::diagnose::At;
use firn_model::source::{Source, SourceError};

/// Opens what the source holds: a file by its content, a Zarr hierarchy by its root document. Only metadata are read.
///
/// # Errors
/// [`FormatError`] that names what it is where it cannot be opened.
pub fn open(source: &dyn Source, at: &At) -> Result<Dataset, FormatError> {
    match open_file(source, at) {
        Ok(Some(dataset)) => Ok(dataset),
        // Servers answer for a folder with a page, with an empty object, or refuse: its root document decides.
        Ok(None) => open_folder(source, at)?.ok_or_else(|| SourceError::NotFound { at: at.clone() }.into()),
        Err(error @ (FormatError::NotAnArrayFile { .. } | FormatError::Source(_))) => match open_folder(source, at) {
            Ok(Some(dataset)) => Ok(dataset),
            // A root document is there, so that it is a store, of which nothing more can be told.
            Err(unknown @ FormatError::Source(SourceError::NotListable { .. })) => Err(unknown),
            Ok(None) | Err(FormatError::Source(_)) => Err(error),
            Err(_) if is_a_page(source) => Err(error),
            Err(folder) => Err(folder),
        },
        Err(error) => Err(error),
    }
}

/// Some servers answer every path alike: with a page to log in, with their application, with nothing. Such an answer is no
/// root document, and does not make a store of a file.
fn is_a_page(source: &dyn Source) -> bool {
    let first = || {
        let reader = source.object(zarr::ROOT_DOCUMENT).ok()??;
        let size = reader.size().ok()?;
        reader.read(0..size.min(64)).ok()
    };
    let start = |bytes: bytes::Bytes| bytes.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    first().is_some_and(|bytes| matches!(start(bytes), None | Some(b'<')))
}

/// `None` where the source itself is not an object.
fn open_file(source: &dyn Source, at: &At) -> Result<Option<Dataset>, FormatError> {
    let Some(reader) = source.object("")? else { return Ok(None) };
    let format = match sniff(reader.as_ref(), at) {
        Err(FormatError::Source(SourceError::NotFound { .. })) => return Ok(None),
        other => other?,
    };
    match format {
        FileFormat::NetCdf3 => netcdf3::open(source, at).map(Some),
        FileFormat::Hdf5 => hdf5::open(source, at).map(Some),
        FileFormat::KerchunkJson => kerchunk::open(source, at).map(Some),
    }
}

/// `None` where there is no root document. A folder with documents of both versions is what zarr-python takes it for: v3.
fn open_folder(source: &dyn Source, at: &At) -> Result<Option<Dataset>, FormatError> {
    let newer = zarr::has_root(source);
    // A URL with a query names one object, and nothing lies below it.
    if matches!(newer, Err(FormatError::Source(SourceError::BadUrl { .. }))) {
        return Ok(None);
    }
    if matches!(newer, Ok(true)) {
        return zarr::open(source, at).map(Some);
    }
    // Buckets that do not list refuse what they do not have, so a refusal does not say that there is nothing older.
    if !matches!(newer, Ok(_) | Err(FormatError::Source(SourceError::Denied { .. }))) {
        return newer.map(|_| None);
    }
    match (zarr::v2::has_root(source), newer) {
        (Ok(true), _) => zarr::v2::open(source, at).map(Some),
        (_, Err(denied)) => Err(denied),
        (found, Ok(_)) => found.map(|_| None),
    }
}
