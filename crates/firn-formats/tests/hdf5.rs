//! HDF5 files beside what netCDF4-python and h5py see in them (`testdata/expected`), and two files made by
//! `golden/make_hdf5.py` for what no bundled file has.
#![allow(clippy::unwrap_used, clippy::panic)]

use firn_formats::hdf5;
use firn_model::array::chunk_grid::{indices_of, to_linear};
use firn_model::array::{
    Array, AttributeValue, Attributes, ChunkEntry, ChunkIndices, ChunkManifest, ChunkTable, CodecMetadata, DataType,
    FillValue, Numbers, StoredAs,
};
use firn_model::dataset::{Dataset, Node, NodePath};
use firn_model::diagnose::{At, Diagnose};
use firn_model::source::{ByteRange, MemorySource, RangeReader, Source, SourceError, SourceVersion};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

fn open(path: &Path) -> Result<Dataset, firn_formats::FormatError> {
    let url = path.to_string_lossy().into_owned();
    hdf5::open(&MemorySource::new(&url, std::fs::read(path).unwrap()), &At::url(&url))
}

fn golden(name: &str) -> (Dataset, Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    (open(&path).unwrap(), std::fs::read(path).unwrap())
}

/// Each bundled HDF5 file, as firn and as the others see it. Files that firn refuses as a whole are left out.
fn all_files() -> Vec<(String, Dataset, Value)> {
    let mut all = Vec::new();
    for folder in ["hdf5", "netcdf4", "nemo", "hdf5_hostile"] {
        for entry in std::fs::read_dir(testdata().join("expected").join(folder)).unwrap() {
            let json = entry.unwrap().path();
            let name = format!("{folder}/{}", json.file_stem().unwrap().to_string_lossy());
            match open(&testdata().join(&name)) {
                Ok(dataset) => {
                    all.push((name, dataset, serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap()));
                }
                Err(error) => assert_eq!(name, "hdf5_hostile/bad_chunk_ndims.h5", "{error}"),
            }
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(all.len() > 70);
    all
}

fn table(array: &Array) -> &ChunkTable {
    let ChunkManifest::Table(table) = &array.manifest else { panic!("not a table") };
    table
}

/// Where netCDF-C and HDF5 itself disagree, and firn follows HDF5: two dimensions of different groups carry the same
/// `_Netcdf4Dimid`, so netCDF-C gives those of the root the length of the other.
const MISREAD: &str = "netcdf4/nc4_groups.nc";

#[test]
fn dimensions_are_those_of_netcdf4_python() {
    let mut seen = 0;
    for (name, dataset, expected) in all_files() {
        for group in expected["netcdf"]["groups"].as_array().unwrap_or(&vec![]) {
            let path = NodePath::parse(group["path"].as_str().unwrap()).unwrap();
            let found: Vec<Value> = dataset.group(&path).unwrap().dimensions.iter().map(dimension).collect();
            if name != MISREAD || !path.is_root() {
                assert_eq!(Value::from(found), group["dimensions"], "{name} {path}");
                seen += 1;
            }
        }
    }
    assert!(seen > 70, "{seen}");
}

fn dimension((name, dimension): (&String, &firn_model::dataset::Dimension)) -> Value {
    json!({"name": name, "size": dimension.size, "unlimited": dimension.unlimited})
}

#[test]
fn variables_are_those_of_netcdf4_python_in_its_order() {
    let mut seen = 0;
    for (name, dataset, expected) in all_files() {
        for group in expected["netcdf"]["groups"].as_array().unwrap_or(&vec![]) {
            let path = NodePath::parse(group["path"].as_str().unwrap()).unwrap();
            let variables = group["variables"].as_array().unwrap();
            let wanted: Vec<&str> = variables.iter().map(|v| v["name"].as_str().unwrap()).collect();
            let is_child =
                |(child, node): &(&NodePath, &Node)| child.parent() == path && !matches!(node, Node::Group(_));
            let shown = dataset.nodes.iter().filter(is_child).map(|(child, _)| child.name());
            let found: Vec<&str> = shown.filter(|name| wanted.contains(name)).collect();
            assert_eq!(found, wanted, "{name} {path}");
            for variable in variables {
                let child = NodePath::parse(&format!("{path}/{}", variable["name"].as_str().unwrap())).unwrap();
                match dataset.array(&child) {
                    Some(array) if name != MISREAD || !path.is_root() => check_variable(&name, &child, array, variable),
                    _ => {}
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 200, "{seen}");
}

fn check_variable(file: &str, path: &NodePath, array: &Array, expected: &Value) {
    let metadata = &array.metadata;
    let mut shape = metadata.shape.clone();
    let mut names = expected["dimensions"].as_array().unwrap().clone();
    let data_type = match array.stored_as {
        StoredAs::CharDimension { length, .. } => {
            shape.push(length);
            names.pop();
            "char"
        }
        StoredAs::FixedText { length: 1 } => "char",
        _ => metadata.data_type.name(),
    };
    assert_eq!(data_type, expected["dtype"], "{file} {path}");
    assert_eq!(json!(shape), expected["shape"], "{file} {path}");
    assert_eq!(json!(metadata.dimension_names), json!(names), "{file} {path}");
    check_attributes(file, path, &metadata.attributes, expected);
}

/// Attributes that netCDF-C does not show (an enumeration in foreign byte order) or misreads (an integer of 16 bytes).
const ODD_ATTRIBUTES: [&str; 2] = ["created_on_s390x", "ref_time"];

fn check_attributes(file: &str, path: &NodePath, found: &Attributes, owner: &Value) {
    let is_flag = |name: &str| owner.get("enum").is_some_and(|e| !e.is_null()) && name.starts_with("flag_");
    let ours: Vec<Value> = found
        .iter()
        .filter(|(name, _)| !is_flag(name) && !ODD_ATTRIBUTES.contains(&name.as_str()))
        .map(|(name, value)| attribute(name, value))
        .collect();
    let expected = owner["attributes"].as_array().unwrap();
    let theirs: Vec<Value> =
        expected.iter().filter(|a| !ODD_ATTRIBUTES.contains(&a["name"].as_str().unwrap())).cloned().collect();
    assert_eq!(ours, theirs, "{file} {path}");
}

/// As `testdata/README.md` writes it.
fn attribute(name: &str, value: &AttributeValue) -> Value {
    let (kind, value) = match value {
        AttributeValue::Text(text) => ("text", json!(text)),
        AttributeValue::Texts(texts) => ("string", json!(texts)),
        AttributeValue::Numbers(numbers) => (numbers.data_type().name(), numbers_json(numbers)),
        AttributeValue::Json(json) => ("json", json.clone()),
    };
    json!({"name": name, "type": kind, "value": value})
}

fn numbers_json(numbers: &Numbers) -> Value {
    let float = |x: f64| match x {
        x if x.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        x => json!(x),
    };
    match numbers {
        Numbers::Int8(v) => json!(v),
        Numbers::Int16(v) => json!(v),
        Numbers::Int32(v) => json!(v),
        Numbers::Int64(v) => json!(v),
        Numbers::UInt8(v) => json!(v),
        Numbers::UInt16(v) => json!(v),
        Numbers::UInt32(v) => json!(v),
        Numbers::UInt64(v) => json!(v),
        floats => floats.to_f64().into_iter().map(float).collect(),
    }
}

#[test]
fn group_attributes_are_those_of_netcdf4_python() {
    let mut seen = 0;
    for (name, dataset, expected) in all_files() {
        for group in expected["netcdf"]["groups"].as_array().unwrap_or(&vec![]) {
            let path = NodePath::parse(group["path"].as_str().unwrap()).unwrap();
            let found = &dataset.group(&path).unwrap().attributes;
            check_attributes(&name, &path, found, group);
            seen += found.len();
        }
    }
    assert!(seen > 150, "{seen}");
}

/// `(chunks, datasets)` compared.
fn check_chunks(name: &str, dataset: &Dataset, expected: &Value) -> (usize, usize) {
    let (mut chunks, mut datasets) = (0, 0);
    for object in expected["hdf5"]["objects"].as_array().unwrap_or(&vec![]) {
        let path = object["path"].as_str().unwrap();
        // A variable takes the place of the placeholder that stands for its dimension alone.
        let has_placeholder = expected["hdf5"]["objects"]
            .as_array()
            .unwrap()
            .iter()
            .any(|o| o["path"].as_str().unwrap().replace("_nc4_non_coord_", "") == path && o["path"] != path);
        let node = NodePath::parse(&path.replace("_nc4_non_coord_", "")).unwrap();
        let Some(array) = dataset.array(&node).filter(|_| !has_placeholder) else { continue };
        let table = table(array);
        let found: Vec<Value> = indices_of(table.grid_shape())
            .filter_map(|indices| match table.get(&indices) {
                ChunkEntry::Stored { offset, length, filter_mask, .. } => {
                    Some(json!([indices.0, offset, length, filter_mask]))
                }
                ChunkEntry::Inline(bytes) => Some(json!([indices.0, "inline", bytes.len(), 0])),
                ChunkEntry::KnownEmpty => None,
                ChunkEntry::Unknown => panic!("{name} {path}: an unknown chunk"),
            })
            .collect();
        let empty = object["offset"].is_null() || object["storage_size"] == 0;
        let mut wanted: Vec<Value> = match object["layout"].as_str().unwrap() {
            "chunked" => {
                let shape: Vec<u64> = serde_json::from_value(object["chunk_shape"].clone()).unwrap();
                object["chunks"].as_array().unwrap().iter().map(|chunk| in_chunks(chunk, &shape)).collect()
            }
            "compact" => vec![json!([vec![0; table.grid_shape().len()], "inline", object["storage_size"], 0])],
            _ if empty => vec![],
            _ => {
                vec![json!([vec![0; table.grid_shape().len()], object["offset"], object["storage_size"], 0])]
            }
        };
        let key = |chunk: &Value| serde_json::from_value::<Vec<u64>>(chunk[0].clone()).unwrap();
        wanted.sort_by_key(key);
        chunks += found.len();
        datasets += 1;
        assert_eq!(found, wanted, "{name} {path}");
    }
    (chunks, datasets)
}

fn in_chunks(chunk: &Value, shape: &[u64]) -> Value {
    let start: Vec<u64> = serde_json::from_value(chunk[0].clone()).unwrap();
    let index: Vec<u64> = start.iter().zip(shape).map(|(start, extent)| start / extent).collect();
    json!([index, chunk[1], chunk[2], chunk[3]])
}

#[test]
fn chunk_tables_are_those_of_h5py() {
    let (mut chunks, mut datasets) = (0, 0);
    for (name, dataset, expected) in all_files() {
        let (c, d) = check_chunks(&name, &dataset, &expected);
        chunks += c;
        datasets += d;
    }
    assert!(chunks > 5000 && datasets > 200, "{chunks} {datasets}");
}

#[test]
fn every_dataset_is_an_array_or_refused_by_name() {
    for (name, dataset, expected) in all_files() {
        for object in expected["hdf5"]["objects"].as_array().unwrap_or(&vec![]) {
            let path = NodePath::parse(&object["path"].as_str().unwrap().replace("_nc4_non_coord_", "")).unwrap();
            let is_placeholder = object["attributes"].as_array().unwrap().iter().any(|attribute| {
                attribute["value"][0]
                    .as_str()
                    .is_some_and(|text| text.starts_with("This is a netCDF dimension but not"))
            });
            match dataset.nodes.get(&path) {
                Some(Node::Refused(refusal)) => {
                    assert!(refusal.code.starts_with("unsupported-hdf5-"), "{name} {path} {}", refusal.code);
                }
                Some(_) => {}
                None => assert!(is_placeholder || object["kind"] == "datatype", "{name} {path} is lost"),
            }
        }
    }
}

/// The numbers that the chunk at these indices holds at each of its places inside of the array.
fn check_numbers(path: &NodePath, array: &Array, file: &[u8]) {
    let table = table(array);
    let metadata = &array.metadata;
    let size = metadata.data_type.size().unwrap();
    let chunk_shape = metadata.chunk_grid.chunk_shape().unwrap();
    for indices in indices_of(table.grid_shape()) {
        let bytes = match table.get(&indices) {
            ChunkEntry::Stored { offset, length, .. } => &file[offset as usize..][..length as usize],
            ChunkEntry::Inline(bytes) => &bytes[..],
            _ => continue,
        };
        let subset = metadata.chunk_grid.chunk_subset(&indices, &metadata.shape).unwrap();
        for place in indices_of(&subset.shape) {
            let at = to_linear(&place, chunk_shape).unwrap() as usize * size;
            let cell: Vec<u64> = place.0.iter().zip(&subset.start).map(|(p, s)| p + s).collect();
            let number = to_linear(&ChunkIndices(cell), &metadata.shape).unwrap().to_le_bytes();
            assert_eq!(bytes[at..at + size], number[..size], "{path}, chunk {indices:?}, place {place:?}");
        }
    }
}

#[test]
fn every_index_finds_the_chunk_that_holds_the_numbers_of_its_place() {
    let (dataset, file) = golden("hdf5_indices.h5");
    let mut found = Vec::new();
    for (path, array) in dataset.arrays() {
        let whole = array.metadata.chunk_grid.num_chunks(&array.metadata.shape).unwrap();
        let stored = table(array).num_stored();
        assert_eq!(stored, if path.name() == "extensible_sparse" { 6 } else { whole }, "{path}");
        check_numbers(path, array, &file);
        found.push(path.name());
    }
    assert_eq!(found.len(), 14, "{found:?}");
}

fn node<'a>(dataset: &'a Dataset, path: &str) -> &'a Node {
    dataset.nodes.get(&NodePath::parse(path).unwrap()).unwrap_or_else(|| panic!("{path}"))
}

fn array<'a>(dataset: &'a Dataset, path: &str) -> &'a Array {
    dataset.array(&NodePath::parse(path).unwrap()).unwrap_or_else(|| panic!("{path}: {:?}", node(dataset, path)))
}

#[test]
fn links_are_followed_unless_they_lead_in_circles_or_away() {
    let (dataset, _) = golden("hdf5_structure.h5");
    assert_eq!(table(array(&dataset, "/soft")), table(array(&dataset, "/target")));
    assert_eq!(table(array(&dataset, "/loop/target_again")), table(array(&dataset, "/target")));
    for gone in ["/circle", "/dangling", "/loop/up"] {
        assert!(!dataset.nodes.contains_key(&NodePath::parse(gone).unwrap()), "{gone}");
        assert!(dataset.notes.iter().any(|note| note.starts_with(&format!("{gone} is a link"))), "{gone}");
    }
}

#[test]
fn what_is_not_read_is_refused_variable_by_variable() {
    let (dataset, _) = golden("hdf5_structure.h5");
    let refused: Vec<(&str, &str)> = dataset.refusals().map(|(path, refusal)| (path.name(), refusal.code)).collect();
    assert_eq!(
        refused,
        [
            ("complex", "unsupported-hdf5-compound"),
            ("external", "unsupported-hdf5-external-data"),
            ("lzf", "unsupported-hdf5-filter"),
            ("null", "unsupported-hdf5-null-dataspace"),
            ("scaleoffset", "unsupported-hdf5-filter"),
            ("short_without_fill", "unsupported-hdf5-short-variable"),
            ("virtual", "unsupported-hdf5-virtual-dataset"),
            ("outside", "unsupported-hdf5-external-link"),
        ]
    );
    let Node::Refused(lzf) = node(&dataset, "/lzf") else { panic!() };
    assert!(lzf.what.contains("32000 (lzf)"), "{}", lzf.what);
}

#[test]
fn types_become_what_the_model_has() {
    let (dataset, _) = golden("hdf5_structure.h5");
    assert_eq!(array(&dataset, "/bool").metadata.data_type, DataType::Bool);
    assert_eq!(array(&dataset, "/half").metadata.data_type, DataType::Float16);
    let kinds = array(&dataset, "/enum");
    assert_eq!(kinds.metadata.data_type, DataType::UInt16);
    let attributes = &kinds.metadata.attributes;
    assert_eq!(attributes["flag_values"], AttributeValue::Numbers(Numbers::UInt16(vec![1, 2])));
    assert_eq!(attributes["flag_meanings"].as_text(), Some("clear_sky cloud"));
    let chars = array(&dataset, "/chars");
    assert_eq!(chars.stored_as, StoredAs::CharDimension { length: 2, chunk_length: 2 });
    assert_eq!((chars.metadata.shape.as_slice(), table(chars).grid_shape()), ([2].as_slice(), [1, 1].as_slice()));
    assert_eq!(
        array(&dataset, "/big_fill").metadata.fill_value,
        Some(FillValue::Fixed((-7i16).to_le_bytes().to_vec()))
    );
    assert_eq!(array(&dataset, "/text_fill").metadata.fill_value, Some(FillValue::Text("none".to_owned())));
}

#[test]
fn a_skipped_filter_is_in_the_mask_of_its_chunk() {
    let (dataset, _) = golden("hdf5_structure.h5");
    let masked = array(&dataset, "/masked");
    let masks: Vec<u32> = (0..2)
        .map(|chunk| match table(masked).entry(chunk) {
            ChunkEntry::Stored { filter_mask, .. } => filter_mask,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(masks, [3, 0]);
    let names: Vec<&str> = masked.metadata.codecs.iter().map(CodecMetadata::name).collect();
    assert_eq!(names, ["bytes", "numcodecs.shuffle", "numcodecs.zlib"]);
}

#[test]
fn a_variable_shorter_than_its_unlimited_dimension_is_filled_up() {
    let (dataset, _) = golden("hdf5_structure.h5");
    let short = array(&dataset, "/short");
    assert_eq!(
        (short.metadata.shape.as_slice(), short.metadata.dimension_names.as_slice()),
        ([7].as_slice(), ["time".to_owned()].as_slice())
    );
    assert_eq!((table(short).len(), table(short).num_stored()), (4, 1));
    assert_eq!(short.metadata.fill_value, Some(FillValue::Fixed((-1i32).to_le_bytes().to_vec())));
}

#[test]
fn tracked_creation_order_is_the_order_of_nodes_and_attributes() {
    let (dataset, _) = golden("hdf5_structure.h5");
    let wanted: Vec<String> = (0..20).map(|n| (n * 7 % 20).to_string()).collect();
    let path = NodePath::parse("/ordered").unwrap();
    let variables = dataset.arrays().filter(|(child, _)| child.parent() == path).map(|(child, _)| child.name());
    assert_eq!(variables.map(|name| name[1..].to_owned()).collect::<Vec<_>>(), wanted);
    let attributes = dataset.group(&path).unwrap().attributes.keys().map(|name| name[1..].to_owned());
    assert_eq!(attributes.collect::<Vec<_>>(), wanted);
}

#[test]
fn texts_that_are_not_utf8_are_latin1_and_noted() {
    let (dataset, _) = golden("hdf5_structure.h5");
    assert_eq!(array(&dataset, "/target").metadata.attributes["latin"].as_text(), Some("café"));
    assert!(dataset.notes.iter().any(|note| note.contains("\"latin\" of /target is not UTF-8")));
    assert!(dataset.notes.iter().any(|note| note.contains("\"compound\" of /target is left out")));
}

#[test]
fn texts_of_variable_length_are_read_from_their_heap() {
    let path = testdata().join("hdf5/vlen_string_dset_utc.h5");
    let bytes = std::fs::read(&path).unwrap();
    let source = MemorySource::new("file:///vlen.h5", bytes.clone());
    let at = At::url("file:///vlen.h5");
    let dataset = hdf5::open(&source, &at).unwrap();
    let (_, array) = dataset.arrays().next().unwrap();
    let StoredAs::Hdf5VlenText { offset_size } = array.stored_as else { panic!("{:?}", array.stored_as) };
    let ChunkEntry::Stored { offset, length, .. } = table(array).entry(0) else { panic!() };
    let references = &bytes[offset as usize..][..length as usize];
    let reader = source.object("").unwrap().unwrap();
    let texts = hdf5::read_vlen_text(reader.as_ref(), &at, references, offset_size).unwrap();
    let json = std::fs::read(testdata().join("expected/hdf5/vlen_string_dset_utc.h5.json")).unwrap();
    let expected: Value = serde_json::from_slice(&json).unwrap();
    let values = &expected["netcdf"]["groups"][0]["variables"][0]["values"];
    assert_eq!(json!(texts.len()), values["count"]);
    let first: Vec<String> = texts.iter().take(4).map(|text| String::from_utf8(text.clone()).unwrap()).collect();
    assert_eq!(json!(first), values["first"]);
}

#[test]
fn references_that_lead_nowhere_are_corrupt() {
    let source = MemorySource::new("file:///v.h5", std::fs::read(testdata().join("hdf5/vlen_strings.h5")).unwrap());
    let reader = source.object("").unwrap().unwrap();
    let mut reference = 5u32.to_le_bytes().to_vec();
    reference.extend_from_slice(&7u64.to_le_bytes());
    reference.extend_from_slice(&1u32.to_le_bytes());
    let error = hdf5::read_vlen_text(reader.as_ref(), &At::url("file:///v.h5"), &reference, 8).unwrap_err();
    assert_eq!(error.code(), "format-corrupt", "{error}");
}

#[test]
fn a_cut_file_is_named_truncated() {
    let bytes = std::fs::read(testdata().join("netcdf4/air.nc")).unwrap();
    let half = bytes[..bytes.len() / 2].to_vec();
    let error = hdf5::open(&MemorySource::new("file:///cut.nc", half), &At::url("file:///cut.nc")).unwrap_err();
    assert_eq!(error.code(), "format-truncated");
}

/// Counts how often it is asked.
struct Counting {
    bytes: MemorySource,
    calls: Arc<AtomicUsize>,
}

struct CountingReader {
    reader: Arc<dyn RangeReader>,
    calls: Arc<AtomicUsize>,
}

impl Source for Counting {
    fn url(&self) -> &str {
        self.bytes.url()
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        let calls = Arc::clone(&self.calls);
        let reader = self.bytes.object(key)?;
        Ok(reader.map(|reader| Arc::new(CountingReader { reader, calls }) as Arc<dyn RangeReader>))
    }

    fn list(&self, prefix: &str) -> Result<Vec<firn_model::source::ListedObject>, SourceError> {
        self.bytes.list(prefix)
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        self.bytes.sibling(url)
    }
}

impl RangeReader for CountingReader {
    fn size(&self) -> Result<u64, SourceError> {
        self.reader.size()
    }

    fn version(&self) -> Result<SourceVersion, SourceError> {
        self.reader.version()
    }

    fn read_ranges(&self, ranges: &[ByteRange]) -> Result<Vec<bytes::Bytes>, SourceError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.reader.read_ranges(ranges)
    }
}

#[test]
fn rounds_of_reads_grow_with_depth_and_not_with_variables() {
    let path = testdata().join("nemo/nemo_1m_20150101-20150201_grid-T.nc");
    let calls = Arc::new(AtomicUsize::new(0));
    let bytes = MemorySource::new("file:///nemo.nc", std::fs::read(path).unwrap());
    let source = Counting { bytes, calls: Arc::clone(&calls) };
    let dataset = hdf5::open(&source, &At::url("file:///nemo.nc")).unwrap();
    let rounds = calls.load(Ordering::Relaxed);
    assert!(dataset.arrays().count() > 5);
    assert!(rounds <= 20, "{rounds} rounds of reads");
}
