//! Every bundled file beside what netCDF4-python sees in it (`testdata/expected`, made by `testdata/make_expected.py`).
#![allow(clippy::unwrap_used, clippy::panic)]

use blake2::{Blake2b, Digest, digest::consts::U32};
use firn_formats::{TextEncoding, open, read_array};
use firn_model::array::{Array, AttributeValue, Attributes, DataType, Elements, Numbers, StoredAs, Values};
use firn_model::dataset::{Dataset, Node, NodePath};
use firn_model::diagnose::{At, Diagnose};
use firn_model::source::MemorySource;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The bundled files, or another folder made like it.
fn testdata() -> PathBuf {
    let bundled = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata");
    std::env::var_os("FIRN_TESTDATA").map_or_else(bundled, PathBuf::from)
}

/// The files of a folder and what is expected of each.
fn expected(folder: &str) -> Vec<(PathBuf, Value)> {
    let mut all: Vec<(PathBuf, Value)> = std::fs::read_dir(testdata().join("expected").join(folder))
        .unwrap()
        .map(|entry| {
            let json = entry.unwrap().path();
            let file = testdata().join(folder).join(json.file_stem().unwrap());
            (file, serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap())
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn source(path: &Path) -> (MemorySource, At) {
    let url = path.to_string_lossy().into_owned();
    let at = At::url(&url);
    (MemorySource::new(&url, std::fs::read(path).unwrap()), at)
}

fn digest(bytes: &[u8]) -> String {
    Blake2b::<U32>::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// The bytes that the expected digest is of.
fn digested(array: &Array, values: &Values) -> Vec<u8> {
    match (&values.elements, array.stored_as) {
        (Elements::Fixed(bytes), _) => bytes.clone(),
        (Elements::Text(texts), StoredAs::CharDimension { length, .. }) => texts
            .iter()
            .flat_map(|text| {
                let mut bytes = text.as_bytes().to_vec();
                bytes.resize(length as usize, 0);
                bytes
            })
            .collect(),
        (Elements::Text(texts), _) => texts.iter().flat_map(|text| [text.as_bytes(), b"\0"].concat()).collect(),
    }
}

fn check_variable(
    dataset: &Dataset,
    group: &str,
    expected: &Value,
    source: &MemorySource,
    at: &At,
) -> Result<(), String> {
    let name = expected["name"].as_str().unwrap();
    let path = NodePath::parse(&format!("{group}/{name}")).unwrap();
    let array = match dataset.nodes.get(&path) {
        Some(Node::Array(array)) => array,
        Some(Node::Refused(refusal)) => return Err(format!("{path} is refused: {} ({})", refusal.what, refusal.code)),
        other => return Err(format!("{path} is {other:?}")),
    };
    let mut shape: Vec<u64> = serde_json::from_value(expected["shape"].clone()).unwrap();
    let mut names: Vec<String> = serde_json::from_value(expected["dimensions"].clone()).unwrap();
    let mut data_type = expected["dtype"].as_str().unwrap().to_owned();
    if data_type == "char" {
        // Where characters are not joined, each is a text.
        if array.metadata.shape.len() < shape.len() {
            shape.pop();
            names.pop();
        }
        "string".clone_into(&mut data_type);
    }
    let found = (&array.metadata.shape, &array.metadata.dimension_names, array.metadata.data_type.name());
    if found != (&shape, &names, data_type.as_str()) {
        return Err(format!("{path} is {found:?}, not {shape:?} {names:?} {data_type}"));
    }
    let values = read_array(source, array, TextEncoding::Utf8, &at.node(path.as_str()))
        .map_err(|error| format!("{path}: {} ({error})", error.code()))?;
    let (seen, wanted) = (digest(&digested(array, &values)), expected["values"]["blake2b"].as_str());
    if wanted.is_some_and(|wanted| wanted != seen) {
        let first: Vec<String> = (0..values.len().min(4)).map(|i| values.display(i)).collect();
        return Err(format!("{path} has other values: {first:?}, not {}", expected["values"]["first"]));
    }
    Ok(())
}

/// Differences in the values of all variables that the other implementation reads.
fn check_file(path: &Path, expected: &Value) -> Vec<String> {
    let (source, at) = source(path);
    let Some(groups) = expected["netcdf"]["groups"].as_array() else { return Vec::new() };
    let dataset = match open(&source, &at) {
        Ok(dataset) => dataset,
        Err(error) => return vec![format!("{} ({error})", error.code())],
    };
    let mut wrong = Vec::new();
    for group in groups {
        let group_path = group["path"].as_str().unwrap();
        for variable in group["variables"].as_array().unwrap() {
            if let Err(error) = check_variable(&dataset, group_path, variable, &source, &at) {
                wrong.push(format!("{}: {error}", path.file_name().unwrap().to_string_lossy()));
            }
        }
    }
    wrong
}

/// Variables that netCDF-C misreads: two dimensions of `nc4_groups.nc` carry the same `_Netcdf4Dimid`, so it gives those of
/// the root the length 3 of another group's `time`; HDF5 itself says 5.
const MISREAD: [&str; 2] = ["nc4_groups.nc: /root_var is ([5]", "nc4_groups.nc: /x is ([5]"];

fn check_folder(folder: &str) -> Vec<String> {
    let files = expected(folder);
    assert!(!files.is_empty());
    let wrong = files.iter().flat_map(|(path, expected)| check_file(path, expected));
    wrong.filter(|line| !MISREAD.iter().any(|known| line.contains(known))).collect()
}

#[test]
fn netcdf3_values_are_those_of_netcdf4_python() {
    assert_eq!(check_folder("netcdf3"), Vec::<String>::new());
}

#[test]
fn netcdf4_values_are_those_of_netcdf4_python() {
    assert_eq!(check_folder("netcdf4"), Vec::<String>::new());
}

#[test]
fn nemo_values_are_those_of_netcdf4_python() {
    assert_eq!(check_folder("nemo"), Vec::<String>::new());
}

/// The value as `testdata/README.md` writes it.
fn attribute_json(value: &AttributeValue) -> Value {
    let number = |x: f64| {
        if x.is_nan() {
            Value::from("NaN")
        } else if x.is_infinite() {
            Value::from(if x > 0.0 { "Infinity" } else { "-Infinity" })
        } else {
            Value::from(x)
        }
    };
    let (name, list) = match value {
        AttributeValue::Text(text) => ("text", Value::from(text.clone())),
        AttributeValue::Texts(texts) => ("string", Value::from(texts.clone())),
        AttributeValue::Numbers(Numbers::Float32(v)) => ("float32", v.iter().map(|x| number(f64::from(*x))).collect()),
        AttributeValue::Numbers(Numbers::Float64(v)) => ("float64", v.iter().map(|x| number(*x)).collect()),
        AttributeValue::Numbers(Numbers::UInt64(v)) => ("uint64", v.iter().map(|x| Value::from(*x)).collect()),
        AttributeValue::Numbers(numbers) => {
            let list = Values {
                data_type: numbers.data_type(),
                shape: vec![],
                elements: Elements::Fixed(numbers.to_le_bytes()),
            };
            (numbers.data_type().name(), list.to_i64().unwrap().into_iter().map(Value::from).collect())
        }
        AttributeValue::Json(json) => ("json", json.clone()),
    };
    serde_json::json!({ "type": name, "value": list })
}

fn check_attributes(found: &Attributes, expected: &Value, owner: &str) {
    let expected = expected.as_array().unwrap();
    let names: Vec<&str> = expected.iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), names, "{owner}");
    for attribute in expected {
        let seen = attribute_json(&found[attribute["name"].as_str().unwrap()]);
        let wanted = serde_json::json!({ "type": attribute["type"], "value": attribute["value"] });
        assert_eq!(seen, wanted, "{owner} {}", attribute["name"]);
    }
}

#[test]
fn netcdf3_dimensions_and_attributes_are_those_of_netcdf4_python() {
    let mut seen = 0;
    for (path, expected) in expected("netcdf3") {
        let (source, at) = source(&path);
        let dataset = open(&source, &at).unwrap();
        let root = dataset.group(&NodePath::root()).unwrap();
        let group = &expected["netcdf"]["groups"][0];
        let dimensions: Vec<Value> = root
            .dimensions
            .iter()
            .map(|(name, d)| serde_json::json!({ "name": name, "size": d.size, "unlimited": d.unlimited }))
            .collect();
        assert_eq!(Value::from(dimensions), group["dimensions"], "{}", path.display());
        check_attributes(&root.attributes, &group["attributes"], &path.to_string_lossy());
        for variable in group["variables"].as_array().unwrap() {
            let node = NodePath::parse(variable["name"].as_str().unwrap()).unwrap();
            let attributes = &dataset.array(&node).unwrap().metadata.attributes;
            check_attributes(attributes, &variable["attributes"], &format!("{} {node}", path.display()));
            seen += attributes.len();
        }
    }
    assert!(seen > 50);
}

/// The rule is xarray's `stackable`: `CC(report, layers)` stays as it is because `layers` is also a dimension of numbers.
#[test]
fn characters_are_joined_where_xarray_joins_them() {
    let (source, at) = source(&testdata().join("netcdf3/95031804_sao.cdf"));
    let dataset = open(&source, &at).unwrap();
    let shape = |name| dataset.array(&NodePath::parse(name).unwrap()).unwrap().metadata.shape.clone();
    assert_eq!(shape("CC"), [1847, 4]);
    assert_eq!(shape("id"), [1847]);
}

#[test]
fn one_byte_types_have_no_byte_order() {
    let (source, at) = source(&testdata().join("netcdf3/cdf5_new_types.nc"));
    let dataset = open(&source, &at).unwrap();
    assert!(dataset.arrays().any(|(_, array)| array.metadata.data_type == DataType::UInt8));
}
