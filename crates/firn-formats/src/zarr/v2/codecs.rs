//! The order, filters and compressor of an array as a list of codecs.

use super::super::codec_json::codecs_from_json;
use super::data_type::ElementType;
use crate::error::FormatError;
use firn_model::array::{CodecMetadata, DataType};
use firn_model::diagnose::At;
use serde_json::{Map, Value, json};

/// The codec of objects that are text.
const TEXT: &str = "vlen-utf8";

/// Codecs of numcodecs whose configuration means the same in Zarr v3, and their names there.
const KNOWN: [(&str, &str); 6] = [
    ("zlib", "numcodecs.zlib"),
    ("gzip", "gzip"),
    ("zstd", "zstd"),
    ("blosc", "blosc"),
    ("shuffle", "numcodecs.shuffle"),
    ("fletcher32", "numcodecs.fletcher32"),
];

/// The filters and the compressor in the order of encoding.
///
/// # Errors
/// [`FormatError::Corrupt`] where they are no lists of codecs.
pub(super) fn configurations(document: &Value, at: &At) -> Result<Vec<Map<String, Value>>, FormatError> {
    let filters = match document.get("filters") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list.clone(),
        Some(other) => return Err(FormatError::corrupt(at, format!("its filters are {other}"))),
    };
    let compressor = document.get("compressor").filter(|codec| !codec.is_null()).cloned();
    let map = |codec: Value| match codec {
        Value::Object(map) if map.get("id").is_some_and(Value::is_string) => Ok(map),
        other => Err(FormatError::corrupt(at, format!("{other} names no codec"))),
    };
    filters.into_iter().chain(compressor).map(map).collect()
}

/// Whether objects are made text by one of these codecs.
pub(super) fn has_text(configurations: &[Map<String, Value>]) -> bool {
    configurations.first().is_some_and(|codec| codec["id"] == TEXT)
}

/// All codecs, those that numcodecs has and this version does not as unknown ones, which only decoding refuses.
///
/// # Errors
/// [`FormatError::Corrupt`] for an order or a configuration that is none.
pub(super) fn codecs(
    document: &Value,
    configurations: Vec<Map<String, Value>>,
    element: &ElementType,
    rank: usize,
    at: &At,
) -> Result<Vec<CodecMetadata>, FormatError> {
    let mut codecs = Vec::new();
    match document.get("order").and_then(Value::as_str) {
        Some("F") if rank > 1 => codecs.push(CodecMetadata::Transpose { order: (0..rank).rev().collect() }),
        Some("C" | "F") => {}
        _ => return Err(FormatError::corrupt(at, "its order is neither C nor F")),
    }
    let is_variable = element.data_type == DataType::String && element.size == 0 && has_text(&configurations);
    codecs.push(if is_variable { CodecMetadata::VlenUtf8 } else { CodecMetadata::Bytes { endian: element.endian } });
    for mut configuration in configurations.into_iter().skip(usize::from(is_variable)) {
        let id = configuration.remove("id").and_then(|id| id.as_str().map(str::to_owned)).unwrap_or_default();
        let Some((_, name)) = KNOWN.iter().find(|(known, _)| *known == id) else {
            let configuration = Value::Object(configuration).to_string();
            codecs.push(CodecMetadata::Unknown { name: id, configuration });
            continue;
        };
        if id == "blosc" {
            // numcodecs takes the size of the elements from the array that it is given.
            configuration.entry("typesize").or_insert(Value::from(element.size.max(1)));
        }
        codecs.extend(codecs_from_json(&json!([{ "name": name, "configuration": configuration }]), at)?);
    }
    Ok(codecs)
}
