//! What `firn plan` answers, as data.

use crate::verbs::inspect::Verdict;
use firn_model::hosting::Egress;
use schemars::JsonSchema;
use serde::Serialize;

/// The plan of a subject.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PlanReport {
    /// What was asked for, without credentials.
    pub subject: String,
    /// What it is: `feedstock`, `pattern`, `glob`, `example` (one file), `store` (Zarr or Icechunk already).
    pub kind: String,
    /// How the files of an example, pattern or glob were found, and what they are taken for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<Proposal>,
    /// What a run of each recipe would do.
    pub recipes: Vec<RecipePlan>,
    /// Entries of the catalog that may be the same dataset.
    pub duplicates: Vec<Duplicate>,
    /// Files of a feedstock that were written (`--write`).
    pub written: Vec<String>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// What has to be done before the next command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The next command.
    pub next: String,
}

/// From one file, or a pattern, to all.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Proposal {
    /// The pattern, the glob, or the one file.
    pub files: String,
    /// The keys along each dimension, outermost first.
    pub dimensions: Vec<ProposedDimension>,
    /// The folder or glob that was listed; absent where nothing could be or had to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<String>,
    /// Files that match.
    pub matches: Sample,
    /// Files beside them that do not.
    pub others: Sample,
    /// Keys between the first and the last for which no file is there.
    pub absent: Sample,
    /// `recipe.yaml`, as `--write` writes it.
    pub recipe: String,
}

/// The keys along one dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProposedDimension {
    /// Its name.
    pub name: String,
    /// `concat` or `merge`.
    pub role: String,
    /// `1981-09-01..1981-09-30/1D`, or the keys joined by commas; empty where the files' own coordinates order them.
    pub keys: String,
}

/// How many there are, and the first ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sample {
    /// How many.
    pub count: u64,
    /// The first of them, in order.
    pub first: Vec<String>,
}

/// What a run of one recipe would do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct RecipePlan {
    /// Id of the recipe.
    pub recipe: String,
    /// Public id of its dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The source files.
    pub files: Files,
    /// Dimensions of the joined dataset; absent where the files cannot be joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<Vec<JoinedDimension>>,
    /// How the dataset would be stored; absent where the files cannot be joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategyPlan>,
    /// Where it would go.
    pub destination: DestinationPlan,
    /// Its variables, and those that cannot be read.
    pub variables: Vec<VariablePlan>,
    /// What it would take; absent where the files cannot be joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What rules of joining would settle: dropped attributes, snapped coordinates, times encoded anew.
    pub noted: Vec<Note>,
    /// What would stop the run.
    pub problems: Vec<Problem>,
}

/// The source files of a recipe.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct Files {
    /// Files that the recipe names, declared gaps not counted.
    pub wanted: u64,
    /// Of these, files that are there and can be opened.
    pub found: u64,
    /// Bytes of those found that are single objects.
    pub bytes: u64,
    /// Files that do not exist and are not declared as gaps.
    pub missing: Sample,
    /// Files that are there, or may be, and cannot be opened.
    pub unreadable: Sample,
    /// Declared gaps.
    pub gaps: u64,
    /// The first declared gaps.
    pub declared: Vec<DeclaredGap>,
}

/// A file that is known not to exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DeclaredGap {
    /// The file that would be there.
    pub url: String,
    /// Why it is not.
    pub reason: String,
    /// Whether its step stays on the axis, filled.
    pub fill: bool,
}

/// A dimension of the joined dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JoinedDimension {
    /// Its name.
    pub name: String,
    /// Its length.
    pub size: u64,
    /// Whether files follow each other along it.
    pub concat: bool,
    /// The variable that orders them, where it is another than the dimension's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// How a dataset would be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StrategyPlan {
    /// `link`, `virtualize` or `transform`.
    pub name: String,
    /// `icechunk` or `zarr3`.
    pub format: String,
    /// Why.
    pub because: String,
}

/// Where a dataset would go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DestinationPlan {
    /// The managed dataset; absent where nothing names a location.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Why there, or why nowhere.
    pub because: String,
    /// What the configuration says of that place.
    pub rules: Vec<String>,
    /// The version that is current there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
}

/// A variable of the joined dataset.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VariablePlan {
    /// Its path.
    pub path: String,
    /// `virtual`, `copied` or `refused`.
    pub storage: String,
    /// Whether it could be references, and what is in the way.
    pub verdict: Verdict,
    /// Why it is copied although references are written for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// What it is; absent where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<ArrayPlan>,
}

/// An array of the joined dataset.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ArrayPlan {
    /// Type of an element.
    pub data_type: String,
    /// Name of each dimension.
    pub dimensions: Vec<String>,
    /// Extent of each dimension.
    pub shape: Vec<u64>,
    /// Shape of the chunks of the first file; absent where they differ in shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_chunk_shape: Option<Vec<u64>>,
    /// Shape of a chunk of the store.
    pub chunk_shape: Vec<u64>,
    /// Shape of a shard of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_shape: Option<Vec<u64>>,
    /// Objects that hold it: chunks, or shards where it has some; none for references.
    pub objects: u64,
    /// References.
    pub references: u64,
    /// Bytes of all elements decoded; for text, of a pointer each.
    pub decoded_bytes: u64,
    /// Stored bytes that are read, those that are read more than once counted so.
    pub read_bytes: u64,
    /// Bytes that are written, estimated by how well the source is compressed.
    pub write_bytes: u64,
    /// How often an average source chunk is decoded; absent where each is once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_amplification: Option<f64>,
}

/// What a run would take.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Cost {
    /// Who pays when the sources are read: `none`, `provider`, `reader`, `unknown`.
    pub egress: Egress,
    /// Why.
    pub egress_because: String,
    /// What that traffic costs, where the configuration has a price: `12.30 USD`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress_cost: Option<String>,
    /// Stored bytes that are read from the sources, metadata not counted.
    pub read_bytes: u64,
    /// Bytes of chunks that are written, estimated.
    pub write_bytes: u64,
    /// Bytes of all elements decoded.
    pub decoded_bytes: u64,
    /// Chunks or shards that are written.
    pub objects: u64,
    /// References that are written.
    pub references: u64,
    /// Tasks, which `--task-range` can share out.
    pub tasks: u64,
    /// Most bytes of memory that the process takes at any time.
    pub peak_memory: u64,
    /// Bytes that it may take.
    pub memory_limit: u64,
    /// Pieces of work side by side.
    pub jobs: u64,
    /// About how long copying takes on this machine, seconds.
    pub seconds: u64,
    /// What that assumes.
    pub assumes: String,
}

/// Something that a rule of joining settles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Note {
    /// Stable code.
    pub code: String,
    /// The node, and the attribute or dimension.
    pub at: String,
    /// What is done.
    pub what: String,
}

/// Something that would stop a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// Stable code.
    pub code: String,
    /// Of which kind.
    pub category: String,
    /// What it is.
    pub what: String,
    /// Where.
    pub at: String,
    /// Why it matters.
    pub why: String,
    /// The smallest thing that mends it.
    pub fix: String,
}

/// An entry of the catalog that may be the same dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Duplicate {
    /// Its public id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Where it is.
    pub url: String,
    /// What is the same: `id`, `url` or `title`.
    pub same: String,
}

/// How many of a list are named.
pub(super) const NAMED: usize = 20;

impl Sample {
    /// Of these; the first `named` by name.
    pub fn of(all: impl IntoIterator<Item = String>, named: usize) -> Self {
        let mut sample = Self::default();
        for one in all {
            sample.count += 1;
            if sample.first.len() < named {
                sample.first.push(one);
            }
        }
        sample
    }
}
