//! What each verb is asked to do: the flags of the command line as data, parsed but not yet looked up.
//!
//! `--memory` and `--jobs` are not here: flags, environment and configuration files decide them together, and the
//! result is in [`EngineSettings`](crate::settings::EngineSettings).

pub use firn_formats::TextEncoding;
use firn_model::feedstock::DataType;
use indexmap::IndexMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

/// Length of a chunk or shard along one dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkLength {
    /// This many elements.
    Of(NonZeroU64),
    /// The whole dimension (`all`, `-1`); also what a dimension that is not named gets.
    Whole,
    /// Firn chooses (`auto`).
    Auto,
}

/// How sources are joined: `--concat-dim`, `--concat-key`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConcatRequest {
    /// Dimensions along which sources follow each other, outermost first; empty for one source.
    pub dims: Vec<String>,
    /// Dimension → the 1-D variable along it whose values order the sources.
    pub keys: IndexMap<String, String>,
    /// Whether a jump along an otherwise regular axis is no error.
    pub allow_gaps: bool,
}

/// `--format` of `transform`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TransformFormat {
    /// Plain Zarr v3.
    #[default]
    Zarr3,
    /// Icechunk, native chunks.
    Icechunk,
}

/// `--format` of `virtualize`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VirtualizeFormat {
    /// Icechunk, virtual references.
    #[default]
    Icechunk,
    /// One kerchunk JSON file.
    KerchunkJson,
    /// Kerchunk Parquet.
    KerchunkParquet,
}

/// `--icechunk-spec`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IcechunkSpec {
    /// Version 1, which every released Python client reads.
    #[default]
    V1,
    /// Version 2.
    V2,
}

/// `firn transform URL… --target URL`.
#[derive(Debug, Clone)]
pub struct TransformRequest {
    /// Sources, at least one, in the order given.
    pub sources: Vec<String>,
    /// The store itself; must not exist.
    pub target: String,
    /// What is written.
    pub format: TransformFormat,
    /// How sources are joined.
    pub concat: ConcatRequest,
    /// Chunk lengths by dimension; `None` keeps the source's chunks, a dimension that is not named is whole.
    pub chunks: Option<IndexMap<String, ChunkLength>>,
    /// Shard lengths by dimension, multiples of the chunks; `None` writes no shards.
    pub shards: Option<IndexMap<String, ChunkLength>>,
    /// `none`, `zstd:N`, `blosc-lz4:N:shuffle`, …, as in a recipe; `None` for the default.
    pub codec: Option<String>,
    /// Encoding of text that is not UTF-8.
    pub encoding: TextEncoding,
}

/// `firn virtualize URL… --target URL`.
#[derive(Debug, Clone)]
pub struct VirtualizeRequest {
    /// Sources, at least one, in the order given.
    pub sources: Vec<String>,
    /// The store itself; must not exist.
    pub target: String,
    /// What is written.
    pub format: VirtualizeFormat,
    /// How sources are joined.
    pub concat: ConcatRequest,
    /// Version of the Icechunk specification.
    pub icechunk_spec: IcechunkSpec,
}

/// Which part of a run's tasks: `--task-range i/n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskRange {
    /// Which part, counted from 1.
    pub part: u32,
    /// Of how many, at least `part`.
    pub of: u32,
}

/// What a run does with the tasks of its plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunPart {
    /// All tasks, then verify and publish.
    #[default]
    All,
    /// Some tasks only (`--task-range i/n`).
    Tasks(TaskRange),
    /// Tasks were done elsewhere: verify and publish (`--finish`).
    Finish,
    /// Remove what an unpublished run left (`--abandon`).
    Abandon,
}

/// Where tasks run: `--engine`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunEngine {
    /// In this process.
    #[default]
    Local,
    /// On Dask.
    Dask,
}

