//! A store that zarr-python wrote (`golden/make_store.py`): its values, its documents, and what a foreign store may hold.
#![allow(clippy::unwrap_used, clippy::panic)]

use base64::Engine;
use blake2::{Blake2b, Digest, digest::consts::U32};
use bytes::Bytes;
use firn_formats::{FormatError, TextEncoding, open, read_array, read_subset, zarr};
use firn_model::array::{ArraySubset, AttributeValue, Elements, Numbers, Values};
use firn_model::dataset::{Dataset, Node, NodePath};
use firn_model::diagnose::{At, Category, Diagnose};
use firn_model::source::{ByteRange, ListedObject, MemoryReader, RangeReader, Source, SourceError, SourceVersion};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Objects in memory, and what was asked of them.
#[derive(Default)]
struct Store {
    objects: BTreeMap<String, Bytes>,
    listable: bool,
    asked: Arc<Mutex<Vec<(String, usize)>>>,
    calls: Arc<AtomicUsize>,
}

struct Counted {
    key: String,
    inner: MemoryReader,
    asked: Arc<Mutex<Vec<(String, usize)>>>,
    calls: Arc<AtomicUsize>,
}

impl RangeReader for Counted {
    fn size(&self) -> Result<u64, SourceError> {
        self.inner.size()
    }

    fn version(&self) -> Result<SourceVersion, SourceError> {
        self.inner.version()
    }

    fn read_ranges(&self, ranges: &[ByteRange]) -> Result<Vec<Bytes>, SourceError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let bytes = ranges.iter().map(|r| (r.end - r.start) as usize).sum();
        self.asked.lock().unwrap().push((self.key.clone(), bytes));
        self.inner.read_ranges(ranges)
    }
}

impl Source for Store {
    fn url(&self) -> &'static str {
        "s3://bucket/store"
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        let reader = |bytes: &Bytes| Counted {
            key: key.to_owned(),
            inner: MemoryReader::new(&format!("s3://bucket/store/{key}"), bytes.clone()),
            asked: self.asked.clone(),
            calls: self.calls.clone(),
        };
        Ok(self.objects.get(key).map(|bytes| Arc::new(reader(bytes)) as Arc<dyn RangeReader>))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        if !self.listable {
            return Err(SourceError::NotListable { at: At::url(self.url()), what: "HTTP has no listings".to_owned() });
        }
        let version = |bytes: &Bytes| SourceVersion { size: bytes.len() as u64, ..SourceVersion::default() };
        let keys = self.objects.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(keys.map(|(key, bytes)| ListedObject { key: key.clone(), version: version(bytes) }).collect())
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        Err(SourceError::Denied { at: At::url(url), what: "not in this test".to_owned() })
    }
}

fn golden(name: &str) -> Value {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap()
}

fn store() -> Store {
    let objects = golden("store.json");
    let decode = |value: &Value| base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap();
    let objects = objects.as_object().unwrap().iter().map(|(key, value)| (key.clone(), decode(value).into()));
    Store { objects: objects.collect(), listable: true, ..Store::default() }
}

fn at() -> At {
    At::url("s3://bucket/store")
}

fn node(path: &str) -> NodePath {
    NodePath::parse(path).unwrap()
}

fn read(store: &Store, dataset: &Dataset, path: &str) -> Values {
    let array = dataset.array(&node(path)).unwrap_or_else(|| panic!("{path}: {:?}", dataset.nodes.get(&node(path))));
    read_array(store, array, TextEncoding::Utf8, &at().node(path)).unwrap()
}

fn check_values(store: &Store, dataset: &Dataset) {
    for (path, expected) in golden("values.json").as_object().unwrap() {
        match read(store, dataset, path).elements {
            Elements::Fixed(bytes) => {
                let digest = Blake2b::<U32>::digest(&bytes);
                let hex = digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
                assert_eq!(hex, expected["blake2b"], "{path}");
            }
            Elements::Text(texts) => assert_eq!(json!(texts), expected["texts"], "{path}"),
        }
    }
}

#[test]
fn values_are_those_that_zarr_python_reads() {
    let store = store();
    check_values(&store, &open(&store, &at()).unwrap());
}

