//! Opening a hierarchy: from `.zmetadata`, else from every document that a listing shows.

use super::super::attribute_json::group_attributes_from_json;
use super::super::json;
use super::super::open::{check_count, declare_dimensions, document_at, insert, json_document, node_or_refusal};
use super::array::{array, is_hidden};
use crate::error::FormatError;
use firn_model::dataset::{Dataset, DatasetFormat, Group, Node, NodePath};
use firn_model::diagnose::At;
use firn_model::source::{Source, SourceError};
use serde_json::Value;
use std::collections::BTreeMap;

/// The document of all nodes.
pub(crate) const CONSOLIDATED: &str = ".zmetadata";
const GROUP: &str = ".zgroup";
const ARRAY: &str = ".zarray";
const ATTRIBUTES: &str = ".zattrs";

/// Whether the source has a root document of Zarr v2.
///
/// # Errors
/// Anything but "does not exist".
pub fn has_root(source: &dyn Source) -> Result<bool, FormatError> {
    for key in [CONSOLIDATED, GROUP, ARRAY] {
        if let Some(reader) = source.object(key)? {
            match reader.size() {
                Ok(_) => return Ok(true),
                Err(SourceError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(false)
}

/// The documents of one node.
#[derive(Default)]
struct Documents {
    group: Option<Value>,
    array: Option<Value>,
    attributes: Option<Value>,
}

/// Opens a hierarchy. An array that this version does not read becomes [`Node::Refused`].
///
/// # Errors
/// [`FormatError::Corrupt`] for documents that contradict the format; [`SourceError::NotListable`] where the root is not
/// consolidated and the source cannot be listed: its arrays are then unknown, which is not the same as none.
pub fn open(source: &dyn Source, at: &At) -> Result<Dataset, FormatError> {
    let nodes = match consolidated(source, at)? {
        Some(nodes) => nodes,
        None => walk(source, at)?,
    };
    hierarchy(nodes, source, at)
}

/// Whether a key is that of a document of a node.
pub(crate) fn is_document(key: &str) -> bool {
    [GROUP, ARRAY, ATTRIBUTES].contains(&split(key).1)
}

/// The hierarchy of these documents by key.
///
/// # Errors
/// As [`open`], without those of the source.
pub(crate) fn from_documents<'a>(
    documents: impl Iterator<Item = (&'a str, &'a [u8])>,
    source: &dyn Source,
    at: &At,
) -> Result<Dataset, FormatError> {
    let mut nodes = BTreeMap::new();
    for (key, bytes) in documents {
        check_count(nodes.len() as u64, at)?;
        let at = at.node(split(key).0);
        add(&mut nodes, key, json::parse(bytes, &at)?, &at)?;
    }
    hierarchy(nodes, source, at)
}

fn hierarchy(mut nodes: BTreeMap<String, Documents>, source: &dyn Source, at: &At) -> Result<Dataset, FormatError> {
    let root = nodes.remove("").unwrap_or_default();
    if root.array.is_some() {
        let what = "the root is an array; open the group that it is in";
        return Err(FormatError::unsupported("unsupported-zarr-root-array", at, what));
    }
    let mut dataset = Dataset { format: DatasetFormat::ZarrV2, ..Dataset::default() };
    dataset.nodes.insert(NodePath::root(), group(root.attributes.as_ref()));
    for (key, documents) in &nodes {
        let at = document_at(source, key);
        let path = NodePath::parse(key).map_err(|why| FormatError::corrupt(&at, why))?;
        let at = at.node(path.as_str());
        let node = match (&documents.array, &documents.group) {
            (Some(_), Some(_)) => return Err(FormatError::corrupt(&at, "it is an array and a group")),
            (Some(document), None) => node_or_refusal(array(document, documents.attributes.as_ref(), &path, &at))?,
            (None, Some(_)) => group(documents.attributes.as_ref()),
            // Attributes alone make no node.
            (None, None) => continue,
        };
        insert(&mut dataset, path, node);
    }
    Ok(declare_dimensions(dataset))
}

fn group(attributes: Option<&Value>) -> Node {
    let mut attributes = group_attributes_from_json(attributes);
    attributes.retain(|name, _| !is_hidden(name));
    Node::Group(Group { attributes, ..Group::default() })
}

/// The documents in `.zmetadata`; `None` where there is none.
fn consolidated(source: &dyn Source, at: &At) -> Result<Option<BTreeMap<String, Documents>>, FormatError> {
    let root_at = document_at(source, CONSOLIDATED);
    let Some(document) = json_document(source, CONSOLIDATED, &root_at)? else { return Ok(None) };
    if document.get("zarr_consolidated_format").and_then(Value::as_u64) != Some(1) {
        return Err(FormatError::corrupt(&root_at, "the zarr_consolidated_format is not 1"));
    }
    let Some(Value::Object(metadata)) = document.get("metadata") else {
        return Err(FormatError::corrupt(&root_at, "the document has no metadata"));
    };
    check_count(metadata.len() as u64, at)?;
    let mut nodes = BTreeMap::new();
    for (key, document) in metadata {
        add(&mut nodes, key, document.clone(), &root_at)?;
    }
    Ok(Some(nodes))
}

/// The documents that a listing shows.
fn walk(source: &dyn Source, at: &At) -> Result<BTreeMap<String, Documents>, FormatError> {
    let mut nodes = BTreeMap::new();
    for object in source.list("")?.iter().filter(|object| is_document(&object.key)) {
        check_count(nodes.len() as u64, at)?;
        let at = document_at(source, &object.key);
        let document = json_document(source, &object.key, &at)?.ok_or(SourceError::NotFound { at: at.clone() })?;
        add(&mut nodes, &object.key, document, &at)?;
    }
    Ok(nodes)
}

/// The node and the name of a document.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('/').unwrap_or(("", key))
}

fn add(nodes: &mut BTreeMap<String, Documents>, key: &str, document: Value, at: &At) -> Result<(), FormatError> {
    let (path, name) = split(key);
    let node = nodes.entry(path.to_owned()).or_default();
    match name {
        GROUP => node.group = Some(checked(document, at)?),
        ARRAY => node.array = Some(checked(document, at)?),
        ATTRIBUTES => node.attributes = Some(document),
        _ => return Err(FormatError::corrupt(at, format!("{key} is no document of Zarr v2"))),
    }
    Ok(())
}

/// The document of a group or array, if it says that it is of this version.
fn checked(document: Value, at: &At) -> Result<Value, FormatError> {
    match document.get("zarr_format").and_then(Value::as_u64) {
        Some(2) => Ok(document),
        other => {
            let other = other.map_or_else(|| "none".to_owned(), |n| n.to_string());
            Err(FormatError::corrupt(at, format!("the document is of Zarr format {other}, not 2")))
        }
    }
}
