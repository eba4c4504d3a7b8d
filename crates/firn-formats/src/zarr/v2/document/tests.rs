use super::*;
use firn_model::array::codec::BloscCompressor;
use firn_model::array::{AttributeValue, ChunkGrid, Numbers};

fn metadata(shape: &[u64], chunks: &[u64], data_type: DataType, codecs: Vec<CodecMetadata>) -> ArrayMetadata {
    ArrayMetadata {
        shape: shape.to_vec(),
        data_type,
        chunk_grid: ChunkGrid::regular(chunks),
        fill_value: None,
        codecs,
        dimension_names: ["y", "x"].map(str::to_owned)[..shape.len()].to_vec(),
        attributes: Attributes::new(),
    }
}

fn with_fill(mut metadata: ArrayMetadata, fill: Numbers) -> ArrayMetadata {
    metadata.attributes.insert("_FillValue".to_owned(), AttributeValue::Numbers(fill));
    metadata
}

const LITTLE: CodecMetadata = CodecMetadata::Bytes { endian: Endian::Little };
const ZSTD: CodecMetadata = CodecMetadata::Zstd { level: 3, checksum: false };

/// What zarr-python 3.1.6 writes for `create_array` with the same words and `zarr_format=2`.
#[test]
fn documents_are_those_of_zarr_python() {
    let blosc = CodecMetadata::Blosc {
        compressor: BloscCompressor::Zstd,
        level: 5,
        shuffle: BloscShuffle::BitShuffle,
        typesize: 1,
        blocksize: 0,
    };
    let reversed = vec![
        CodecMetadata::Transpose { order: vec![1, 0] },
        CodecMetadata::Bytes { endian: Endian::Big },
        CodecMetadata::Shuffle { element_size: 2 },
        CodecMetadata::Zlib { level: 4 },
    ];
    let expected = [
        (
            with_fill(metadata(&[4, 6], &[2, 3], DataType::Int16, reversed), Numbers::Int16(vec![-999])),
            r#"{"shape": [4, 6], "chunks": [2, 3], "dtype": ">i2", "fill_value": -999, "order": "F", "filters": [{"id": "shuffle", "elementsize": 2}], "dimension_separator": ".", "compressor": {"id": "zlib", "level": 4}, "zarr_format": 2}"#,
        ),
        (
            with_fill(metadata(&[], &[], DataType::Float64, vec![LITTLE, ZSTD]), Numbers::Float64(vec![f64::NAN])),
            r#"{"shape": [], "chunks": [], "dtype": "<f8", "fill_value": "NaN", "order": "C", "filters": null, "dimension_separator": ".", "compressor": {"id": "zstd", "level": 3}, "zarr_format": 2}"#,
        ),
        (
            metadata(&[3], &[3], DataType::Bool, vec![LITTLE, blosc]),
            r#"{"shape": [3], "chunks": [3], "dtype": "|b1", "fill_value": null, "order": "C", "filters": null, "dimension_separator": ".", "compressor": {"id": "blosc", "cname": "zstd", "clevel": 5, "shuffle": 2, "blocksize": 0}, "zarr_format": 2}"#,
        ),
        (
            with_fill(metadata(&[3], &[3], DataType::Float32, vec![LITTLE]), Numbers::Float32(vec![f32::INFINITY])),
            r#"{"shape": [3], "chunks": [3], "dtype": "<f4", "fill_value": "Infinity", "order": "C", "filters": null, "dimension_separator": ".", "compressor": null, "zarr_format": 2}"#,
        ),
        (
            with_fill(
                metadata(&[3], &[3], DataType::Float32, vec![LITTLE, CodecMetadata::Gzip { level: 5 }]),
                Numbers::Float32(vec![1e20]),
            ),
            r#"{"shape": [3], "chunks": [3], "dtype": "<f4", "fill_value": 1.0000000200408773e+20, "order": "C", "filters": null, "dimension_separator": ".", "compressor": {"id": "gzip", "level": 5}, "zarr_format": 2}"#,
        ),
        (
            metadata(&[3], &[2], DataType::String, vec![CodecMetadata::VlenUtf8, ZSTD]),
            r#"{"shape": [3], "chunks": [2], "dtype": "|O", "fill_value": null, "order": "C", "filters": [{"id": "vlen-utf8"}], "dimension_separator": ".", "compressor": {"id": "zstd", "level": 3}, "zarr_format": 2}"#,
        ),
        (
            with_fill(metadata(&[3], &[2], DataType::UInt8, vec![LITTLE]), Numbers::UInt8(vec![255])),
            r#"{"shape": [3], "chunks": [2], "dtype": "|u1", "fill_value": 255, "order": "C", "filters": null, "dimension_separator": ".", "compressor": null, "zarr_format": 2}"#,
        ),
    ];
    for (metadata, text) in expected {
        let expected: Value = serde_json::from_str(text).unwrap();
        let documents = array_documents(&metadata, &At::nowhere()).unwrap();
        assert_eq!(documents.array, expected);
        assert_eq!(documents.attributes, json!({ DIMENSIONS: metadata.dimension_names }));
        assert_eq!(documents.reads_as.is_none(), expected["fill_value"].is_null());
    }
}

#[test]
fn a_fill_value_that_is_no_element_stays_an_attribute() {
    let bytes = metadata(&[3], &[3], DataType::UInt8, vec![LITTLE]);
    let documents = array_documents(&with_fill(bytes, Numbers::Int16(vec![-1])), &At::nowhere()).unwrap();
    assert_eq!(documents.array["fill_value"], Value::Null);
    assert_eq!(documents.attributes, json!({ "_FillValue": -1, DIMENSIONS: ["y"] }));
}

#[test]
fn filters_after_a_compressor_stay_in_their_order() {
    let codecs = vec![LITTLE, CodecMetadata::Zlib { level: 1 }, CodecMetadata::Fletcher32];
    let documents = array_documents(&metadata(&[3], &[3], DataType::Int32, codecs), &At::nowhere()).unwrap();
    assert_eq!(documents.array["filters"], json!([{ "id": "zlib", "level": 1 }, { "id": "fletcher32" }]));
    assert_eq!(documents.array["compressor"], Value::Null);
}

#[test]
fn what_zarr_v2_cannot_say_is_refused() {
    let rotated = CodecMetadata::Transpose { order: vec![0, 1] };
    for codecs in
        [vec![rotated, LITTLE], vec![LITTLE, CodecMetadata::Crc32c], vec![ZSTD], vec![CodecMetadata::VlenUtf8]]
    {
        let refused = array_documents(&metadata(&[4, 4], &[2, 2], DataType::Int16, codecs), &At::nowhere());
        assert!(refused.unwrap_err().to_string().contains("Zarr v2"));
    }
}
