//! From the model to what is shown.

use super::{
    ArrayDescription, AttributeDescription, ChunkCounts, CodecDescription, DimensionDescription, GroupDescription,
    Inspected, Opened, Summary, VariableDescription, Verdict,
};
use firn_model::array::{
    Array, ArrayMetadata, AttributeValue, Attributes, ChunkEntry, ChunkManifest, CodecMetadata, DataType, Elements,
    FillValue, Numbers, Values,
};
use firn_model::combine::{VirtualVerdict, virtual_verdict_alone};
use firn_model::dataset::{Group, Node, NodePath, Refusal};
use indexmap::IndexMap;
use serde_json::{Value, json};

pub(super) fn describe(opened: &Opened) -> Inspected {
    let mut groups: Vec<GroupDescription> =
        opened.dataset.groups().map(|(path, group)| describe_group(path, group)).collect();
    let mut summary = Summary::default();
    for (path, node) in &opened.dataset.nodes {
        let variable = match node {
            Node::Group(_) => continue,
            Node::Array(array) => describe_array(&opened.url, path, array),
            Node::Refused(refusal) => describe_refusal(path, refusal),
        };
        match variable.verdict {
            Verdict::Virtual => summary.virtual_ += 1,
            Verdict::Copied { .. } => summary.copied += 1,
            Verdict::Transformable { .. } => summary.transformable += 1,
            Verdict::Refused { .. } => summary.refused += 1,
        }
        let parent = path.parent();
        if let Some(group) = groups.iter_mut().find(|group| group.path == parent.as_str()) {
            group.variables.push(variable);
        }
    }
    let version = opened.format.object.clone();
    Inspected {
        url: opened.url.clone(),
        format: opened.format.name.to_owned(),
        format_version: opened.format.version.clone(),
        size: version.as_ref().map(|version| version.size),
        etag: version.as_ref().and_then(|version| version.etag.clone()),
        last_modified: version.and_then(|version| version.last_modified),
        groups,
        summary,
        notes: opened.notes.iter().chain(&opened.dataset.notes).cloned().collect(),
    }
}

fn describe_group(path: &NodePath, group: &Group) -> GroupDescription {
    let dimensions = group.dimensions.iter().map(|(name, dimension)| DimensionDescription {
        name: name.clone(),
        size: dimension.size,
        unlimited: dimension.unlimited,
    });
    GroupDescription {
        path: path.as_str().to_owned(),
        dimensions: dimensions.collect(),
        attributes: describe_attributes(&group.attributes),
        variables: Vec::new(),
    }
}

fn describe_refusal(path: &NodePath, refusal: &Refusal) -> VariableDescription {
    VariableDescription {
        path: path.as_str().to_owned(),
        name: path.name().to_owned(),
        array: None,
        attributes: IndexMap::new(),
        verdict: refused(refusal.code, refusal.what.clone()),
    }
}

fn refused(code: &str, reason: String) -> Verdict {
    let fix = "leave it out with `select: {variables: [...]}` in a recipe".to_owned();
    Verdict::Refused { code: code.to_owned(), reason, fix }
}

fn describe_array(url: &str, path: &NodePath, array: &Array) -> VariableDescription {
    let metadata = &array.metadata;
    let grid_shape = match &array.manifest {
        ChunkManifest::Table(table) => table.grid_shape().to_vec(),
        _ => metadata.chunk_grid.grid_shape(&metadata.shape),
    };
    let described = ArrayDescription {
        data_type: metadata.data_type.name().to_owned(),
        dimensions: metadata.dimension_names.clone(),
        shape: metadata.shape.clone(),
        chunk_shape: metadata.chunk_grid.chunk_shape().map(<[u64]>::to_vec),
        grid_shape,
        fill_value: metadata.fill_value.as_ref().map(|fill| describe_fill(fill, metadata.data_type)),
        codecs: metadata.codecs.iter().map(describe_codec).collect(),
        chunks: count_chunks(&array.manifest),
        decoded_bytes: metadata.decoded_bytes(),
    };
    VariableDescription {
        path: path.as_str().to_owned(),
        name: path.name().to_owned(),
        array: Some(described),
        attributes: describe_attributes(&metadata.attributes),
        verdict: verdict(url, path, array),
    }
}

fn verdict(url: &str, path: &NodePath, array: &Array) -> Verdict {
    if let Some(codec) = undecodable(&array.metadata) {
        return refused("unsupported-codec", format!("firn does not decode the codec {codec:?}"));
    }
    match virtual_verdict_alone(url, path, array) {
        VirtualVerdict::References(_) => Verdict::Virtual,
        VirtualVerdict::Copied(reason) => Verdict::Copied { reason },
        VirtualVerdict::Refused(barrier) => {
            Verdict::Transformable { code: barrier.code.to_owned(), reason: barrier.what, fix: barrier.fix.to_owned() }
        }
    }
}

/// The first codec, inside of shards too, that this version cannot decode.
pub(crate) fn undecodable(metadata: &ArrayMetadata) -> Option<&str> {
    fn first(codecs: &[CodecMetadata]) -> Option<&str> {
        codecs.iter().find_map(|codec| match codec {
            CodecMetadata::Unknown { name, .. } => Some(name.as_str()),
            CodecMetadata::ShardingIndexed { codecs, .. } => first(codecs),
            _ => None,
        })
    }
    first(&metadata.codecs)
}

