//! Consolidated metadata beside the documents that they repeat.

use super::open::{ROOT_DOCUMENT, document_at, json_document};
use super::v2::CONSOLIDATED;
use crate::error::FormatError;
use firn_model::dataset::{DatasetFormat, NodePath};
use firn_model::diagnose::At;
use firn_model::source::{Source, SourceError};
use serde_json::Value;

/// A document in the consolidated metadata of a hierarchy.
#[derive(Debug, Clone)]
pub struct ConsolidatedDocument {
    /// Where it is stored on its own.
    pub key: String,
    document: Value,
}

impl ConsolidatedDocument {
    /// Whether the stored document is this one.
    ///
    /// # Errors
    /// It is not there, or is no JSON.
    pub fn is_as_stored(&self, source: &dyn Source) -> Result<bool, FormatError> {
        let at = document_at(source, &self.key);
        let stored = json_document(source, &self.key, &at)?.ok_or(SourceError::NotFound { at })?;
        Ok(without_consolidated(stored) == without_consolidated(self.document.clone()))
    }
}

/// Groups may repeat what is below them, or say `null`.
fn without_consolidated(mut document: Value) -> Value {
    if let Some(fields) = document.as_object_mut() {
        fields.remove("consolidated_metadata");
    }
    document
}

/// The documents that the root of a hierarchy of Zarr repeats, but for its own; none where it is not consolidated.
///
/// # Errors
/// As [`super::open()`]; a key that could leave the hierarchy.
pub fn consolidated_documents(
    source: &dyn Source,
    format: DatasetFormat,
) -> Result<Vec<ConsolidatedDocument>, FormatError> {
    let (root, pointer) = match format {
        DatasetFormat::ZarrV3 => (ROOT_DOCUMENT, "/consolidated_metadata/metadata"),
        DatasetFormat::ZarrV2 => (CONSOLIDATED, "/metadata"),
        _ => return Ok(Vec::new()),
    };
    let at = document_at(source, root);
    let Some(document) = json_document(source, root, &at)? else { return Ok(Vec::new()) };
    let Some(Value::Object(documents)) = document.pointer(pointer) else { return Ok(Vec::new()) };
    documents
        .iter()
        .map(|(name, document)| {
            let key = if format == DatasetFormat::ZarrV3 { format!("{name}/{ROOT_DOCUMENT}") } else { name.clone() };
            check_key(&key, &at)?;
            Ok(ConsolidatedDocument { key, document: document.clone() })
        })
        .collect()
}

fn check_key(key: &str, at: &At) -> Result<(), FormatError> {
    let node = key.rsplit_once('/').map_or("", |(node, _)| node);
    NodePath::parse(node).map(|_| ()).map_err(|why| FormatError::corrupt(at, why))
}
