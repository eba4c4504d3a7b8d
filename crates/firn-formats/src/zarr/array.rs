//! Array documents into the model.

use super::attribute_json::array_attributes_from_json;
use super::codec_json::codecs_from_json;
use super::{fill_value, v2};
use crate::chunk_codec;
use crate::error::FormatError;
use firn_model::array::{
    Array, ArrayMetadata, ChunkGrid, ChunkManifest, CodecMetadata, DataType, Endian, FillValue, KeyedChunks, StoredAs,
};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use serde_json::Value;

/// Most bytes of a text of fixed length.
const MAX_TEXT: usize = 1 << 26;

/// Most dimensions of an array.
pub(super) const MAX_RANK: usize = 1024;

/// The keys of an array document (Zarr v3, "Array metadata").
const KEYS: [&str; 11] = [
    "shape",
    "data_type",
    "chunk_grid",
    "chunk_key_encoding",
    "fill_value",
    "codecs",
    "attributes",
    "dimension_names",
    "zarr_format",
    "node_type",
    "storage_transformers",
];

/// The array of a document.
///
/// # Errors
/// [`FormatError::Corrupt`] for a document that contradicts itself; [`FormatError::Unsupported`] for what this version does
/// not read, which concerns this array alone.
pub(super) fn array(document: &Value, path: &NodePath, at: &At) -> Result<Array, FormatError> {
    check_extensions(document, at)?;
    let (data_type, mut stored_as) = data_type(document, at)?;
    let shape = sizes(document.get("shape"), "shape", at)?;
    if shape.len() > MAX_RANK {
        return Err(FormatError::limit(at, "the number of dimensions", shape.len() as u64, MAX_RANK as u64));
    }
    let chunk_shape = chunk_shape(document, &shape, at)?;
    let fill_value = fill(document.get("fill_value"), data_type, stored_as, at)?;
    let codecs = document.get("codecs").ok_or_else(|| FormatError::corrupt(at, "the array has no codecs"))?;
    let mut codecs = codecs_from_json(codecs, at)?;
    if stored_as != StoredAs::Elements {
        let endian;
        (codecs, endian) = text_codecs(codecs);
        if let StoredAs::FixedUtf32 { endian: order, .. } = &mut stored_as {
            *order = endian;
        }
    }
    if let [CodecMetadata::ShardingIndexed { chunk_shape: inner, .. }] = codecs.as_slice() {
        chunk_codec::inner_grid(&chunk_shape, inner, at)?;
    }
    let is_variable = data_type == DataType::String && stored_as == StoredAs::Elements;
    if let Some(codec) = misfit(&codecs, is_variable) {
        let what = format!("elements of the type {} are not stored by the codec {codec}", data_type.name());
        return Err(FormatError::unsupported("unsupported-codec", at, what));
    }
    let metadata = ArrayMetadata {
        dimension_names: dimension_names(document, path, shape.len(), at)?,
        shape,
        data_type,
        chunk_grid: ChunkGrid::regular(&chunk_shape),
        fill_value: Some(fill_value),
        codecs,
        attributes: array_attributes_from_json(document.get("attributes"), data_type),
    };
    Ok(Array { metadata, stored_as, manifest: ChunkManifest::Keyed(keys(document, path, at)?) })
}

/// Keys that the specification does not have must be understood unless they say otherwise.
fn check_extensions(document: &Value, at: &At) -> Result<(), FormatError> {
    let unknown = |key: &&String| !KEYS.contains(&key.as_str());
    let optional = |key: &&String| document[key.as_str()].get("must_understand") == Some(&Value::Bool(false));
    let transformers = document.get("storage_transformers").and_then(Value::as_array);
    if transformers.is_some_and(|list| !list.is_empty()) {
        return Err(unsupported("unsupported-zarr-extension", at, "storage transformers are not read yet"));
    }
    let keys = document.as_object().into_iter().flat_map(|map| map.keys());
    match keys.filter(unknown).find(|key| !optional(key)) {
        Some(key) => Err(unsupported("unsupported-zarr-extension", at, &format!("the extension {key} is not known"))),
        None => Ok(()),
    }
}