/// `firn run FEEDSTOCK`.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// Directory of the feedstock.
    pub feedstock: PathBuf,
    /// Only the recipe with this id.
    pub recipe: Option<String>,
    /// Only the first steps along each concat dimension.
    pub limit: Option<NonZeroU64>,
    /// The managed dataset's `<location>/<path>`, instead of the recipe's target.
    pub target: Option<String>,
    /// Where tasks run.
    pub engine: RunEngine,
    /// Which part of the run.
    pub part: RunPart,
    /// Print the change of `catalog.yaml` instead of writing it.
    pub no_write: bool,
    /// Encoding of text that is not UTF-8.
    pub encoding: TextEncoding,
}

impl RunRequest {
    /// A run of a whole feedstock that writes nothing into it.
    pub(crate) fn reading(feedstock: &Path) -> Self {
        Self {
            feedstock: feedstock.to_owned(),
            recipe: None,
            limit: None,
            target: None,
            engine: RunEngine::Local,
            part: RunPart::All,
            no_write: true,
            encoding: TextEncoding::Utf8,
        }
    }
}

/// The keys along one dimension of a pattern: `--dim`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DimKeys {
    /// `FIRST..LAST` or `FIRST..LAST/STEP`, both ends included, as text (`1981-09-01..1981-09-30/1D`).
    Range {
        /// First key.
        first: String,
        /// Last key.
        last: String,
        /// Step, where one is given.
        step: Option<String>,
    },
    /// `r1,r2,r3`.
    Labels(Vec<String>),
}

/// `firn plan FEEDSTOCK|URL|URL-PATTERN`.
#[derive(Debug, Clone)]
pub struct PlanRequest {
    /// A feedstock directory, one example URL, or a pattern; looked at in this order.
    pub subject: String,
    /// Keys by dimension, for a URL or a pattern.
    pub dims: IndexMap<String, DimKeys>,
    /// Directory that the feedstock is written to; must not exist.
    pub write: Option<PathBuf>,
}

/// How many cells are compared with their source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyDepth {
    /// This many chunks in total, drawn deterministically.
    Sample(u64),
    /// All of them.
    Full,
}

impl Default for VerifyDepth {
    fn default() -> Self {
        Self::Sample(50)
    }
}

/// `firn verify STORE`.
#[derive(Debug, Clone)]
pub struct VerifyRequest {
    /// The store.
    pub store: String,
    /// A feedstock directory or source URLs to compare values with; empty for what the store itself can tell.
    pub against: Vec<String>,
    /// How much is compared.
    pub depth: VerifyDepth,
}

/// `firn demo [DIR]`.
#[derive(Debug, Clone)]
pub struct DemoRequest {
    /// Folder that becomes the embedded local location.
    pub dir: PathBuf,
}

/// `firn inspect URL…`.
#[derive(Debug, Clone)]
pub struct InspectRequest {
    /// What to open, in this order.
    pub sources: Vec<String>,
}

/// `firn link URL`.
#[derive(Debug, Clone)]
pub struct LinkRequest {
    /// The store.
    pub url: String,
    /// How the data came to be there.
    pub data_type: DataType,
    /// Directory of the feedstock that gets the entry; made where it does not exist.
    pub feedstock: Option<PathBuf>,
    /// Codes of warnings that are accepted.
    pub accept: Vec<String>,
    /// Why they are.
    pub reason: Option<String>,
}

/// `firn adopt PLACE`.
#[derive(Debug, Clone)]
pub struct AdoptRequest {
    /// The place: an address, or `LOCATION/PREFIX`.
    pub place: String,
    /// Who answers for what is found.
    pub owner: Option<String>,
    /// How the data came to be there.
    pub data_type: DataType,
    /// Bytes are read to make digests.
    pub hash: bool,
    /// What changed since it was adopted is adopted as it is now.
    pub again: bool,
    /// Nothing is written.
    pub dry_run: bool,
    /// The folder of the feedstocks.
    pub feedstocks: PathBuf,
}

/// `firn init DIR`.
#[derive(Debug, Clone)]
pub struct InitRequest {
    /// Directory of the feedstock; made where it does not exist.
    pub dir: PathBuf,
    /// An example file to fill it in from.
    pub from: Option<String>,
}

