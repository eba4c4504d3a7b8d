//! From an opened dataset and the values of its coordinates to facts.

use super::coordinates::{axis, is_latitude, is_longitude};
use super::extent::{bbox, range};
use super::{AxisKind, DatasetFacts, DimensionFacts, VariableFacts, VariableRole, dates};
use firn_model::array::{Array, AttributeValue, Attributes, Elements, Values};
use firn_model::dataset::{Dataset, NodePath};
use indexmap::IndexMap;
use std::collections::{BTreeMap, HashSet};

/// Coordinates of more elements than this are not read.
pub const MAX_COORDINATE: u64 = 2 << 20;

/// Labels of a dimension that are kept, at most.
const MAX_LABELS: usize = 64;

/// Values of coordinates by their path.
pub type CoordinateValues = BTreeMap<NodePath, Values>;

/// The variables whose values [`describe`] asks for: coordinates of dimensions, longitudes and latitudes of any shape.
pub fn wanted(dataset: &Dataset) -> Vec<NodePath> {
    let small = |array: &Array| {
        array
            .metadata
            .shape
            .iter()
            .try_fold(1u64, |n, extent| n.checked_mul(*extent))
            .is_some_and(|n| n <= MAX_COORDINATE)
    };
    let found = dataset.arrays().filter(|(path, array)| {
        let (name, attributes) = (path.name(), &array.metadata.attributes);
        let geographic = is_latitude(name, attributes) || is_longitude(name, attributes);
        small(array) && (is_coordinate(path, array) || geographic)
    });
    found.map(|(path, _)| path.clone()).collect()
}

/// What is known of a dataset. Values that could not be read leave out what only they tell.
pub fn describe(dataset: &Dataset, values: &CoordinateValues) -> DatasetFacts {
    let auxiliary = named_by_others(dataset);
    let mut facts = DatasetFacts::default();
    for (path, array) in dataset.arrays() {
        let metadata = &array.metadata;
        let keys: Vec<String> = metadata.dimension_names.iter().map(|name| dimension_key(path, name)).collect();
        for (key, size) in keys.iter().zip(&metadata.shape) {
            facts.dimensions.entry(key.clone()).or_insert_with(|| plain(*size));
        }
        facts.decoded_bytes = facts.decoded_bytes.saturating_add(metadata.decoded_bytes());
        facts.variables.insert(path.as_key().to_owned(), variable(path, array, keys, &auxiliary));
    }
    for (path, array) in dataset.arrays().filter(|(path, array)| is_coordinate(path, array)) {
        let key = dimension_key(path, path.name());
        facts.dimensions.insert(key, dimension(path.name(), array, values.get(path)));
    }
    facts.refused = dataset.refusals().map(|(path, _)| path.as_key().to_owned()).collect();
    facts.bbox = bounding_box(dataset, values);
    facts.interval = interval(&facts.dimensions);
    facts
}

/// The key of a dimension: its name, behind the path of its group.
fn dimension_key(path: &NodePath, name: &str) -> String {
    let group = path.parent();
    if group.is_root() { name.to_owned() } else { format!("{}/{name}", group.as_key()) }
}

fn is_coordinate(path: &NodePath, array: &Array) -> bool {
    matches!(array.metadata.dimension_names.as_slice(), [dim] if dim == path.name())
}

fn plain(size: u64) -> DimensionFacts {
    DimensionFacts {
        size,
        axis: AxisKind::Other,
        units: None,
        description: None,
        extent: None,
        step: None,
        interval: None,
        calendar: None,
        labels: None,
    }
}

