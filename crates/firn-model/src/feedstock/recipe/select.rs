//! `select:` of a recipe: which part of the source is kept, in the source's names.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which part of the source is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Select {
    /// Variables, with the coordinates they need; all where nothing is said.
    #[serde(default)]
    pub variables: Vec<String>,
    /// By coordinate values: `lat: [-30, 30]` (both included), `level: 500` (drops the dimension).
    #[serde(default)]
    pub sel: IndexMap<String, Selector>,
    /// By positions: `zlev: 0` (drops the dimension), `x: [0, 100]` (the second not included).
    #[serde(default)]
    pub isel: IndexMap<String, IndexSelector>,
}

/// A coordinate value, or from one to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Selector {
    /// One value; the dimension is dropped.
    Value(Bound),
    /// From one value to another, both included.
    Range([Bound; 2]),
}

/// A coordinate value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Bound {
    /// A number.
    Number(f64),
    /// A date or label.
    Text(String),
}

/// A position, or from one up to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum IndexSelector {
    /// One position; the dimension is dropped. Negative ones count from the end.
    Index(i64),
    /// From one position up to another, which is not included.
    Range([i64; 2]),
}