fn count_chunks(manifest: &ChunkManifest) -> Option<ChunkCounts> {
    let ChunkManifest::Table(table) = manifest else { return None };
    let mut counts = ChunkCounts { stored_bytes: table.stored_bytes(), ..ChunkCounts::default() };
    for linear in 0..table.len() as u64 {
        match table.entry(linear) {
            ChunkEntry::Stored { .. } | ChunkEntry::Inline(_) => counts.stored += 1,
            ChunkEntry::KnownEmpty => counts.empty += 1,
            ChunkEntry::Unknown => counts.unknown += 1,
        }
    }
    Some(counts)
}

fn describe_attributes(attributes: &Attributes) -> IndexMap<String, AttributeDescription> {
    attributes.iter().map(|(name, value)| (name.clone(), describe_attribute(value))).collect()
}

fn describe_attribute(value: &AttributeValue) -> AttributeDescription {
    let (data_type, value) = match value {
        AttributeValue::Text(text) => ("string", json!(text)),
        AttributeValue::Texts(texts) => ("string", json!(texts)),
        AttributeValue::Json(json) => ("json", json.clone()),
        AttributeValue::Numbers(numbers) => {
            let mut values = describe_numbers(numbers);
            let one = if values.len() == 1 { values.pop() } else { None };
            (numbers.data_type().name(), one.unwrap_or(Value::Array(values)))
        }
    };
    AttributeDescription { data_type: data_type.to_owned(), value }
}

fn describe_numbers(numbers: &Numbers) -> Vec<Value> {
    match numbers {
        Numbers::Int8(v) => v.iter().map(|x| json!(x)).collect(),
        Numbers::Int16(v) => v.iter().map(|x| json!(x)).collect(),
        Numbers::Int32(v) => v.iter().map(|x| json!(x)).collect(),
        Numbers::Int64(v) => v.iter().map(|x| json!(x)).collect(),
        Numbers::UInt8(v) => v.iter().map(|x| json!(x)).collect(),
        Numbers::UInt16(v) => v.iter().map(|x| json!(x)).collect(),
        Numbers::UInt32(v) => v.iter().map(|x| json!(x)).collect(),
        Numbers::UInt64(v) => v.iter().map(|x| json!(x)).collect(),
        Numbers::Float32(v) => v.iter().map(|x| float32(*x)).collect(),
        Numbers::Float64(v) => v.iter().map(|x| float(*x)).collect(),
    }
}

/// The shortest decimal that is this float32: `0.1`, not `0.10000000149011612`.
fn float32(value: f32) -> Value {
    value.to_string().parse().map_or_else(|_| float(f64::from(value)), float)
}

fn float(value: f64) -> Value {
    if value.is_finite() {
        json!(value)
    } else if value.is_nan() {
        json!("NaN")
    } else if value > 0.0 {
        json!("Infinity")
    } else {
        json!("-Infinity")
    }
}

fn describe_fill(fill: &FillValue, data_type: DataType) -> Value {
    let bytes = match fill {
        FillValue::Text(text) => return json!(text),
        FillValue::Fixed(bytes) => bytes.clone(),
    };
    let one = Values { data_type, shape: Vec::new(), elements: Elements::Fixed(bytes) };
    if data_type == DataType::Float32 {
        return one.to_f64().and_then(|v| v.first().copied()).map_or(Value::Null, |v| float32(v as f32));
    }
    if data_type == DataType::UInt64 {
        // Beyond the range of i64 too.
        return one.display(0).parse::<u64>().map_or_else(|_| json!(one.display(0)), |v| json!(v));
    }
    match (one.to_i64().and_then(|v| v.first().copied()), one.to_f64().and_then(|v| v.first().copied())) {
        (Some(integer), _) => json!(integer),
        (None, Some(number)) => float(number),
        (None, None) => Value::Null,
    }
}

fn describe_codec(codec: &CodecMetadata) -> CodecDescription {
    let configuration = match codec {
        CodecMetadata::Bytes { endian } => json!({"endian": endian}),
        CodecMetadata::Transpose { order } => json!({"order": order}),
        CodecMetadata::Zlib { level } | CodecMetadata::Gzip { level } => json!({"level": level}),
        CodecMetadata::Zstd { level, checksum } => json!({"level": level, "checksum": checksum}),
        CodecMetadata::Blosc { compressor, level, shuffle, typesize, blocksize } => json!({
            "cname": compressor, "clevel": level, "shuffle": shuffle, "typesize": typesize, "blocksize": blocksize,
        }),
        CodecMetadata::Shuffle { element_size } => json!({"elementsize": element_size}),
        CodecMetadata::ShardingIndexed { chunk_shape, codecs, index_codecs, index_at_end } => json!({
            "chunk_shape": chunk_shape,
            "codecs": codecs.iter().map(describe_codec).collect::<Vec<_>>(),
            "index_codecs": index_codecs.iter().map(describe_codec).collect::<Vec<_>>(),
            "index_location": if *index_at_end { "end" } else { "start" },
        }),
        CodecMetadata::Unknown { configuration, .. } => json!({"text": configuration}),
        // Codecs whose name says all.
        _ => json!({}),
    };
    CodecDescription { name: codec.name().to_owned(), configuration }
}
