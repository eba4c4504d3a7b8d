//! `target:` of a recipe: where and how the store is written, in the final names.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::codec::Codec;

/// Where and how the store is written.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// A location of `firn.toml`; the only published one where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub location: Option<String>,
    /// Path below the location; `<feedstock>/<id>` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "firn-path"))]
    pub path: Option<String>,
    /// Format of the store; by the strategy where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<TargetFormat>,
    /// Chunk lengths by dimension; the source's where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<Extents>,
    /// Chunks for a use, instead of `chunks`.
    #[serde(rename = "use", default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// Shard lengths by dimension, multiples of the chunks; unnamed dimensions are whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards: Option<Extents>,
    /// Codec of all variables, or by variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<CodecChoice>,
    /// Whether consolidated metadata is written; yes where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consolidated: Option<bool>,
}

/// Format of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetFormat {
    /// Zarr, version 3.
    Zarr3,
    /// An Icechunk repository.
    Icechunk,
    /// References in one JSON file.
    KerchunkJson,
    /// References in Parquet files.
    KerchunkParquet,
}

impl TargetFormat {
    /// The word in the document.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zarr3 => "zarr3",
            Self::Icechunk => "icechunk",
            Self::KerchunkJson => "kerchunk-json",
            Self::KerchunkParquet => "kerchunk-parquet",
        }
    }
}

/// Which reads the chunks are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// Whole maps at one time.
    Maps,
    /// Long series at one place.
    Series,
    /// Both.
    Balanced,
}

/// Dimension → length of a chunk or shard.
pub type Extents = IndexMap<String, Extent>;

/// Length of a chunk or shard along a dimension, in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Extent {
    /// So many elements; -1 is the whole dimension.
    Length(#[schemars(range(min = -1))] i64),
    /// A word.
    Word(ExtentWord),
}

/// A length in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExtentWord {
    /// The whole dimension.
    All,
    /// As firn thinks best.
    Auto,
}

impl Extent {
    /// Number of elements; `None` for the whole dimension and for `auto`.
    pub fn length(self) -> Option<u64> {
        match self {
            Self::Length(length) => u64::try_from(length).ok().filter(|length| *length > 0),
            Self::Word(_) => None,
        }
    }

    /// Whether it is the whole dimension.
    pub const fn is_whole(self) -> bool {
        matches!(self, Self::Length(-1) | Self::Word(ExtentWord::All))
    }
}

/// Codec of all variables, or by variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum CodecChoice {
    /// Of all variables.
    All(Codec),
    /// Variable → codec; the others keep firn's default.
    ByVariable(IndexMap<String, Codec>),
}

impl CodecChoice {
    /// The codec of a variable; `None` where the default applies.
    pub fn of(&self, variable: &str) -> Option<Codec> {
        match self {
            Self::All(codec) => Some(*codec),
            Self::ByVariable(map) => map.get(variable).copied(),
        }
    }
}
