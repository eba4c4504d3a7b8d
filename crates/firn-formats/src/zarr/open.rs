//! Opening a hierarchy: from the consolidated root, else from every document that a listing shows.

use super::array;
use super::attribute_json::group_attributes_from_json;
use super::json;
use crate::error::FormatError;
use firn_model::array::Array;
use firn_model::dataset::{Dataset, DatasetFormat, Dimension, Group, Node, NodePath, Refusal};
use firn_model::diagnose::{At, Diagnose};
use firn_model::source::{Source, SourceError};
use serde_json::Value;

/// The name of a metadata document; alone, the key of the root's.
pub const ROOT_DOCUMENT: &str = "zarr.json";

/// The largest document that is read, bytes. Ten thousand arrays take some 20 MB.
const MAX_DOCUMENT: u64 = 256 << 20;

/// Most nodes of a hierarchy.
const MAX_NODES: u64 = 1 << 20;

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

/// Opens a hierarchy. An array that this version does not read becomes [`Node::Refused`].
///
/// # Errors
/// [`FormatError::Corrupt`] for documents that contradict the format; [`SourceError::NotListable`] where the root is not
/// consolidated and the source cannot be listed: its arrays are then unknown, which is not the same as none.
pub fn open(source: &dyn Source, at: &At) -> Result<Dataset, FormatError> {
    let root_at = document_at(source, ROOT_DOCUMENT);
    let root = document(source, ROOT_DOCUMENT, &root_at)?;
    let root = root.ok_or_else(|| SourceError::NotFound { at: root_at.clone() })?;
    if node_type(&root, &root_at)? == "array" {
        let what = "the root is an array; open the group that it is in";
        return Err(FormatError::unsupported("unsupported-zarr-root-array", at, what));
    }
    let mut dataset = Dataset { format: DatasetFormat::ZarrV3, ..Dataset::default() };
    let attributes = group_attributes_from_json(root.get("attributes"));
    dataset.nodes.insert(NodePath::root(), Node::Group(Group { attributes, ..Group::default() }));
    if let Some(Value::Object(documents)) = root.pointer("/consolidated_metadata/metadata") {
        check_count(documents.len() as u64, at)?;
        for (key, document) in documents {
            add(&mut dataset, key, document, &root_at)?;
        }
    } else {
        for (key, document) in walk(source, at)? {
            add(&mut dataset, &key, &document, &document_at(source, &format!("{key}/{ROOT_DOCUMENT}")))?;
        }
    }
    Ok(declare_dimensions(dataset))
}