fn unsupported(code: &'static str, at: &At, what: &str) -> FormatError {
    FormatError::unsupported(code, at, what)
}

/// The type of the elements, and how they are stored: `fixed_length_utf32` and `null_terminated_bytes` are the extensions
/// by which zarr-python 3 stores NumPy's texts of fixed length.
fn data_type(document: &Value, at: &At) -> Result<(DataType, StoredAs), FormatError> {
    let value = document.get("data_type").ok_or_else(|| FormatError::corrupt(at, "the array has no data_type"))?;
    let unsupported = || {
        let what = format!("elements of the type {value} are not read yet");
        FormatError::unsupported("unsupported-data-type", at, what)
    };
    let name = value.as_str().or_else(|| value.get("name")?.as_str()).ok_or_else(unsupported)?;
    let length = value.pointer("/configuration/length_bytes").and_then(Value::as_u64);
    let length = length.and_then(|length| usize::try_from(length).ok()).filter(|length| *length <= MAX_TEXT);
    match (name, length) {
        ("fixed_length_utf32", Some(length)) if length.is_multiple_of(4) => {
            Ok((DataType::String, StoredAs::FixedUtf32 { length: length / 4, endian: Endian::Little }))
        }
        ("null_terminated_bytes", Some(length)) => Ok((DataType::String, StoredAs::FixedText { length })),
        _ => DataType::from_name(name).map(|known| (known, StoredAs::Elements)).ok_or_else(unsupported),
    }
}

/// The codec that serializes other elements than those of the array: texts of variable length have a codec of their own. A
/// codec that is not known may do anything; decoding refuses it.
fn misfit(codecs: &[CodecMetadata], is_variable: bool) -> Option<&'static str> {
    if codecs.iter().any(|codec| matches!(codec, CodecMetadata::Unknown { .. })) {
        return None;
    }
    let serializes = |codec: &&CodecMetadata| {
        matches!(codec, CodecMetadata::Bytes { .. } | CodecMetadata::VlenUtf8 | CodecMetadata::ShardingIndexed { .. })
    };
    match codecs.iter().find(serializes) {
        Some(CodecMetadata::ShardingIndexed { codecs, .. }) => misfit(codecs, is_variable),
        Some(CodecMetadata::VlenUtf8) if !is_variable => Some("vlen-utf8"),
        Some(CodecMetadata::Bytes { .. }) | None if is_variable => Some("bytes"),
        _ => None,
    }
}

/// The codecs of texts of fixed length, and the byte order of their characters: the bytes of a text are never swapped as a
/// whole.
fn text_codecs(codecs: Vec<CodecMetadata>) -> (Vec<CodecMetadata>, Endian) {
    let mut order = Endian::Little;
    let codecs = codecs.into_iter().map(|codec| match codec {
        CodecMetadata::Bytes { endian } => {
            order = endian;
            CodecMetadata::Bytes { endian: Endian::Little }
        }
        CodecMetadata::ShardingIndexed { chunk_shape, codecs, index_codecs, index_at_end } => {
            let (codecs, inner) = text_codecs(codecs);
            order = inner;
            CodecMetadata::ShardingIndexed { chunk_shape, codecs, index_codecs, index_at_end }
        }
        other => other,
    });
    (codecs.collect(), order)
}

pub(super) fn sizes(value: Option<&Value>, what: &str, at: &At) -> Result<Vec<u64>, FormatError> {
    let list = value.and_then(Value::as_array);
    let sizes: Option<Vec<u64>> = list.and_then(|list| list.iter().map(Value::as_u64).collect());
    sizes.ok_or_else(|| FormatError::corrupt(at, format!("its {what} is not a list of sizes")))
}

