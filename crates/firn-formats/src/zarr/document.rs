//! Metadata documents as zarr-python 3.1 writes them, key by key in its order.

use super::attribute_json::{array_attributes_to_json, group_attributes_to_json};
use super::codec_json::codecs_to_json;
use super::fill_value;
use crate::error::FormatError;
use firn_model::array::{ArrayMetadata, Attributes};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// The `zarr.json` of a group.
///
/// # Errors
/// None as yet; attributes that JSON cannot say will be.
pub fn group_document(attributes: &Attributes, _at: &At) -> Result<Value, FormatError> {
    Ok(json!({ "attributes": group_attributes_to_json(attributes), "zarr_format": 3, "node_type": "group" }))
}

/// The `zarr.json` of an array with chunk keys `c/0/1/2`.
///
/// # Errors
/// [`FormatError::Unsupported`] for a `_FillValue` that xarray has no form for, [`FormatError::Bug`] for an irregular grid or
/// a fill value of another type.
pub fn array_document(metadata: &ArrayMetadata, at: &At) -> Result<Value, FormatError> {
    let data_type = metadata.data_type;
    let chunk_shape = metadata.chunk_grid.chunk_shape();
    let chunk_shape = chunk_shape.ok_or_else(|| FormatError::bug(at, "an irregular chunk grid is never written"))?;
    let fill_value = fill_value::to_json(metadata.fill_value.as_ref(), data_type);
    let fill_value = fill_value.ok_or_else(|| FormatError::bug(at, format!("the fill value is no {data_type}")))?;
    Ok(json!({
        "shape": metadata.shape,
        "data_type": data_type.name(),
        "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": chunk_shape } },
        "chunk_key_encoding": { "name": "default", "configuration": { "separator": "/" } },
        "fill_value": fill_value,
        "codecs": codecs_to_json(&metadata.codecs, data_type),
        "attributes": array_attributes_to_json(&metadata.attributes, data_type, at)?,
        "dimension_names": metadata.dimension_names,
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }))
}

/// The root's `zarr.json` with the documents of all other nodes in it.
pub fn consolidated_document(root: &Value, nodes: &[(NodePath, Value)]) -> Value {
    let entry = |(path, document): &(NodePath, Value)| {
        let is_group = document.get("node_type").and_then(Value::as_str) == Some("group");
        let document = if is_group { with_consolidated(document, Map::new()) } else { document.clone() };
        (path.as_key().to_owned(), document)
    };
    let paths: Vec<&str> = nodes.iter().map(|(path, _)| path.as_key()).collect();
    with_consolidated(root, consolidated_order(&paths).into_iter().map(|place| entry(&nodes[place])).collect())
}

/// The places of these paths (`group/array`) in consolidated metadata.
///
/// Nodes of one parent stand side by side, parents before children: zarr-python 3.1 (`_flat_to_nested`) takes only the last
/// run of a parent's children, and the others would be missing without an error. Apart from that the order is kept: it is
/// that in which readers show variables.
pub(super) fn consolidated_order(paths: &[&str]) -> Vec<usize> {
    let parent = |place: usize| paths[place].rsplit_once('/').map_or("", |(parent, _)| parent);
    let mut first_child: HashMap<&str, usize> = HashMap::new();
    for place in 0..paths.len() {
        first_child.entry(parent(place)).or_insert(place);
    }
    let mut order: Vec<usize> = (0..paths.len()).collect();
    order.sort_by_key(|place| (paths[*place].matches('/').count(), first_child[parent(*place)]));
    order
}

/// A group's document with these documents in it, where zarr-python puts them: before `node_type`.
fn with_consolidated(group: &Value, metadata: Map<String, Value>) -> Value {
    let mut document = group.as_object().cloned().unwrap_or_default();
    let node_type = document.shift_remove("node_type");
    let consolidated = json!({ "kind": "inline", "must_understand": false, "metadata": metadata });
    document.insert("consolidated_metadata".to_owned(), consolidated);
    document.extend(node_type.map(|node_type| ("node_type".to_owned(), node_type)));
    Value::Object(document)
}