#[test]
fn a_store_that_is_not_consolidated_is_walked() {
    let mut store = store();
    let consolidated = open(&store, &at()).unwrap();
    let mut root: Value = serde_json::from_slice(&store.objects["zarr.json"].to_vec().replace_nan()).unwrap();
    root.as_object_mut().unwrap().remove("consolidated_metadata");
    store.objects.insert("zarr.json".to_owned(), serde_json::to_vec(&root).unwrap().into());
    let walked = open(&store, &at()).unwrap();
    let names = |d: &Dataset| d.nodes.keys().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(names(&walked), names(&consolidated));
    check_values(&store, &walked);
    store.listable = false;
    assert_eq!(open(&store, &at()).unwrap_err().category(), Category::Unsupported);
}

/// serde_json knows no bare NaN.
trait ReplaceNan {
    fn replace_nan(self) -> Vec<u8>;
}

impl ReplaceNan for Vec<u8> {
    fn replace_nan(self) -> Vec<u8> {
        String::from_utf8(self).unwrap().replace("NaN", "0").into_bytes()
    }
}

#[test]
fn documents_are_written_as_zarr_python_writes_them() {
    let store = store();
    let dataset = open(&store, &at()).unwrap();
    let mut compared = 0;
    for (path, array) in dataset.arrays() {
        // These say something that is never written: other chunk keys, no names, an empty chunk.
        if ["dotted", "v2_keys", "unnamed", "empty", "scalar", "scalar_text"].contains(&path.name()) {
            continue;
        }
        let theirs: Value = serde_json::from_slice(&store.objects[&format!("{}/zarr.json", path.as_key())]).unwrap();
        let ours = zarr::array_document(&array.metadata, &at()).unwrap();
        assert_eq!(ours.to_string(), theirs.to_string(), "{path}");
        compared += 1;
    }
    assert!(compared > 20);
    let (path, group) = dataset.groups().find(|(path, _)| path.name() == "group").unwrap();
    let theirs: Value = serde_json::from_slice(&store.objects[&format!("{}/zarr.json", path.as_key())]).unwrap();
    assert_eq!(zarr::group_document(&group.attributes, &at()).unwrap().to_string(), theirs.to_string());
}

#[test]
fn a_consolidated_root_is_read_as_it_was_written() {
    let store = store();
    let dataset = open(&store, &at()).unwrap();
    let mut nodes = Vec::new();
    for (path, node) in dataset.nodes.iter().filter(|(path, _)| !path.is_root()) {
        let document = match node {
            Node::Group(group) => zarr::group_document(&group.attributes, &at()),
            Node::Array(array) => zarr::array_document(&array.metadata, &at()),
            Node::Refused(refusal) => panic!("{refusal:?}"),
        };
        nodes.push((path.clone(), document.unwrap()));
    }
    let root = zarr::group_document(&dataset.group(&NodePath::root()).unwrap().attributes, &at()).unwrap();
    let root = zarr::consolidated_document(&root, &nodes);
    assert_eq!(
        root.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["attributes", "zarr_format", "consolidated_metadata", "node_type"]
    );
    let theirs: Value = serde_json::from_slice(&store.objects["zarr.json"].to_vec().replace_nan()).unwrap();
    for key in ["int16", "text", "group", "group/inner", "group/sharded"] {
        let entry = |root: &Value| root["consolidated_metadata"]["metadata"][key].to_string();
        assert_eq!(entry(&root).replace("NaN", "0"), entry(&theirs), "{key}");
    }
    let objects = BTreeMap::from([("zarr.json".to_owned(), serde_json::to_vec(&root).unwrap().into())]);
    let again = open(&Store { objects, ..Store::default() }, &at()).unwrap();
    for (path, array) in again.arrays() {
        let before = &dataset.array(path).unwrap().metadata;
        assert_eq!((&array.metadata.shape, &array.metadata.codecs), (&before.shape, &before.codecs), "{path}");
        assert_eq!(array.metadata.fill_value, before.fill_value, "{path}");
    }
}

#[test]
fn attributes_keep_value_and_kind() {
    let dataset = open(&store(), &at()).unwrap();
    let attributes = &dataset.group(&NodePath::root()).unwrap().attributes;
    let floats = |v| AttributeValue::Numbers(Numbers::Float64(v));
    for (name, value) in [
        ("title", AttributeValue::Text("Schnee ❄".to_owned())),
        ("count", AttributeValue::Numbers(Numbers::Int64(vec![3]))),
        ("ratio", floats(vec![1.0])),
        ("tiny", floats(vec![1e-7])),
        ("flags", AttributeValue::Numbers(Numbers::Int64(vec![1, 2, 3]))),
        ("range", floats(vec![0.5, f64::NAN])),
        ("nan", floats(vec![f64::NAN])),
        ("words", AttributeValue::Texts(vec!["a".to_owned(), "b".to_owned()])),
        ("nested", AttributeValue::Json(json!({ "a": [1, { "b": null }] }))),
        ("yes", AttributeValue::Json(json!(true))),
    ] {
        assert!(attributes[name].same(&value), "{name}: {:?}", attributes[name]);
    }
}

