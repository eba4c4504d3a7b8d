//! `combine:` of a recipe: how files are joined, and what may differ between them.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How files are joined.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Combine {
    /// Dimension → variable that orders it, where the dimension's own variable is of no use.
    #[serde(default)]
    pub key: IndexMap<String, String>,
    /// Coordinate variable → how far it may differ between files; byte-equal where nothing is said.
    #[serde(default)]
    pub coordinates: IndexMap<String, CoordinateRule>,
    /// What to do with steps that several files hold.
    #[serde(default)]
    pub overlap: Overlap,
    /// What to do with a jump along an otherwise regular axis. A file that a pattern names and that is missing is an error
    /// whatever is said here: `source: {gaps: […]}` declares it.
    #[serde(default)]
    pub gaps: GapRule,
    /// What to do with variables that not every file holds.
    #[serde(default)]
    pub schema: SchemaRule,
    /// What to do with attributes that differ; coding attributes must agree always.
    #[serde(default)]
    pub attributes: AttributeRule,
}

/// How far a coordinate may differ between files.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoordinateRule {
    /// Largest absolute difference, in the units of the coordinate; values snap to those of the first file.
    #[schemars(range(min = 0))]
    pub tolerance: f64,
}

/// What to do with steps that several files hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// Stop.
    #[default]
    Fail,
    /// Keep one where all values are equal, else stop.
    Identical,
    /// Keep the step of the file modified last.
    Newest,
    /// Keep the step of the first file.
    First,
}

/// What to do with a jump along an otherwise regular axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapRule {
    /// Stop.
    #[default]
    Fail,
    /// Join what is there.
    Allow,
}

/// What to do with variables that not every file holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SchemaRule {
    /// Stop.
    #[default]
    Strict,
    /// Keep those that every file holds.
    Intersection,
    /// Keep all.
    Union,
}

/// What to do with attributes that differ.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AttributeRule {
    /// Drop them and record it.
    #[default]
    DropConflicts,
    /// Stop.
    Identical,
    /// Keep those of the first file and record it.
    First,
}