fn chunk_shape(document: &Value, shape: &[u64], at: &At) -> Result<Vec<u64>, FormatError> {
    let grid = document.get("chunk_grid").unwrap_or(&Value::Null);
    match grid.get("name").and_then(Value::as_str) {
        Some("regular") => {}
        Some(other) => {
            let what = format!("the chunk grid {other} is not read yet");
            return Err(FormatError::unsupported("unsupported-chunk-grid", at, what));
        }
        None => return Err(FormatError::corrupt(at, "the array has no chunk_grid")),
    }
    checked_chunk_shape(sizes(grid.pointer("/configuration/chunk_shape"), "chunk_shape", at)?, shape, at)
}

/// The shape of the chunks, if they cover an array of this shape.
pub(super) fn checked_chunk_shape(chunk_shape: Vec<u64>, shape: &[u64], at: &At) -> Result<Vec<u64>, FormatError> {
    // zarr-python writes 0 for a dimension of length 0.
    let valid = |(chunk, extent): (&u64, &u64)| *chunk > 0 || *extent == 0;
    if chunk_shape.len() != shape.len() || !chunk_shape.iter().zip(shape).all(valid) {
        let what = format!("chunks of shape {chunk_shape:?} do not cover an array of shape {shape:?}");
        return Err(FormatError::corrupt(at, what));
    }
    Ok(chunk_shape)
}

fn fill(value: Option<&Value>, data_type: DataType, stored_as: StoredAs, at: &At) -> Result<FillValue, FormatError> {
    match value {
        None | Some(Value::Null) => Ok(FillValue::zero(data_type)),
        Some(Value::String(text)) if matches!(stored_as, StoredAs::FixedText { .. }) => {
            let text = v2::text_of_base64(text);
            text.map(FillValue::Text).ok_or_else(|| FormatError::corrupt(at, "its fill_value is no base64 of text"))
        }
        Some(value) => fill_value::from_json(value, data_type)
            .ok_or_else(|| FormatError::corrupt(at, format!("its fill_value {value} is no {data_type}"))),
    }
}

/// The names of the dimensions; those without one are named after the array, because two of them need not be the same.
fn dimension_names(document: &Value, path: &NodePath, rank: usize, at: &At) -> Result<Vec<String>, FormatError> {
    let none = Vec::new();
    let names = match document.get("dimension_names") {
        None | Some(Value::Null) => &none,
        Some(Value::Array(names)) if names.len() == rank => names,
        Some(other) => {
            return Err(FormatError::corrupt(
                at,
                format!("its dimension_names {other} are not one for each of {rank}"),
            ));
        }
    };
    let name = |axis| match names.get(axis).and_then(Value::as_str) {
        Some(name) => name.to_owned(),
        None => format!("{}_dim_{axis}", path.name()),
    };
    Ok((0..rank).map(name).collect())
}

fn keys(document: &Value, path: &NodePath, at: &At) -> Result<KeyedChunks, FormatError> {
    let encoding = document.get("chunk_key_encoding").unwrap_or(&Value::Null);
    let separator = match encoding.pointer("/configuration/separator").and_then(Value::as_str) {
        Some("/") => Some('/'),
        Some(".") => Some('.'),
        Some(other) => return Err(FormatError::corrupt(at, format!("{other:?} does not separate chunk keys"))),
        None => None,
    };
    let folder = if path.is_root() { String::new() } else { format!("{}/", path.as_key()) };
    let name = encoding.get("name").and_then(Value::as_str).or_else(|| encoding.as_str());
    Ok(match name {
        Some("default") => {
            let separator = separator.unwrap_or('/');
            KeyedChunks { prefix: format!("{folder}c{separator}"), separator, scalar_key: format!("{folder}c") }
        }
        Some("v2") => {
            KeyedChunks { separator: separator.unwrap_or('.'), scalar_key: format!("{folder}0"), prefix: folder }
        }
        other => {
            let what = format!("the chunk key encoding {} is not read yet", other.unwrap_or("without a name"));
            return Err(FormatError::unsupported("unsupported-chunk-key-encoding", at, what));
        }
    })
}
