//! `.zarray` and `.zattrs` of an array into the model.

use super::super::array::{MAX_RANK, checked_chunk_shape, sizes};
use super::super::attribute_json::group_attributes_from_json;
use super::codecs;
use super::data_type::{ElementType, element_type, fill};
use crate::error::FormatError;
use firn_model::array::{
    Array, ArrayMetadata, AttributeValue, Attributes, ChunkGrid, ChunkManifest, DataType, FillValue, KeyedChunks,
    Numbers,
};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use serde_json::Value;

/// The attribute with the names of the dimensions.
pub(super) const DIMENSIONS: &str = "_ARRAY_DIMENSIONS";

/// The attribute or key with the dimensions of NCZarr, before and since netCDF-C 4.9.
const NCZARR: [&str; 2] = ["_NCZARR_ARRAY", "_nczarr_array"];

/// The array of these documents.
///
/// # Errors
/// [`FormatError::Corrupt`] for a document that contradicts itself; [`FormatError::Unsupported`] for what this version does
/// not read, which concerns this array alone.
pub(super) fn array(
    document: &Value,
    attributes: Option<&Value>,
    path: &NodePath,
    at: &At,
) -> Result<Array, FormatError> {
    let shape = sizes(document.get("shape"), "shape", at)?;
    if shape.len() > MAX_RANK {
        return Err(FormatError::limit(at, "the number of dimensions", shape.len() as u64, MAX_RANK as u64));
    }
    let chunk_shape = checked_chunk_shape(sizes(document.get("chunks"), "chunks", at)?, &shape, at)?;
    let configurations = codecs::configurations(document, at)?;
    let dtype = document.get("dtype").ok_or_else(|| FormatError::corrupt(at, "the array has no dtype"))?;
    let element = element_type(dtype, codecs::has_text(&configurations), at)?;
    let fill_value = fill(document.get("fill_value").unwrap_or(&Value::Null), &element, at)?;
    let codecs = codecs::codecs(document, configurations, &element, shape.len(), at)?;
    let metadata = ArrayMetadata {
        dimension_names: dimension_names(document, attributes, path, shape.len()),
        data_type: element.data_type,
        chunk_grid: ChunkGrid::regular(&chunk_shape),
        attributes: array_attributes(attributes, fill_value.as_ref(), &element),
        fill_value: Some(fill_value.unwrap_or_else(|| FillValue::zero(element.data_type))),
        codecs,
        shape,
    };
    let manifest = ChunkManifest::Keyed(keys(document, path, at)?);
    Ok(Array { metadata, stored_as: element.stored_as, manifest })
}

/// What xarray shows: without the dimensions and what else is the format's own, with the fill value as `_FillValue`.
fn array_attributes(attributes: Option<&Value>, fill: Option<&FillValue>, element: &ElementType) -> Attributes {
    let mut attributes = group_attributes_from_json(attributes);
    attributes.retain(|name, _| name != DIMENSIONS && !is_hidden(name));
    let value = match (fill, element.data_type) {
        (None | Some(FillValue::Text(_)), _) | (_, DataType::String) => return attributes,
        (Some(FillValue::Fixed(bytes)), DataType::Bool) => AttributeValue::Json(Value::Bool(bytes != &[0])),
        (Some(FillValue::Fixed(bytes)), data_type) => match Numbers::from_le_bytes(data_type, bytes) {
            Some(number) => AttributeValue::Numbers(number),
            None => return attributes,
        },
    };
    attributes.insert("_FillValue".to_owned(), value);
    attributes
}

/// Attributes of NCZarr that are no attributes of the data.
pub(super) fn is_hidden(name: &str) -> bool {
    name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("_nc"))
}

/// The names of the dimensions; those without one are named after the array, because two of them need not be the same.
fn dimension_names(document: &Value, attributes: Option<&Value>, path: &NodePath, rank: usize) -> Vec<String> {
    let attribute = |name: &str| attributes.and_then(|attributes| attributes.get(name));
    let nczarr = NCZARR.iter().find_map(|name| document.get(*name).or_else(|| attribute(name))?.get("dimrefs"));
    let names = attribute(DIMENSIONS).or(nczarr).and_then(Value::as_array).filter(|names| names.len() == rank);
    let named = |axis: usize| {
        let name = names?.get(axis)?.as_str()?;
        name.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
    };
    (0..rank).map(|axis| named(axis).unwrap_or_else(|| format!("{}_dim_{axis}", path.name()))).collect()
}

fn keys(document: &Value, path: &NodePath, at: &At) -> Result<KeyedChunks, FormatError> {
    let separator = match document.get("dimension_separator") {
        None | Some(Value::Null) => '.',
        Some(Value::String(text)) if text == "." => '.',
        Some(Value::String(text)) if text == "/" => '/',
        Some(other) => return Err(FormatError::corrupt(at, format!("{other} does not separate chunk keys"))),
    };
    let folder = if path.is_root() { String::new() } else { format!("{}/", path.as_key()) };
    Ok(KeyedChunks { separator, scalar_key: format!("{folder}0"), prefix: folder })
}