#[test]
fn a_box_of_a_shard_takes_its_inner_chunks_alone() {
    let store = store();
    let dataset = open(&store, &at()).unwrap();
    let array = dataset.array(&node("group/sharded")).unwrap();
    let whole = read(&store, &dataset, "group/sharded").to_f64().unwrap();
    let subset = ArraySubset { start: vec![3, 4], shape: vec![2, 2] };
    store.asked.lock().unwrap().clear();
    let part = read_subset(&store, array, &subset, TextEncoding::Utf8, &at()).unwrap().to_f64().unwrap();
    let expected: Vec<f64> = [34, 35, 44, 45].iter().map(|i| whole[*i]).collect();
    assert_eq!(part, expected);
    let asked = store.asked.lock().unwrap();
    let shard = store.objects["group/sharded/c/0/0"].len();
    let read: usize = asked.iter().filter(|(key, _)| key == "group/sharded/c/0/0").map(|(_, bytes)| bytes).sum();
    assert!(read < shard, "{read} of {shard} bytes were read");
}

#[test]
fn every_box_is_the_same_part_of_the_whole() {
    let store = store();
    let dataset = open(&store, &at()).unwrap();
    for path in ["int16", "nan_fill", "transposed", "big_endian", "group/sharded", "group/inner/partly", "float_fill"] {
        let array = dataset.array(&node(path)).unwrap();
        let whole = read(&store, &dataset, path);
        let narrow = (0..7).flat_map(|y| (0..10).map(move |x| (vec![y, x], vec![7 - y, (10 - x).min(4)])));
        // All of one shard, and of the next so little that its index is read.
        let wide = (0..7).flat_map(|y| (1..=7 - y).map(move |rows| (vec![y, 0], vec![rows, 10])));
        for (start, shape) in narrow.chain(wide) {
            let subset = ArraySubset { start: start.clone(), shape: shape.clone() };
            let part = read_subset(&store, array, &subset, TextEncoding::Utf8, &at()).unwrap();
            for i in 0..part.len() {
                let (y, x) = (start[0] as usize + i / shape[1] as usize, start[1] as usize + i % shape[1] as usize);
                assert_eq!(part.element_bytes(i), whole.element_bytes(y * 10 + x), "{path} {start:?} {shape:?}");
            }
        }
    }
}

#[test]
fn a_text_box_is_the_same_part_of_the_whole() {
    let store = store();
    let dataset = open(&store, &at()).unwrap();
    for path in ["text", "group/sharded_text"] {
        let array = dataset.array(&node(path)).unwrap();
        let subset = ArraySubset { start: vec![1, 3], shape: vec![4, 4] };
        let part = read_subset(&store, array, &subset, TextEncoding::Utf8, &at()).unwrap();
        let Elements::Text(whole) = read(&store, &dataset, path).elements else { panic!("{path} is no text") };
        let expected: Vec<String> = (1..5).flat_map(|y| whole[y * 10 + 3..y * 10 + 7].iter().cloned()).collect();
        assert_eq!(part.elements, Elements::Text(expected), "{path}");
    }
}

#[test]
fn an_absent_chunk_is_the_fill_value() {
    let mut store = store();
    store.objects.remove("text/c/0/0");
    store.objects.remove("nan_fill/c/1/1");
    let dataset = open(&store, &at()).unwrap();
    let Elements::Text(texts) = read(&store, &dataset, "text").elements else { panic!("no text") };
    assert_eq!(&texts[..6], ["none", "none", "none", "none", "none", "text 5"]);
    let values = read(&store, &dataset, "nan_fill").to_f64().unwrap();
    assert!(values[25].is_nan() && values[24] == 32.0);
}

