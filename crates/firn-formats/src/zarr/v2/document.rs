//! Array metadata and attributes as the documents of Zarr v2: `.zgroup`, `.zarray`, `.zattrs`.
//!
//! Readers take `fill_value` for the `_FillValue` of the array (xarray does), so it is that and nothing else: null where there
//! is none, also where unwritten elements of the source read as some number. What readers then see in a chunk that is not
//! there is [`ArrayDocuments::reads_as`].

use super::super::attribute_json::{array_attributes_to_json, group_attributes_to_json};
use super::super::fill_value;
use super::array::DIMENSIONS;
use crate::error::FormatError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firn_model::array::codec::{BloscShuffle, list};
use firn_model::array::{ArrayMetadata, Attributes, CodecMetadata, DataType, Endian, FillValue};
use firn_model::diagnose::At;
use serde_json::{Map, Value, json};

/// The documents of an array.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ArrayDocuments {
    /// `.zarray`.
    pub array: Value,
    /// `.zattrs`.
    pub attributes: Value,
    /// What every reader takes the elements of an absent chunk for; `None` where readers differ, because `fill_value` is null.
    pub reads_as: Option<FillValue>,
}

/// `.zgroup`.
pub(crate) fn group_document() -> Value {
    json!({ "zarr_format": 2 })
}

/// `.zattrs` of a group.
pub(crate) fn group_attributes(attributes: &Attributes) -> Value {
    Value::Object(group_attributes_to_json(attributes))
}

/// `.zarray` and `.zattrs` of an array.
///
/// # Errors
/// [`FormatError::Unsupported`] for a chunk grid, codec or attribute that Zarr v2 cannot say.
pub(crate) fn array_documents(metadata: &ArrayMetadata, at: &At) -> Result<ArrayDocuments, FormatError> {
    let chunk_shape = metadata.chunk_grid.chunk_shape().ok_or_else(|| {
        FormatError::unsupported("unsupported-kerchunk", at, "its chunks differ in shape, which Zarr v2 cannot say")
    })?;
    let mut attributes = array_attributes_to_json(&metadata.attributes, metadata.data_type, at)?;
    let fill_value = take_fill_value(&mut attributes, metadata.data_type);
    attributes.insert(DIMENSIONS.to_owned(), Value::from(metadata.dimension_names.clone()));
    let chain = Chain::of(metadata, at)?;
    let array = json!({
        "zarr_format": 2,
        "shape": metadata.shape,
        "chunks": chunk_shape,
        "dtype": type_string(metadata.data_type, chain.endian),
        "order": if chain.is_reversed { "F" } else { "C" },
        "fill_value": fill_value,
        "filters": if chain.filters.is_empty() { Value::Null } else { Value::Array(chain.filters) },
        "compressor": chain.compressor,
        "dimension_separator": ".",
    });
    let reads_as = if fill_value.is_null() { None } else { fill_value::from_json(&fill_value, metadata.data_type) };
    Ok(ArrayDocuments { array, attributes: Value::Object(attributes), reads_as })
}

/// The `_FillValue` in the form of `fill_value`, null where there is none. One that is no element of the type stays an
/// attribute.
fn take_fill_value(attributes: &mut Map<String, Value>, data_type: DataType) -> Value {
    let Some(value) = attributes.get("_FillValue") else { return Value::Null };
    let number = match value {
        Value::String(text) => STANDARD
            .decode(text)
            .ok()
            .and_then(|bytes| Some(f64::from_le_bytes(bytes.try_into().ok()?)))
            .map(super::super::attribute_json::float_to_json),
        other => Some(other.clone()),
    };
    let fill = number.and_then(|number| fill_value::from_json(&number, data_type));
    match fill.and_then(|fill| fill_value::to_json(Some(&fill), data_type)) {
        Some(json) => {
            attributes.remove("_FillValue");
            json
        }
        None => Value::Null,
    }
}

/// The type string of NumPy.
fn type_string(data_type: DataType, endian: Endian) -> String {
    let kind = match data_type {
        DataType::String => return "|O".to_owned(),
        DataType::Bool => 'b',
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => 'i',
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => 'u',
        DataType::Float16 | DataType::Float32 | DataType::Float64 => 'f',
    };
    let size = data_type.size().unwrap_or(1);
    let order = match endian {
        _ if size == 1 => '|',
        Endian::Little => '<',
        Endian::Big => '>',
    };
    format!("{order}{kind}{size}")
}

/// A chain of codecs in the words of Zarr v2.
struct Chain {
    is_reversed: bool,
    endian: Endian,
    filters: Vec<Value>,
    compressor: Value,
}

impl Chain {
    fn of(metadata: &ArrayMetadata, at: &At) -> Result<Self, FormatError> {
        let mut chain =
            Self { is_reversed: false, endian: Endian::Little, filters: Vec::new(), compressor: Value::Null };
        let unsupported = || {
            let what = format!("Zarr v2 has no words for its codecs [{}]", list(&metadata.codecs));
            FormatError::unsupported("unsupported-kerchunk", at, what)
        };
        let mut codecs = metadata.codecs.as_slice();
        if let [CodecMetadata::Transpose { order }, rest @ ..] = codecs {
            if !order.iter().rev().copied().eq(0..order.len()) {
                return Err(unsupported());
            }
            (chain.is_reversed, codecs) = (order.len() > 1, rest);
        }
        match codecs {
            [CodecMetadata::Bytes { endian }, rest @ ..] if metadata.data_type != DataType::String => {
                (chain.endian, codecs) = (*endian, rest);
            }
            [CodecMetadata::VlenUtf8, rest @ ..] if metadata.data_type == DataType::String => {
                chain.filters.push(json!({ "id": "vlen-utf8" }));
                codecs = rest;
            }
            _ => return Err(unsupported()),
        }
        for codec in codecs {
            chain.filters.push(numcodec(codec).ok_or_else(unsupported)?);
        }
        if codecs.last().is_some_and(is_compressor) {
            chain.compressor = chain.filters.pop().unwrap_or(Value::Null);
        }
        Ok(chain)
    }
}

fn is_compressor(codec: &CodecMetadata) -> bool {
    use CodecMetadata::{Blosc, Gzip, Zlib, Zstd};
    matches!(codec, Zlib { .. } | Gzip { .. } | Zstd { .. } | Blosc { .. })
}

/// The configuration of a codec as numcodecs takes it; `None` for what no release of it has without further packages.
fn numcodec(codec: &CodecMetadata) -> Option<Value> {
    Some(match codec {
        CodecMetadata::Zlib { level } => json!({ "id": "zlib", "level": level }),
        CodecMetadata::Gzip { level } => json!({ "id": "gzip", "level": level }),
        // Releases before 0.13 do not know the key.
        CodecMetadata::Zstd { level, checksum: false } => json!({ "id": "zstd", "level": level }),
        CodecMetadata::Zstd { level, checksum: true } => json!({ "id": "zstd", "level": level, "checksum": true }),
        CodecMetadata::Blosc { compressor, level, shuffle, blocksize, .. } => {
            let shuffle = match shuffle {
                BloscShuffle::NoShuffle => 0,
                BloscShuffle::Shuffle => 1,
                BloscShuffle::BitShuffle => 2,
            };
            json!({ "id": "blosc", "cname": compressor, "clevel": level, "shuffle": shuffle, "blocksize": blocksize })
        }
        CodecMetadata::Shuffle { element_size } => json!({ "id": "shuffle", "elementsize": element_size }),
        CodecMetadata::Fletcher32 => json!({ "id": "fletcher32" }),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
