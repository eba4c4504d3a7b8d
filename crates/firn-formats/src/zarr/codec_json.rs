//! Codecs in Zarr v3 metadata documents, spelled as zarr-python spells them.

use crate::error::FormatError;
use firn_model::array::codec::{BloscCompressor, BloscShuffle};
use firn_model::array::{CodecMetadata, DataType, Endian};
use firn_model::diagnose::At;
use serde_json::{Map, Value, json};

/// Shards in shards in shards … stop here.
const MAX_NESTING: usize = 4;

/// The list `codecs` of an array document. Codecs that are not known become [`CodecMetadata::Unknown`], which only
/// decoding refuses.
///
/// # Errors
/// [`FormatError::Corrupt`] for a list or a configuration that is not one.
pub fn codecs_from_json(value: &Value, at: &At) -> Result<Vec<CodecMetadata>, FormatError> {
    codecs_nested(value, 0, at)
}

fn codecs_nested(value: &Value, depth: usize, at: &At) -> Result<Vec<CodecMetadata>, FormatError> {
    if depth > MAX_NESTING {
        return Err(FormatError::limit(at, "the nesting of shards", depth as u64, MAX_NESTING as u64));
    }
    let list = value.as_array().ok_or_else(|| FormatError::corrupt(at, "the codecs are not a list"))?;
    list.iter().map(|codec| codec_from_json(codec, depth, at)).collect()
}

fn codec_from_json(value: &Value, depth: usize, at: &At) -> Result<CodecMetadata, FormatError> {
    let empty = Map::new();
    let name = value.as_str().or_else(|| value.get("name")?.as_str());
    let Some(name) = name else { return Err(FormatError::corrupt(at, format!("{value} names no codec"))) };
    let configuration = value.get("configuration").and_then(Value::as_object).unwrap_or(&empty);
    let read = Configuration { name, map: configuration, at };
    Ok(match name {
        "bytes" => CodecMetadata::Bytes { endian: read.endian()? },
        "vlen-utf8" => CodecMetadata::VlenUtf8,
        "transpose" => CodecMetadata::Transpose { order: read.sizes("order")?.iter().map(|n| *n as usize).collect() },
        "numcodecs.zlib" | "zlib" => CodecMetadata::Zlib { level: read.level("level", 1)? },
        "gzip" | "numcodecs.gzip" => CodecMetadata::Gzip { level: read.level("level", 5)? },
        "zstd" | "numcodecs.zstd" => CodecMetadata::Zstd {
            level: configuration.get("level").and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok()).unwrap_or(0),
            checksum: configuration.get("checksum").and_then(Value::as_bool).unwrap_or(false),
        },
        "blosc" | "numcodecs.blosc" => read.blosc()?,
        "numcodecs.shuffle" | "shuffle" => CodecMetadata::Shuffle {
            element_size: usize::try_from(read.number("elementsize", 4)?).unwrap_or(usize::MAX),
        },
        "numcodecs.fletcher32" | "fletcher32" => CodecMetadata::Fletcher32,
        "crc32c" | "numcodecs.crc32c" => CodecMetadata::Crc32c,
        "sharding_indexed" => CodecMetadata::ShardingIndexed {
            chunk_shape: read.sizes("chunk_shape")?,
            codecs: codecs_nested(read.required("codecs")?, depth + 1, at)?,
            index_codecs: codecs_nested(read.required("index_codecs")?, depth + 1, at)?,
            index_at_end: match configuration.get("index_location").and_then(Value::as_str) {
                None | Some("end") => true,
                Some("start") => false,
                Some(_) => return Err(read.wrong("index_location")),
            },
        },
        other => CodecMetadata::Unknown {
            name: other.to_owned(),
            configuration: Value::Object(configuration.clone()).to_string(),
        },
    })
}

/// The configuration of one codec.
struct Configuration<'a> {
    name: &'a str,
    map: &'a Map<String, Value>,
    at: &'a At,
}

impl Configuration<'_> {
    fn wrong(&self, key: &str) -> FormatError {
        let value = self.map.get(key).map_or_else(|| "absent".to_owned(), Value::to_string);
        FormatError::corrupt(self.at, format!("{key} of the codec {} is {value}", self.name))
    }

    fn required(&self, key: &str) -> Result<&Value, FormatError> {
        self.map.get(key).ok_or_else(|| self.wrong(key))
    }

    fn number(&self, key: &str, default: u64) -> Result<u64, FormatError> {
        self.map.get(key).map_or(Some(default), Value::as_u64).ok_or_else(|| self.wrong(key))
    }

    fn level(&self, key: &str, default: u8) -> Result<u8, FormatError> {
        // zlib's -1 means its default, which is 6.
        let level = self.map.get(key).map_or(Some(i64::from(default)), Value::as_i64);
        level.map(|n| if n == -1 { 6 } else { n }).and_then(|n| u8::try_from(n).ok()).ok_or_else(|| self.wrong(key))
    }

    fn sizes(&self, key: &str) -> Result<Vec<u64>, FormatError> {
        let list = self.required(key)?.as_array().ok_or_else(|| self.wrong(key))?;
        list.iter().map(|n| n.as_u64().ok_or_else(|| self.wrong(key))).collect()
    }

    fn endian(&self) -> Result<Endian, FormatError> {
        match self.map.get("endian").and_then(Value::as_str) {
            Some("big") => Ok(Endian::Big),
            Some("little") | None => Ok(Endian::Little),
            Some(_) => Err(self.wrong("endian")),
        }
    }

    fn blosc(&self) -> Result<CodecMetadata, FormatError> {
        let compressor = match self.map.get("cname").and_then(Value::as_str) {
            Some("lz4") => BloscCompressor::Lz4,
            Some("lz4hc") => BloscCompressor::Lz4hc,
            Some("blosclz") => BloscCompressor::Blosclz,
            Some("zstd") => BloscCompressor::Zstd,
            Some("zlib") => BloscCompressor::Zlib,
            Some("snappy") => BloscCompressor::Snappy,
            _ => return Err(self.wrong("cname")),
        };
        // numcodecs writes a number; -1 means: by bits for bytes, by bytes for larger elements.
        let automatic = if self.number("typesize", 1)? == 1 { BloscShuffle::BitShuffle } else { BloscShuffle::Shuffle };
        let shuffle = match self.map.get("shuffle") {
            Some(Value::String(text)) if text == "noshuffle" => BloscShuffle::NoShuffle,
            Some(Value::String(text)) if text == "shuffle" => BloscShuffle::Shuffle,
            Some(Value::String(text)) if text == "bitshuffle" => BloscShuffle::BitShuffle,
            Some(Value::Number(n)) if n.as_i64() == Some(0) => BloscShuffle::NoShuffle,
            Some(Value::Number(n)) if n.as_i64() == Some(1) => BloscShuffle::Shuffle,
            Some(Value::Number(n)) if n.as_i64() == Some(2) => BloscShuffle::BitShuffle,
            Some(Value::Number(n)) if n.as_i64() == Some(-1) => automatic,
            None => BloscShuffle::NoShuffle,
            _ => return Err(self.wrong("shuffle")),
        };
        Ok(CodecMetadata::Blosc {
            compressor,
            level: self.level("clevel", 5)?,
            shuffle,
            typesize: usize::try_from(self.number("typesize", 1)?).unwrap_or(usize::MAX),
            blocksize: usize::try_from(self.number("blocksize", 0)?).unwrap_or(usize::MAX),
        })
    }
}

