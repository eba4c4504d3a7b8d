//! Prints what a reader sees in a file, as JSON: for comparing it in bulk with what other implementations see.
//!
//! `cargo run -p firn-formats --example dump -- FILE…`
#![allow(clippy::print_stdout, clippy::print_stderr)]

use firn_formats::hdf5;
use firn_model::array::chunk_grid::indices_of;
use firn_model::array::{Array, AttributeValue, Attributes, ChunkEntry, ChunkManifest, FillValue, Numbers, StoredAs};
use firn_model::dataset::{Dataset, Node};
use firn_model::diagnose::{At, Diagnose};
use firn_model::source::MemorySource;
use serde_json::{Value, json};

fn main() {
    for path in std::env::args().skip(1) {
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("{path}: {error}");
                continue;
            }
        };
        let source = MemorySource::new(&path, bytes);
        let value = match hdf5::open(&source, &At::url(&path)) {
            Ok(dataset) => dataset_json(&dataset),
            Err(error) => json!({"error": error.to_string(), "code": error.code()}),
        };
        println!("{}", json!({"file": path, "dataset": value}));
    }
}

fn dataset_json(dataset: &Dataset) -> Value {
    let nodes: Vec<Value> = dataset
        .nodes
        .iter()
        .map(|(path, node)| match node {
            Node::Group(group) => {
                let dimensions: Vec<Value> = group
                    .dimensions
                    .iter()
                    .map(|(name, d)| json!({"name": name, "size": d.size, "unlimited": d.unlimited}))
                    .collect();
                let attributes = attributes_json(&group.attributes);
                json!({"path": path.as_str(), "kind": "group", "dimensions": dimensions, "attributes": attributes})
            }
            Node::Array(array) => array_json(path.as_str(), array),
            Node::Refused(refusal) => {
                json!({"path": path.as_str(), "kind": "refused", "code": refusal.code, "what": refusal.what})
            }
        })
        .collect();
    json!({"nodes": nodes, "notes": dataset.notes})
}

fn array_json(path: &str, array: &Array) -> Value {
    let metadata = &array.metadata;
    let stored_as = match array.stored_as {
        StoredAs::Elements => json!("elements"),
        StoredAs::CharDimension { length, chunk_length } => json!({"char": [length, chunk_length]}),
        StoredAs::FixedText { length } => json!({"fixed": length}),
        StoredAs::FixedUtf32 { length, .. } => json!({"utf32": length}),
        StoredAs::Hdf5VlenText { offset_size } => json!({"vlen": offset_size}),
    };
    json!({
        "path": path,
        "kind": "array",
        "data_type": metadata.data_type.name(),
        "shape": metadata.shape,
        "chunk_shape": metadata.chunk_grid.chunk_shape(),
        "dimensions": metadata.dimension_names,
        "fill": match &metadata.fill_value {
            None => Value::Null,
            Some(FillValue::Fixed(bytes)) => json!({"le": bytes}),
            Some(FillValue::Text(text)) => json!({"text": text}),
        },
        "codecs": metadata.codecs.iter().map(|codec| format!("{codec:?}")).collect::<Vec<_>>(),
        "stored_as": stored_as,
        "attributes": attributes_json(&metadata.attributes),
        "chunks": chunks_json(&array.manifest),
    })
}

fn chunks_json(manifest: &ChunkManifest) -> Value {
    let ChunkManifest::Table(table) = manifest else { return Value::Null };
    let stored: Vec<Value> = indices_of(table.grid_shape())
        .filter_map(|indices| match table.get(&indices) {
            ChunkEntry::Stored { offset, length, filter_mask, .. } => {
                Some(json!([indices.0, offset, length, filter_mask]))
            }
            ChunkEntry::Inline(bytes) => Some(json!([indices.0, "inline", bytes.len(), 0])),
            ChunkEntry::KnownEmpty => None,
            ChunkEntry::Unknown => Some(json!([indices.0, "unknown", 0, 0])),
        })
        .collect();
    json!({"grid": table.grid_shape(), "stored": stored})
}

fn attributes_json(attributes: &Attributes) -> Value {
    let each = |(name, value): (&String, &AttributeValue)| {
        let (kind, value) = match value {
            AttributeValue::Text(text) => ("text", json!(text)),
            AttributeValue::Texts(texts) => ("string", json!(texts)),
            AttributeValue::Numbers(numbers) => (numbers.data_type().name(), numbers_json(numbers)),
            AttributeValue::Json(value) => ("json", value.clone()),
        };
        json!({"name": name, "type": kind, "value": value})
    };
    Value::Array(attributes.iter().map(each).collect())
}

fn numbers_json(numbers: &Numbers) -> Value {
    match numbers {
        Numbers::Int64(v) => json!(v),
        Numbers::UInt64(v) => json!(v),
        // JSON has no NaN and no infinity.
        other => Value::Array(
            other.to_f64().into_iter().map(|x| if x.is_finite() { json!(x) } else { json!(x.to_string()) }).collect(),
        ),
    }
}
