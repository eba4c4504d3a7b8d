//! What is known of a dataset that was opened: its dimensions with their extents, its variables, where and when it is.

mod coordinates;
mod dates;
mod describe;
mod extent;

pub use describe::{CoordinateValues, MAX_COORDINATE, describe, wanted};

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What opening a store told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetFacts {
    /// Dimensions by name; those of a group as `group/name`.
    pub dimensions: IndexMap<String, DimensionFacts>,
    /// Variables by path without the leading slash.
    pub variables: IndexMap<String, VariableFacts>,
    /// West, south, east, north in degrees; west is greater than east where the antimeridian lies between.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bbox: Option<[f64; 4]>,
    /// First and last time, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interval: Option<[String; 2]>,
    /// Bytes of all elements decoded.
    pub decoded_bytes: u64,
    /// Variables that this version of firn cannot read.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub refused: Vec<String>,
    /// Snapshot of the Icechunk repository that was opened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub snapshot: Option<String>,
}

/// A dimension.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DimensionFacts {
    /// Its length.
    pub size: u64,
    /// What runs along it.
    pub axis: AxisKind,
    /// Unit of its coordinate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub units: Option<String>,
    /// Longer name of its coordinate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// Least and greatest value of its coordinate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub extent: Option<[f64; 2]>,
    /// Distance of its values, where they are regular.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<f64>,
    /// First and last time, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub interval: Option<[String; 2]>,
    /// Calendar, where it is a time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub calendar: Option<String>,
    /// Its values, where they are few texts.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub labels: Option<Vec<String>>,
}

/// What runs along a dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AxisKind {
    /// Longitude, or another horizontal coordinate to the east.
    X,
    /// Latitude, or another horizontal coordinate to the north.
    Y,
    /// Height, depth, pressure.
    Z,
    /// Time.
    Time,
    /// Anything else, also a dimension without coordinate.
    Other,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VariableFacts {
    /// Dimensions, as the keys of [`DatasetFacts::dimensions`].
    pub dimensions: Vec<String>,
    /// Length of each dimension.
    pub shape: Vec<u64>,
    /// Type of an element, a Zarr v3 name.
    pub data_type: String,
    /// Shape of a chunk, where chunks are regular.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub chunk_shape: Option<Vec<u64>>,
    /// What it is for.
    pub role: VariableRole,
    /// `long_name`, else `standard_name`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// `standard_name`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub standard_name: Option<String>,
    /// `units`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub units: Option<String>,
}

/// What a variable is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VariableRole {
    /// The data.
    Data,
    /// The coordinate of the dimension of its own name.
    Coordinate,
    /// Bounds, auxiliary coordinates, grid mappings.
    Auxiliary,
}

#[cfg(test)]
mod tests;
