use super::*;
use firn_model::array::{
    Array, ArrayMetadata, AttributeValue, Attributes, ChunkGrid, ChunkManifest, ChunkTable, DataType, Elements,
    Numbers, StoredAs, Values,
};
use firn_model::dataset::{Dataset, Node, NodePath};

fn array(data_type: DataType, dims: &[(&str, u64)], attributes: &[(&str, &str)]) -> Array {
    let shape: Vec<u64> = dims.iter().map(|(_, size)| *size).collect();
    let chunk_grid = ChunkGrid::regular(&shape);
    let table = ChunkTable::known_empty(&chunk_grid.grid_shape(&shape)).unwrap();
    let mut named = Attributes::new();
    for (name, value) in attributes {
        named.insert((*name).to_owned(), AttributeValue::Text((*value).to_owned()));
    }
    Array {
        metadata: ArrayMetadata {
            shape,
            data_type,
            chunk_grid,
            fill_value: None,
            codecs: Vec::new(),
            dimension_names: dims.iter().map(|(name, _)| (*name).to_owned()).collect(),
            attributes: named,
        },
        stored_as: StoredAs::Elements,
        manifest: ChunkManifest::Table(table),
    }
}

fn doubles(numbers: &[f64]) -> Values {
    let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Values { data_type: DataType::Float64, shape: vec![numbers.len() as u64], elements: Elements::Fixed(bytes) }
}

fn path(text: &str) -> NodePath {
    NodePath::parse(text).unwrap()
}

#[test]
fn coordinates_give_axes_extents_box_and_interval() {
    let mut dataset = Dataset::default();
    let mut add = |name: &str, array: Array| dataset.nodes.insert(path(name), Node::Array(Box::new(array)));
    let mut lon = array(DataType::Float64, &[("lon", 3)], &[("units", "degrees_east")]);
    lon.metadata.attributes.insert("scale_factor".to_owned(), AttributeValue::Numbers(Numbers::Float64(vec![10.0])));
    add("lon", lon);
    add("lat", array(DataType::Float64, &[("lat", 2)], &[("units", "degrees_north"), ("long_name", "Latitude")]));
    let time = [("units", "days since 2000-01-01"), ("calendar", "360_day"), ("bounds", "time_bnds")];
    add("time", array(DataType::Float64, &[("time", 2)], &time));
    add("time_bnds", array(DataType::Float64, &[("time", 2), ("nv", 2)], &[]));
    add("sst", array(DataType::Int16, &[("time", 2), ("lat", 2), ("lon", 3)], &[("units", "K")]));

    assert_eq!(wanted(&dataset), ["lon", "lat", "time"].map(path));
    let values: CoordinateValues = [
        (path("lon"), doubles(&[20.0, 20.5, 21.0])),
        (path("lat"), doubles(&[10.0, -10.0])),
        (path("time"), doubles(&[0.0, 59.5])),
    ]
    .into();
    let facts = describe(&dataset, &values);
    assert_eq!(facts.bbox, Some([-160.0, -10.0, -150.0, 10.0]));
    // 30 February is the last day of that month; cftime says 2000-02-30 12:00.
    assert_eq!(facts.interval.as_ref().unwrap(), &["2000-01-01T00:00:00Z", "2000-02-29T12:00:00Z"]);
    assert_eq!(facts.dimensions["lon"].extent, Some([200.0, 210.0]));
    assert_eq!(facts.dimensions["lon"].step, Some(5.0));
    assert_eq!(facts.dimensions["lat"].axis, AxisKind::Y);
    assert_eq!(facts.dimensions["lat"].step, Some(-20.0));
    assert_eq!(facts.dimensions["time"].calendar.as_deref(), Some("360_day"));
    assert_eq!((facts.dimensions["nv"].axis, facts.dimensions["nv"].extent), (AxisKind::Other, None));
    assert_eq!(facts.variables["sst"].role, VariableRole::Data);
    assert_eq!(facts.variables["time_bnds"].role, VariableRole::Auxiliary);
    assert_eq!(facts.variables["lat"].role, VariableRole::Coordinate);
}

#[test]
fn what_was_not_read_is_left_out_and_not_guessed() {
    let mut dataset = Dataset::default();
    let lon = array(DataType::Float64, &[("lon", 3)], &[("units", "degrees_east")]);
    let lat = array(DataType::Float64, &[("lat", 3)], &[("units", "degrees_north")]);
    dataset.nodes.insert(path("lon"), Node::Array(Box::new(lon)));
    dataset.nodes.insert(path("lat"), Node::Array(Box::new(lat)));
    let facts = describe(&dataset, &[(path("lon"), doubles(&[1.0, 2.0, 3.0]))].into());
    assert_eq!((facts.bbox, facts.interval), (None, None));
    assert_eq!((facts.dimensions["lat"].axis, facts.dimensions["lat"].extent), (AxisKind::Y, None));
}

#[test]
fn dimensions_of_groups_are_told_apart() {
    let mut dataset = Dataset::default();
    for group in ["a", "b"] {
        let size = if group == "a" { 2 } else { 5 };
        let x = array(DataType::Float64, &[("x", size)], &[]);
        dataset.nodes.insert(path(&format!("{group}/v")), Node::Array(Box::new(x)));
    }
    let facts = describe(&dataset, &CoordinateValues::new());
    assert_eq!((facts.dimensions["a/x"].size, facts.dimensions["b/x"].size), (2, 5));
    assert_eq!(facts.variables["b/v"].dimensions, ["b/x"]);
}

#[test]
fn a_coordinate_too_large_to_read_is_not_asked_for() {
    let mut dataset = Dataset::default();
    let big = array(DataType::Float64, &[("time", MAX_COORDINATE + 1)], &[]);
    dataset.nodes.insert(path("time"), Node::Array(Box::new(big)));
    assert_eq!(wanted(&dataset), []);
}
