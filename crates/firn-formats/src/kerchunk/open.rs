//! Opening a file of references.

use super::document::{self, Reference};
use super::table;
use crate::error::FormatError;
use crate::zarr::v2;
use firn_model::dataset::{Dataset, DatasetFormat};
use firn_model::diagnose::At;
use firn_model::source::{Source, SourceError};

/// The largest file that is read, bytes.
pub(super) const MAX_FILE: u64 = 512 << 20;

/// Whether a JSON document that starts like this is a file of references: it has a document of Zarr v2 or a range.
pub fn is_kerchunk(start: &str) -> bool {
    const SIGNS: [&str; 6] = ["\"refs\"", ".zgroup\"", ".zarray\"", ".zattrs\"", "\": [\"", "\":[\""];
    start.starts_with('{') && SIGNS.iter().any(|sign| start.contains(sign))
}

/// Opens a file of references. Objects that it refers to are not asked for anything, except for the size of those that
/// are referred to as a whole.
///
/// # Errors
/// [`FormatError`] that names what cannot be read.
pub fn open(source: &dyn Source, at: &At) -> Result<Dataset, FormatError> {
    let reader = source.object("")?.ok_or_else(|| SourceError::NotFound { at: at.clone() })?;
    let size = reader.size()?;
    if size > MAX_FILE {
        return Err(FormatError::limit(at, "the size of the file in bytes", size, MAX_FILE));
    }
    let mut references = document::parse(&reader.read(0..size)?, at)?;
    let mut documents = Vec::new();
    let mut chunks = Vec::new();
    for (key, reference) in references.entries {
        match reference {
            Reference::Inline(bytes) if v2::is_document(&key) => documents.push((key, bytes)),
            Reference::Range { .. } if v2::is_document(&key) => {
                return Err(FormatError::corrupt(at, format!("the document {key} is a range of another file")));
            }
            _ if key == ".zmetadata" => {}
            reference => chunks.push((key, reference)),
        }
    }
    references.entries = chunks;
    let documents = documents.iter().map(|(key, bytes)| (key.as_str(), bytes.as_ref()));
    let mut dataset = v2::from_documents(documents, source, at)?;
    dataset.format = DatasetFormat::Kerchunk;
    table::fill(&mut dataset, references, source, at)?;
    Ok(dataset)
}
