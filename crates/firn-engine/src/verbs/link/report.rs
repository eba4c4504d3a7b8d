//! What `firn link` answers.

use crate::verbs::catalog_entry::StoreEntryChange;
use crate::verbs::inspect::Summary;
use firn_catalog::classify::StoreKind;
use firn_catalog::snippet::Snippet;
use firn_model::feedstock::StoreEntry;
use schemars::JsonSchema;
use serde::Serialize;

/// A store, judged.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct LinkReport {
    /// The address, as readers use it.
    pub url: String,
    /// What it is, by its content; absent where it does not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<StoreKind>,
    /// Whether a catalog may list it as it is.
    pub linkable: bool,
    /// One verdict each.
    pub criteria: Vec<Criterion>,
    /// What does not block, and should be known.
    pub warnings: Vec<LinkWarning>,
    /// The variables, and what became of the chunk that was read of each.
    pub variables: Vec<LinkedVariable>,
    /// How a file can be referred to; absent for stores.
    #[serde(rename = "virtual", skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// The lines that open it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<Snippet>,
    /// Its entry in `catalog.yaml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<StoreEntry>,
    /// The same as a document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_yaml: Option<String>,
    /// The feedstock that got the entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedstock: Option<LinkedFeedstock>,
    /// The next command.
    pub next: String,
}

/// One of the things that a linked store should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Criterion {
    /// `format`, `opens`, `public`, `egress`, `chunked`, `chunk-sizes`, `consolidated`, `decodes` or `cors`.
    pub name: &'static str,
    /// Whether it is.
    pub verdict: CriterionVerdict,
    /// What was seen, in one sentence.
    pub found: String,
}

/// Whether a criterion is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CriterionVerdict {
    /// It is.
    Pass,
    /// It is not, and that does not block: there is a warning.
    Warn,
    /// It is not, and that blocks.
    Fail,
    /// That cannot be told.
    Unknown,
    /// It does not matter here.
    NotApplicable,
}

impl CriterionVerdict {
    /// The word in texts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "ok",
            Self::Warn => "warning",
            Self::Fail => "blocks",
            Self::Unknown => "unknown",
            Self::NotApplicable => "-",
        }
    }
}

/// Something that does not block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LinkWarning {
    /// Stable code, the argument of `--accept`.
    pub code: &'static str,
    /// The criterion.
    pub criterion: &'static str,
    /// What is the matter, in one sentence.
    pub what: String,
    /// Why somebody accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
}

/// A variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LinkedVariable {
    /// Its path.
    pub path: String,
    /// Type of an element, a Zarr v3 name.
    pub data_type: String,
    /// Name of each dimension.
    pub dimensions: Vec<String>,
    /// Extent of each dimension.
    pub shape: Vec<u64>,
    /// Shape of what decodes by itself; absent where chunks differ in shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_shape: Option<Vec<u64>>,
    /// Shape of a shard, where there are shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_shape: Option<Vec<u64>>,
    /// Number of chunks, or of shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
    /// Bytes of what decodes by itself, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<u64>,
    /// What became of the chunk that was read.
    pub chunk: ChunkRead,
}

/// What became of the chunk that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ChunkRead {
    /// It decodes.
    Decoded {
        /// Position of its first element.
        start: Vec<u64>,
    },
    /// None of those that were looked for is stored: they read as fill values.
    Absent,
    /// It was not tried, or this version cannot.
    NotRead {
        /// Why.
        why: String,
    },
    /// Not everybody may read it.
    Denied {
        /// What the server says.
        why: String,
    },
    /// It is there and does not decode.
    Failed {
        /// Code of the error.
        code: String,
        /// The error.
        why: String,
    },
}

/// A feedstock with a new or changed entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LinkedFeedstock {
    /// The directory.
    pub dir: String,
    /// Documents that are new.
    pub created: Vec<String>,
    /// The change of `catalog.yaml`.
    pub change: StoreEntryChange,
}