#[test]
fn what_is_not_read_yet_is_refused_array_by_array() {
    let mut store = store();
    let base: Value = serde_json::from_slice(&store.objects["int16/zarr.json"]).unwrap();
    let with = |key: &str, value: Value| {
        let mut document = base.clone();
        document[key] = value;
        document
    };
    let shard = |codecs: Value| {
        json!({ "name": "sharding_indexed", "configuration": { "chunk_shape": base["chunk_grid"]["configuration"]["chunk_shape"],
            "codecs": codecs, "index_codecs": [{ "name": "bytes" }] } })
    };
    let text = |codecs: Value| {
        let mut document = with("codecs", codecs);
        document["data_type"] = json!("string");
        document["fill_value"] = json!("");
        document
    };
    let cases = [
        ("a", with("data_type", json!({ "name": "numpy.datetime64" })), "unsupported-data-type"),
        ("b", with("chunk_grid", json!({ "name": "rectilinear", "configuration": {} })), "unsupported-chunk-grid"),
        ("c", with("storage_transformers", json!([{ "name": "x" }])), "unsupported-zarr-extension"),
        ("d", with("magic", json!({ "must_understand": true })), "unsupported-zarr-extension"),
        ("e", with("codecs", json!([{ "name": "vlen-utf8" }])), "unsupported-codec"),
        ("f", with("codecs", json!([shard(json!([{ "name": "vlen-utf8" }]))])), "unsupported-codec"),
        ("g", text(json!([{ "name": "bytes" }])), "unsupported-codec"),
        ("h", text(json!([{ "name": "zstd" }])), "unsupported-codec"),
        ("i", text(json!([shard(json!([{ "name": "bytes" }]))])), "unsupported-codec"),
    ];
    let documents: serde_json::Map<String, Value> =
        cases.iter().map(|(name, document, _)| ((*name).to_owned(), document.clone())).collect();
    let root = json!({ "zarr_format": 3, "node_type": "group", "attributes": {},
        "consolidated_metadata": { "kind": "inline", "must_understand": false, "metadata": documents } });
    store.objects.insert("zarr.json".to_owned(), root.to_string().into());
    let dataset = open(&store, &at()).unwrap();
    for (name, _, code) in cases {
        match dataset.nodes.get(&node(name)) {
            Some(Node::Refused(refusal)) => assert_eq!(refusal.code, code),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn hostile_documents_are_refused() {
    let valid = golden("store.json");
    let int16 = base64::engine::general_purpose::STANDARD.decode(valid["int16/zarr.json"].as_str().unwrap()).unwrap();
    let base: Value = serde_json::from_slice(&int16).unwrap();
    let with = |key: &str, value: Value| {
        let mut document = base.clone();
        document[key] = value;
        document
    };
    for (name, document) in [
        ("../x", base.clone()),
        ("a/../../x", base.clone()),
        (".zx", base.clone()),
        ("shape", with("shape", json!([-1, 10]))),
        ("shape", with("shape", json!([7, 10, 3]))),
        ("shape", with("chunk_grid", json!({ "name": "regular", "configuration": { "chunk_shape": [0, 5] } }))),
        ("fill", with("fill_value", json!("not a number"))),
        ("codecs", with("codecs", json!({}))),
        ("names", with("dimension_names", json!(["y"]))),
        ("type", with("node_type", json!("folder"))),
    ] {
        let root = json!({ "zarr_format": 3, "node_type": "group",
            "consolidated_metadata": { "metadata": { name: document } } });
        let objects = BTreeMap::from([("zarr.json".to_owned(), root.to_string().into())]);
        let error = open(&Store { objects, ..Store::default() }, &at()).unwrap_err();
        assert_eq!(error.category(), Category::Corrupt, "{name}: {error}");
    }
}

#[test]
fn a_huge_array_that_does_not_exist_is_not_allocated() {
    let mut store = store();
    let mut document: Value = serde_json::from_slice(&store.objects["int16/zarr.json"]).unwrap();
    document["shape"] = json!([1u64 << 40, 1u64 << 20]);
    let root = json!({ "zarr_format": 3, "node_type": "group",
        "consolidated_metadata": { "metadata": { "int16": document } } });
    store.objects.insert("zarr.json".to_owned(), root.to_string().into());
    let dataset = open(&store, &at()).unwrap();
    let array = dataset.array(&node("int16")).unwrap();
    let error = read_array(&store, array, TextEncoding::Utf8, &at()).unwrap_err();
    assert!(matches!(error, FormatError::Limit { .. }), "{error}");
    let corner = ArraySubset { start: vec![(1 << 40) - 1, (1 << 20) - 1], shape: vec![1, 1] };
    assert!(read_subset(&store, array, &corner, TextEncoding::Utf8, &at()).is_ok());
}
