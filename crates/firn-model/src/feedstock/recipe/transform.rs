//! `transform:` of a recipe: steps in order, each a mapping of one key.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Old name → new name, of variables and dimensions.
    Rename(IndexMap<String, String>),
    /// Dimensions of length one to drop.
    Squeeze(NameList),
    /// Dimension → direction.
    Sort(IndexMap<String, SortOrder>),
    /// The range of longitudes: `0..360` or `-180..180`.
    WrapLongitude(#[schemars(extend("format" = "firn-longitude-range"))] String),
    /// Apply `scale_factor`, `add_offset` and `_FillValue`.
    Unpack(Unpack),
    /// Variable → units.
    Units(IndexMap<String, String>),
    /// Variable → mantissa bits kept.
    Bitround(IndexMap<String, u8>),
    /// Other steps along a dimension.
    Resample(Resample),
    /// Coarser copies of each variable.
    Overviews(Overviews),
    /// Order of the dimensions.
    Transpose(NameList),
    /// Variable → data type.
    Cast(IndexMap<String, String>),
    /// Fewer dimensions.
    Reduce(Reduce),
}

impl Step {
    /// The key of the step.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Rename(_) => "rename",
            Self::Squeeze(_) => "squeeze",
            Self::Sort(_) => "sort",
            Self::WrapLongitude(_) => "wrap_longitude",
            Self::Unpack(_) => "unpack",
            Self::Units(_) => "units",
            Self::Bitround(_) => "bitround",
            Self::Resample(_) => "resample",
            Self::Overviews(_) => "overviews",
            Self::Transpose(_) => "transpose",
            Self::Cast(_) => "cast",
            Self::Reduce(_) => "reduce",
        }
    }
}

/// One name, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum NameList {
    /// One.
    One(String),
    /// Several.
    Many(#[schemars(length(min = 1))] Vec<String>),
}

impl NameList {
    /// The names.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }
}

/// Direction of a coordinate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SortOrder {
    /// Growing.
    Ascending,
    /// Falling.
    Descending,
}

/// Apply `scale_factor`, `add_offset` and `_FillValue`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unpack {
    /// Data type of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Which variables; all packed ones where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variables: Option<Vec<String>>,
}

/// Other steps along a dimension: the dimension with its frequency, and the method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resample {
    /// `mean`, `sum`, `min`, `max`, ….
    pub method: String,
    /// Dimension → frequency.
    #[serde(flatten)]
    pub dims: IndexMap<String, String>,
}

/// Coarser copies of each variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overviews {
    /// Dimensions that get coarser.
    pub dims: Vec<String>,
    /// By which factors.
    pub factors: Vec<u32>,
    /// `mean`, `nearest`, ….
    pub method: String,
}

/// Fewer dimensions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reduce {
    /// Dimensions that go.
    pub dims: Vec<String>,
    /// `mean`, `sum`, `min`, `max`, ….
    pub method: String,
    /// `cos(latitude)`, or a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
}
