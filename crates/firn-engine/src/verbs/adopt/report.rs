//! What `firn adopt` says.

use crate::verbs::cp::ObjectFailure;
use crate::verify::Finding;
use firn_model::adopt::FindKind;
use firn_model::diagnose::Diagnose;
use std::collections::BTreeMap;

/// What lies in a place, and what became of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct AdoptReport {
    /// The place.
    pub place: String,
    /// Whether nothing is broken and nothing failed.
    pub ok: bool,
    /// Whether bytes were read to make digests.
    pub hashed: bool,
    /// Objects below the place, records of firn and leavings of file managers aside.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many finds are in which state.
    pub counts: Counts,
    /// What was found, in the order of the keys.
    pub finds: Vec<AdoptFind>,
    /// Objects with keys that no command touches.
    pub left_alone: Vec<ObjectFailure>,
    /// Feedstocks that were made or got entries.
    pub feedstocks: Vec<AdoptedFeedstock>,
    /// The next command.
    pub next: String,
}

/// How many finds are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Counts {
    /// Adopted by this command.
    pub adopted: u64,
    /// Managed before.
    pub managed: u64,
    /// Changed since they were adopted.
    pub changed: u64,
    /// Broken, and left alone.
    pub broken: u64,
    /// Of a kind that this version does not read, and left alone.
    pub unsupported: u64,
    /// Not adopted because something failed: the same command tries again.
    pub failed: u64,
}

/// What became of a find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindState {
    /// Adopted by this command.
    Adopted,
    /// Managed before, and as it was.
    Managed,
    /// Other objects than when it was adopted.
    Changed,
    /// Readers would see wrong data or none; left alone.
    Broken,
    /// Of a kind that this version does not read; left alone.
    Unsupported,
    /// Something failed; the same command tries again.
    Failed,
}

impl FindState {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Adopted => "adopted",
            Self::Managed => "managed",
            Self::Changed => "changed",
            Self::Broken => "broken",
            Self::Unsupported => "unsupported",
            Self::Failed => "failed",
        }
    }
}

/// A store or a collection of files.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct AdoptFind {
    /// Its key below the place; empty where it is the place.
    pub key: String,
    /// Its address.
    pub url: String,
    /// What it is.
    pub kind: FindKind,
    /// What became of it.
    pub state: FindState,
    /// Its objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Variables of a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<u64>,
    /// Arrays of which chunks are not there and read as fill values.
    pub absent: Vec<AbsentChunks>,
    /// Files by the ending of their names, of a collection.
    pub endings: BTreeMap<String, u64>,
    /// What is worth knowing.
    pub findings: Vec<Finding>,
    /// Why it was left alone, and what can be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// Files of a collection that are not what they should be: not adopted.
    pub broken_files: Vec<ObjectFailure>,
    /// Its public id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The feedstock that has its entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedstock: Option<String>,
}

/// An array of which chunks are not there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct AbsentChunks {
    /// Its path.
    pub path: String,
    /// Chunks (shards count as one) that are not there.
    pub absent: u64,
    /// Chunks that its shape has.
    pub chunks: u64,
    /// The first that is not there.
    pub first: String,
}

/// Why something was left alone.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Problem {
    /// Stable code: `firn explain CODE`.
    pub code: String,
    /// What is wrong.
    pub what: String,
    /// What can be done.
    pub next: String,
}

impl Problem {
    /// Of an error.
    pub fn of(error: &impl Diagnose) -> Self {
        Self { code: error.code().to_owned(), what: error.to_string(), next: error.next() }
    }
}

/// A feedstock that was made or got entries.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct AdoptedFeedstock {
    /// Where it is.
    pub dir: String,
    /// Whether it was made.
    pub created: bool,
    /// Ids of its entries that were written or were there.
    pub stores: Vec<String>,
}