/// `firn catalog validate FEEDSTOCK…`.
#[derive(Debug, Clone)]
pub struct CatalogValidateRequest {
    /// Feedstock directories, paths or URLs.
    pub feedstocks: Vec<String>,
}

/// `firn catalog build FEEDSTOCK…|LIST.yaml --out DIR`.
#[derive(Debug, Clone)]
pub struct CatalogBuildRequest {
    /// Feedstock directories, or lists of them, paths or URLs.
    pub feedstocks: Vec<String>,
    /// Directory that the documents are written to.
    pub out: PathBuf,
    /// Whether pages for any web server are written too.
    pub static_site: bool,
}

/// `firn catalog show|snippet ID`.
#[derive(Debug, Clone)]
pub struct CatalogEntryRequest {
    /// Public id of a dataset.
    pub id: String,
    /// The catalog: a firn catalog, a STAC root, or a LEAP JSON; path or URL.
    pub catalog: String,
}

/// `firn push PATH… --to INBOX/NAME`.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// Stores, folders of stores, files; at least one.
    pub paths: Vec<String>,
    /// `INBOX/NAME`.
    pub to: String,
    /// Files that belong to no store are sent too.
    pub as_is: bool,
    /// Seals afterwards.
    pub seal: bool,
    /// Objects under way at once.
    pub jobs: Option<usize>,
}

/// `firn seal INBOX/NAME`.
#[derive(Debug, Clone)]
pub struct SealRequest {
    /// `INBOX/NAME`.
    pub upload: String,
    /// Objects read at once.
    pub jobs: Option<usize>,
}

/// `firn inbox promote INBOX/NAME --to LOCATION[/PATH]`.
#[derive(Debug, Clone)]
pub struct PromoteRequest {
    /// `INBOX/NAME`.
    pub upload: String,
    /// `LOCATION[/PATH]`; without a path, the name of the upload.
    pub to: String,
    /// The feedstock that gets the store entries.
    pub feedstock: Option<PathBuf>,
    /// Removes the inbox copy once it is published.
    pub purge: bool,
    /// Takes entity tags for proof that bytes are what was sealed.
    pub trust_etag: bool,
    /// Prints store entries and does not write them.
    pub no_write: bool,
}

/// `firn cp SRC… DST`, `firn sync SRC DST`.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are the flags of a command line")]
pub struct CopyRequest {
    /// What is copied: objects, patterns, folders.
    pub sources: Vec<String>,
    /// Where to.
    pub target: String,
    /// Folders are copied with all that lies below them.
    pub recursive: bool,
    /// Other objects at the destination are replaced.
    pub replace: bool,
    /// The destination becomes equal to the only source: `sync`.
    pub sync: bool,
    /// Objects that the source does not have are removed (`sync`).
    pub delete: bool,
    /// Nothing is done, only said.
    pub dry_run: bool,
    /// It is said how it would go: which way, how long, who pays.
    pub explain: bool,
    /// Objects under way at once.
    pub jobs: Option<usize>,
}

impl CopyRequest {
    /// The same command, as it is typed.
    pub fn again(&self) -> String {
        let mut words = vec![if self.sync { "firn sync".to_owned() } else { "firn cp".to_owned() }];
        words.extend(
            [
                (self.recursive && !self.sync, "-r"),
                (self.replace && !self.sync, "--replace"),
                (self.delete, "--delete"),
            ]
            .into_iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, flag)| flag.to_owned()),
        );
        words.extend(self.sources.iter().chain([&self.target]).map(|text| firn_model::diagnose::shell_word(text)));
        words.join(" ")
    }

    /// The same command with another flag.
    pub fn with(&self, flag: &str) -> String {
        let mut more = self.clone();
        match flag {
            "-r" => more.recursive = true,
            "--replace" => more.replace = true,
            "--delete" => more.delete = true,
            _ => {}
        }
        more.again()
    }
}