/// Whether the metadata of all nodes are in one document of this hierarchy, which was opened before.
///
/// # Errors
/// What the source says.
pub fn is_consolidated(source: &dyn Source, format: DatasetFormat) -> Result<bool, FormatError> {
    if format == DatasetFormat::ZarrV2 {
        let found = source.object(super::v2::CONSOLIDATED)?;
        return match found.map(|reader| reader.size()).transpose() {
            Ok(size) => Ok(size.is_some()),
            Err(SourceError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        };
    }
    let root = document(source, ROOT_DOCUMENT, &document_at(source, ROOT_DOCUMENT))?;
    Ok(root.is_some_and(|root| root.pointer("/consolidated_metadata/metadata").is_some_and(Value::is_object)))
}

pub(super) fn check_count(count: u64, at: &At) -> Result<(), FormatError> {
    if count > MAX_NODES {
        return Err(FormatError::limit(at, "the number of nodes", count, MAX_NODES));
    }
    Ok(())
}

pub(super) fn document_at(source: &dyn Source, key: &str) -> At {
    At::url(format!("{}/{key}", source.url().trim_end_matches('/')))
}

/// The documents below the root, by the path of their node.
fn walk(source: &dyn Source, at: &At) -> Result<Vec<(String, Value)>, FormatError> {
    let listed = source.list("")?;
    let mut found = Vec::new();
    for object in &listed {
        let Some(key) = object.key.strip_suffix(ROOT_DOCUMENT).and_then(|key| key.strip_suffix('/')) else { continue };
        check_count(found.len() as u64, at)?;
        let at = document_at(source, &object.key);
        let value = document(source, &object.key, &at)?;
        found.push((key.to_owned(), value.ok_or(SourceError::NotFound { at })?));
    }
    Ok(found)
}

/// A document of this version; `None` where there is no such object.
fn document(source: &dyn Source, key: &str, at: &At) -> Result<Option<Value>, FormatError> {
    let Some(value) = json_document(source, key, at)? else { return Ok(None) };
    match value.get("zarr_format").and_then(Value::as_u64) {
        Some(3) => Ok(Some(value)),
        Some(other) => {
            let what = format!("a document of this name and of Zarr format {other} is not known");
            Err(FormatError::unsupported("unsupported-zarr-format", at, what))
        }
        None => Err(FormatError::corrupt(at, "the document says no zarr_format")),
    }
}

/// The JSON of an object; `None` where there is no such object.
pub(super) fn json_document(source: &dyn Source, key: &str, at: &At) -> Result<Option<Value>, FormatError> {
    let Some(reader) = source.object(key)? else { return Ok(None) };
    let size = match reader.size() {
        Ok(size) => size,
        Err(SourceError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if size > MAX_DOCUMENT {
        return Err(FormatError::limit(at, "the size of the document in bytes", size, MAX_DOCUMENT));
    }
    json::parse(&reader.read(0..size)?, at).map(Some)
}

fn node_type<'a>(document: &'a Value, at: &At) -> Result<&'a str, FormatError> {
    match document.get("node_type").and_then(Value::as_str) {
        Some(kind @ ("group" | "array")) => Ok(kind),
        Some(other) => Err(FormatError::corrupt(at, format!("the document is of a node of type {other:?}"))),
        None => Err(FormatError::corrupt(at, "the document does not say whether it is a group or an array")),
    }
}

/// Adds the node of a document.
fn add(dataset: &mut Dataset, key: &str, document: &Value, at: &At) -> Result<(), FormatError> {
    let path = NodePath::parse(key).map_err(|why| FormatError::corrupt(at, why))?;
    let at = at.node(path.as_str());
    if path.is_root() {
        return Err(FormatError::corrupt(&at, "a second document for the root"));
    }
    let node = if node_type(document, &at)? == "group" {
        let attributes = group_attributes_from_json(document.get("attributes"));
        Node::Group(Group { attributes, ..Group::default() })
    } else {
        node_or_refusal(array::array(document, &path, &at))?
    };
    insert(dataset, path, node);
    Ok(())
}

/// The array, or why this version does not read it.
pub(super) fn node_or_refusal(array: Result<Array, FormatError>) -> Result<Node, FormatError> {
    Ok(match array {
        Ok(array) => Node::Array(Box::new(array)),
        Err(FormatError::Unsupported { code, what, .. }) => Node::Refused(Refusal { code, what }),
        Err(error @ FormatError::Limit { .. }) => {
            Node::Refused(Refusal { code: error.code(), what: error.to_string() })
        }
        Err(error) => return Err(error),
    })
}

/// Inserts a node, behind groups for those of its parents that have no document.
pub(super) fn insert(dataset: &mut Dataset, path: NodePath, node: Node) {
    let mut missing = Vec::new();
    let mut parent = path.parent();
    while !dataset.nodes.contains_key(&parent) {
        missing.push(parent.clone());
        parent = parent.parent();
    }
    for parent in missing.into_iter().rev() {
        dataset.nodes.insert(parent, Node::Group(Group::default()));
    }
    dataset.nodes.insert(path, node);
}

/// Zarr declares no dimensions: each group gets those of its arrays.
pub(super) fn declare_dimensions(mut dataset: Dataset) -> Dataset {
    let mut notes = Vec::new();
    let mut declared: Vec<(NodePath, String, u64)> = Vec::new();
    for (path, array) in dataset.arrays() {
        for (name, size) in array.metadata.dimension_names.iter().zip(&array.metadata.shape) {
            declared.push((path.parent(), name.clone(), *size));
        }
    }
    for (path, name, size) in declared {
        let Some(Node::Group(group)) = dataset.nodes.get_mut(&path) else { continue };
        let first = group.dimensions.entry(name.clone()).or_insert(Dimension { size, unlimited: false }).size;
        if first != size {
            notes.push(format!("the dimension {name} of the group {path} has the lengths {first} and {size}"));
        }
    }
    dataset.notes.extend(notes);
    dataset
}