fn text(attributes: &Attributes, name: &str) -> Option<String> {
    let text = attributes.get(name).and_then(AttributeValue::as_text)?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn variable(path: &NodePath, array: &Array, dimensions: Vec<String>, auxiliary: &HashSet<String>) -> VariableFacts {
    let metadata = &array.metadata;
    let attributes = &metadata.attributes;
    let name = path.name();
    let geographic = is_latitude(name, attributes) || is_longitude(name, attributes);
    let role = if is_coordinate(path, array) {
        VariableRole::Coordinate
    } else if auxiliary.contains(name) || geographic || attributes.get("grid_mapping_name").is_some() {
        VariableRole::Auxiliary
    } else {
        VariableRole::Data
    };
    let standard_name = text(attributes, "standard_name");
    VariableFacts {
        dimensions,
        shape: metadata.shape.clone(),
        data_type: metadata.data_type.name().to_owned(),
        chunk_shape: metadata.chunk_grid.chunk_shape().map(<[u64]>::to_vec),
        role,
        description: text(attributes, "long_name").or_else(|| standard_name.clone()),
        standard_name,
        units: text(attributes, "units"),
    }
}

/// Names that other variables name as bounds, coordinates, areas or grid mapping.
fn named_by_others(dataset: &Dataset) -> HashSet<String> {
    const NAMING: [&str; 6] =
        ["bounds", "climatology", "coordinates", "ancillary_variables", "cell_measures", "grid_mapping"];
    let mut names = HashSet::new();
    for (_, array) in dataset.arrays() {
        for text in NAMING.iter().filter_map(|key| array.metadata.attributes.get(*key)?.as_text()) {
            // `area: areacella` and `crs: x y` name variables too.
            names.extend(text.split_whitespace().filter(|word| !word.ends_with(':')).map(str::to_owned));
        }
    }
    names
}

fn dimension(name: &str, array: &Array, values: Option<&Values>) -> DimensionFacts {
    let metadata = &array.metadata;
    let attributes = &metadata.attributes;
    let mut facts = plain(metadata.shape.first().copied().unwrap_or(0));
    facts.axis = axis(name, attributes);
    facts.units = text(attributes, "units");
    facts.description = text(attributes, "long_name").or_else(|| text(attributes, "standard_name"));
    let Some(values) = values else { return facts };
    if let Elements::Text(texts) = &values.elements {
        facts.labels = (texts.len() <= MAX_LABELS).then(|| texts.clone());
        return facts;
    }
    if let Some(coding) = dates::coding(attributes) {
        facts.calendar = Some(coding.calendar.name().to_owned());
        facts.interval = dates::interval(values, &coding, fill(attributes));
        return facts;
    }
    let numbers = decoded(values, attributes);
    facts.extent = range(&numbers).map(|(least, most)| [least, most]);
    facts.step = step(&numbers);
    facts
}

fn fill(attributes: &Attributes) -> Option<f64> {
    attributes.get("_FillValue").and_then(AttributeValue::as_number)
}

/// The numbers that readers see: fill values become NaN, packing is undone.
fn decoded(values: &Values, attributes: &Attributes) -> Vec<f64> {
    let number = |name: &str| attributes.get(name).and_then(AttributeValue::as_number);
    let (scale, offset, fill) = (number("scale_factor"), number("add_offset"), fill(attributes));
    let unpack = |stored: f64| match fill {
        Some(fill) if stored == fill => f64::NAN,
        _ => stored * scale.unwrap_or(1.0) + offset.unwrap_or(0.0),
    };
    values.to_f64().unwrap_or_default().into_iter().map(unpack).collect()
}

/// The distance of neighbours where it is the same everywhere, but for the rounding of `f32`.
fn step(numbers: &[f64]) -> Option<f64> {
    let (first, last) = (numbers.first()?, numbers.last()?);
    let mean = (last - first) / (numbers.len().checked_sub(1).filter(|n| *n > 0)? as f64);
    let largest = first.abs().max(last.abs());
    let tolerance = mean.abs() * 1e-3 + largest * f64::from(f32::EPSILON);
    let regular = mean != 0.0 && numbers.windows(2).all(|pair| ((pair[1] - pair[0]) - mean).abs() <= tolerance);
    regular.then_some(mean)
}

fn bounding_box(dataset: &Dataset, values: &CoordinateValues) -> Option<[f64; 4]> {
    let numbers = |is: fn(&str, &Attributes) -> bool| {
        let mut found = Vec::new();
        for (path, array) in dataset.arrays().filter(|(path, array)| is(path.name(), &array.metadata.attributes)) {
            // One that was not read may reach further than those that were.
            found.extend(decoded(values.get(path)?, &array.metadata.attributes));
        }
        Some(found)
    };
    bbox(&numbers(is_longitude)?, &numbers(is_latitude)?)
}

/// From the first to the last of all times; RFC 3339 of one length of year sorts as text.
fn interval(dimensions: &IndexMap<String, DimensionFacts>) -> Option<[String; 2]> {
    let intervals = || dimensions.values().filter_map(|dimension| dimension.interval.as_ref());
    let first = intervals().map(|[first, _]| first).min()?;
    let last = intervals().map(|[_, last]| last).max()?;
    Some([first.clone(), last.clone()])
}