/// The list `codecs` of an array document, for elements of this type.
pub fn codecs_to_json(codecs: &[CodecMetadata], data_type: DataType) -> Value {
    Value::Array(codecs.iter().map(|codec| codec_to_json(codec, data_type)).collect())
}

fn codec_to_json(codec: &CodecMetadata, data_type: DataType) -> Value {
    let configuration = match codec {
        CodecMetadata::Bytes { .. } if data_type.size() == Some(1) => None,
        CodecMetadata::Bytes { endian } => Some(endian_json(*endian)),
        CodecMetadata::VlenUtf8 | CodecMetadata::Fletcher32 => Some(json!({})),
        CodecMetadata::Transpose { order } => Some(json!({ "order": order })),
        CodecMetadata::Zlib { level } | CodecMetadata::Gzip { level } => Some(json!({ "level": level })),
        CodecMetadata::Zstd { level, checksum } => Some(json!({ "level": level, "checksum": checksum })),
        CodecMetadata::Blosc { compressor, level, shuffle, typesize, blocksize } => Some(json!({
            "typesize": typesize, "cname": compressor, "clevel": level, "shuffle": shuffle, "blocksize": blocksize
        })),
        CodecMetadata::Shuffle { element_size } => Some(json!({ "elementsize": element_size })),
        CodecMetadata::ShardingIndexed { chunk_shape, codecs, index_codecs, index_at_end } => Some(json!({
            "chunk_shape": chunk_shape,
            "codecs": codecs_to_json(codecs, data_type),
            // The elements of the index are 64-bit numbers, whatever those of the array are.
            "index_codecs": codecs_to_json(index_codecs, DataType::UInt64),
            "index_location": if *index_at_end { "end" } else { "start" },
        })),
        CodecMetadata::Unknown { configuration, .. } => serde_json::from_str(configuration).ok(),
        _ => None,
    };
    match configuration {
        Some(configuration) => json!({ "name": codec.name(), "configuration": configuration }),
        None => json!({ "name": codec.name() }),
    }
}

fn endian_json(endian: Endian) -> Value {
    json!({ "endian": endian })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_round_trip_as_zarr_python_spells_them() {
        for (data_type, text) in [
            (DataType::UInt8, r#"[{"name":"bytes"},{"name":"zstd","configuration":{"level":0,"checksum":false}}]"#),
            (DataType::String, r#"[{"name":"vlen-utf8","configuration":{}},{"name":"crc32c"}]"#),
            (
                DataType::Int16,
                r#"[{"name":"transpose","configuration":{"order":[1,0]}},{"name":"bytes","configuration":{"endian":"little"}},{"name":"blosc","configuration":{"typesize":2,"cname":"lz4","clevel":5,"shuffle":"bitshuffle","blocksize":0}}]"#,
            ),
            (
                DataType::UInt8,
                r#"[{"name":"sharding_indexed","configuration":{"chunk_shape":[2,3],"codecs":[{"name":"bytes"}],"index_codecs":[{"name":"bytes","configuration":{"endian":"little"}},{"name":"crc32c"}],"index_location":"end"}}]"#,
            ),
            (
                DataType::Int16,
                r#"[{"name":"bytes","configuration":{"endian":"big"}},{"name":"numcodecs.shuffle","configuration":{"elementsize":2}},{"name":"numcodecs.zlib","configuration":{"level":3}},{"name":"numcodecs.fletcher32","configuration":{}}]"#,
            ),
        ] {
            let codecs = codecs_from_json(&serde_json::from_str(text).unwrap(), &At::nowhere()).unwrap();
            assert_eq!(codecs_to_json(&codecs, data_type).to_string(), text);
        }
    }

    #[test]
    fn an_unknown_codec_is_kept_by_name() {
        let codecs = codecs_from_json(&json!([{ "name": "pcodec", "configuration": { "level": 8 } }]), &At::nowhere());
        assert!(matches!(&codecs.unwrap()[0], CodecMetadata::Unknown { name, .. } if name == "pcodec"));
    }
}
