//! What combining needs to know of a file.

use super::CombineRules;
use crate::array::{Array, AttributeValue, Values};
use crate::dataset::{Dataset, NodePath};
use crate::source::SourceVersion;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The place of a file along a dimension of its pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SlotKey {
    /// A label.
    Text(String),
    /// A number.
    Int(i64),
    /// An instant: microseconds since 1970-01-01 (proleptic Gregorian), UTC.
    Time(i64),
}

impl std::fmt::Display for SlotKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Int(number) => write!(f, "{number}"),
            Self::Time(micros) => write!(f, "{} s since 1970-01-01", *micros as f64 / 1e6),
        }
    }
}

/// The values of an array of a file, or their digest.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// BLAKE3 of type, shape and little-endian elements.
    pub digest: [u8; 32],
    /// The values, shared by all files with this digest; absent where too many files differ for all to be kept.
    pub values: Option<Arc<Values>>,
}

/// One opened source file.
#[derive(Debug, Clone)]
pub struct FileFacts {
    /// Its URL, without credentials.
    pub url: String,
    /// The version that was opened.
    pub version: SourceVersion,
    /// Its place along each dimension of the pattern; empty for a plain list.
    pub keys: BTreeMap<String, SlotKey>,
    /// What is in it.
    pub dataset: Dataset,
    /// Values of the arrays that [`values_wanted`] names.
    pub contents: BTreeMap<NodePath, Content>,
}

/// Whether these values must be at hand, or only their digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The values themselves: they order or bound a concat dimension.
    Values,
    /// The digest; the values where they differ from another file's.
    Digest,
}

/// The arrays of a file whose values combining needs: those along a concat dimension that order or bound it, and those
/// that lack a concat dimension and so must be equal in every file.
///
/// `selected` are dimensions whose coordinate values select a part (`select: {sel: …}`).
pub fn values_wanted(dataset: &Dataset, rules: &CombineRules, selected: &[String]) -> Vec<(NodePath, Wanted)> {
    let concat_dims = &rules.concat_dims;
    let mut wanted = Vec::new();
    for (path, array) in dataset.arrays() {
        let dims = &array.metadata.dimension_names;
        let orders = dims.len() == 1 && (concat_dims.contains(&dims[0]) || selected.iter().any(|d| d == path.name()));
        if orders || is_bounds_along(dataset, path, array, concat_dims) {
            wanted.push((path.clone(), Wanted::Values));
        } else if is_static(dataset, path, array, rules) {
            wanted.push((path.clone(), Wanted::Digest));
        }
    }
    wanted
}

/// Whether an array is one of those that repeat from file to file: it lacks a concat dimension that its file has, or it is
/// a coordinate that lacks one.
fn is_static(dataset: &Dataset, path: &NodePath, array: &Array, rules: &CombineRules) -> bool {
    let dims = &array.metadata.dimension_names;
    let lacks = rules.concat_dims.iter().any(|dim| {
        let file_has_it = dataset.groups().any(|(_, group)| group.dimensions.contains_key(dim));
        !dims.contains(dim) && (file_has_it || is_coordinate(dataset, path))
    });
    lacks || (!rules.merge_dims.is_empty() && is_coordinate(dataset, path))
}

/// Whether the array is a coordinate in the sense of CF: named as a dimension, or named in another variable's
/// `coordinates`, `bounds`, `grid_mapping`, `formula_terms` or the like.
pub fn is_coordinate(dataset: &Dataset, path: &NodePath) -> bool {
    let name = path.name();
    if dataset.array(path).is_some_and(|a| a.metadata.dimension_names.iter().any(|d| d == name)) {
        return true;
    }
    const REFERRING: [&str; 7] = [
        "coordinates",
        "bounds",
        "climatology",
        "grid_mapping",
        "formula_terms",
        "cell_measures",
        "ancillary_variables",
    ];
    dataset.arrays().any(|(_, other)| {
        REFERRING.iter().filter(|key| **key != "ancillary_variables").any(|key| {
            other
                .metadata
                .attributes
                .get(*key)
                .and_then(AttributeValue::as_text)
                .is_some_and(|text| text.split([' ', ':', ',']).any(|word| word == name))
        })
    })
}

/// The array that bounds the given one: its attribute `bounds` or `climatology`.
pub(super) fn bounds_of(dataset: &Dataset, path: &NodePath) -> Option<NodePath> {
    let attributes = &dataset.array(path)?.metadata.attributes;
    let name = ["bounds", "climatology"].iter().find_map(|key| attributes.get(*key)?.as_text())?;
    let sibling = NodePath::parse(&format!("{}/{}", path.parent(), name.trim())).ok()?;
    dataset.array(&sibling).map(|_| sibling)
}

fn is_bounds_along(dataset: &Dataset, path: &NodePath, array: &Array, concat_dims: &[String]) -> bool {
    let dims = &array.metadata.dimension_names;
    dims.len() == 2
        && concat_dims.contains(&dims[0])
        && array.metadata.shape.get(1).is_some_and(|n| *n <= 16)
        && dataset.arrays().any(|(parent, _)| bounds_of(dataset, parent).as_ref() == Some(path))
}
