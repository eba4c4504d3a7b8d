//! What is in a file or store, and whether it can be virtual: metadata is read, no chunk is decoded.

mod chunks;
mod describe;
pub(crate) mod folder;
mod format;

pub use chunks::{ChunkListing, ChunkRow};
pub(crate) use describe::undecodable;

use crate::cancel::Interrupted;
use crate::error::EngineError;
use crate::settings::Engine;
use crate::store::{open_any, tell_opened};
use crate::verbs::requests::InspectRequest;
use crate::verify::StoreView;
use firn_model::dataset::{Dataset, NodePath};
use firn_model::diagnose::{At, Category, Diagnose, shell_word};
use firn_storage::ObjectUrl;
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Serialize;

/// One of the things that were asked for.
#[derive(Debug)]
pub struct Inspection {
    /// The URL, as it was given.
    pub url: String,
    /// What is in it, or why that cannot be told.
    pub outcome: Result<Inspected, EngineError>,
}

/// What is in a file or store.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Inspected {
    /// The URL, without credentials.
    pub url: String,
    /// Format: `netcdf3`, `hdf5` (which NetCDF-4 is), `zarr`, `icechunk`.
    pub format: String,
    /// Version of the format: `CDF-5`, `superblock 2`, `3`, `spec 1, snapshot …`.
    pub format_version: String,
    /// Size of the object in bytes; absent for a prefix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Entity tag, as the server sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Last modification, seconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<i64>,
    /// The groups, parents first; the first is `/`.
    pub groups: Vec<GroupDescription>,
    /// How many variables have which verdict.
    pub summary: Summary,
    /// What the reader noticed and could mend.
    pub notes: Vec<String>,
}

/// How many variables have which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// Can be references to the bytes where they are.
    #[serde(rename = "virtual")]
    pub virtual_: usize,
    /// Are copied into a store of references: text, and what is small.
    pub copied: usize,
    /// Must be copied to be chunked as Zarr.
    pub transformable: usize,
    /// Cannot be read by this version.
    pub refused: usize,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct GroupDescription {
    /// Its path.
    pub path: String,
    /// The dimensions declared in it.
    pub dimensions: Vec<DimensionDescription>,
    /// Its attributes.
    pub attributes: IndexMap<String, AttributeDescription>,
    /// The variables in it.
    pub variables: Vec<VariableDescription>,
}

/// A dimension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DimensionDescription {
    /// Its name.
    pub name: String,
    /// Its length.
    pub size: u64,
    /// Whether the source lets it grow.
    pub unlimited: bool,
}

/// An attribute. Numbers that JSON cannot say are the texts `NaN`, `Infinity`, `-Infinity`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AttributeDescription {
    /// `string`, `json`, or the type of its numbers: `int16`, `float64` and so on.
    #[serde(rename = "type")]
    pub data_type: String,
    /// Its value; a list where it has another length than one.
    pub value: serde_json::Value,
}

/// A variable: an array, or one that cannot be read.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct VariableDescription {
    /// Its path.
    pub path: String,
    /// Its name.
    pub name: String,
    /// What it is; absent where it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub array: Option<ArrayDescription>,
    /// Its attributes.
    pub attributes: IndexMap<String, AttributeDescription>,
    /// Whether it can be virtual.
    pub verdict: Verdict,
}

/// What an array is.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ArrayDescription {
    /// Type of an element, a Zarr v3 name.
    pub data_type: String,
    /// Name of each dimension.
    pub dimensions: Vec<String>,
    /// Extent of each dimension.
    pub shape: Vec<u64>,
    /// Shape of a chunk; absent where chunks differ in shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunk_shape: Option<Vec<u64>>,
    /// Number of chunks along each dimension.
    pub grid_shape: Vec<u64>,
    /// The value of unwritten elements, where the format has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill_value: Option<serde_json::Value>,
    /// How stored bytes become elements, in encoding order.
    pub codecs: Vec<CodecDescription>,
    /// States of the chunks; absent where each chunk is an object that was not asked for (Zarr).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks: Option<ChunkCounts>,
    /// Bytes of all elements decoded; for text, of a pointer each.
    pub decoded_bytes: u64,
}

/// How many chunks are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChunkCounts {
    /// Stored, or inline in the metadata.
    pub stored: u64,
    /// Known never to have been written.
    pub empty: u64,
    /// Nothing is known of them.
    pub unknown: u64,
    /// Bytes of all stored chunks.
    pub stored_bytes: u64,
}

/// A codec.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CodecDescription {
    /// Its Zarr v3 name.
    pub name: String,
    /// Its configuration.
    pub configuration: serde_json::Value,
}

/// Whether a variable can be virtual.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Verdict {
    /// It can be references to the bytes where they are.
    Virtual,
    /// A store of references holds a copy of it.
    Copied {
        /// Why, in one sentence.
        reason: String,
    },
    /// It must be copied, and a store of references is refused.
    Transformable {
        /// Stable code of the barrier.
        code: String,
        /// The barrier, in one sentence.
        reason: String,
        /// The smallest thing that mends it.
        fix: String,
    },
    /// It cannot be read by this version.
    Refused {
        /// Stable code of the barrier.
        code: String,
        /// The barrier, in one sentence.
        reason: String,
        /// The smallest thing that mends it.
        fix: String,
    },
}

/// Looks into each URL in turn. A failure of one does not keep the others from being looked at.
///
/// # Errors
/// [`EngineError::Interrupted`] only; the failures of single URLs are in their [`Inspection`].
pub async fn inspect(engine: &Engine, request: &InspectRequest) -> Result<Vec<Inspection>, EngineError> {
    let mut inspections = Vec::with_capacity(request.sources.len());
    for url in &request.sources {
        let outcome = match open_example(engine, url).await {
            Err(EngineError::Interrupted(stop)) => return Err(stop.into()),
            opened => opened.map(|opened| describe::describe(&opened)),
        };
        inspections.push(Inspection { url: firn_model::diagnose::without_secrets(url), outcome });
    }
    Ok(inspections)
}

/// The chunk table of one variable of one URL.
///
/// # Errors
/// Why the URL cannot be opened; [`EngineError::Usage`] for a variable that is not there.
pub async fn chunks(engine: &Engine, url: &str, variable: &str) -> Result<ChunkListing, EngineError> {
    let opened = open_example(engine, url).await?;
    ChunkListing::of(opened, variable)
}

/// Opens what a URL names; of a folder of files, or of a glob, the first file that opens, and says so.
///
/// # Errors
/// Why the URL cannot be opened.
pub(crate) async fn open_example(engine: &Engine, text: &str) -> Result<Opened, EngineError> {
    let url = ObjectUrl::parse(text)?;
    let error = match open_url(engine, url.clone()).await {
        Ok(opened) => return Ok(opened),
        Err(error) if error.category() == Category::NotFound || error.code() == "not-an-array-file" => error,
        Err(error) => return Err(error),
    };
    let storage = engine.storage.clone();
    let pattern = firn_storage::is_pattern(text).then(|| text.to_owned());
    let listed = blocking(engine, move || Ok(folder::files(&storage, &url, pattern.as_deref()))).await?;
    for file in listed.iter().take(folder::TRIED) {
        match open_url(engine, file.clone()).await {
            Ok(mut opened) => {
                opened.notes.push(folder::note(text, file, listed.len()));
                return Ok(opened);
            }
            Err(EngineError::Interrupted(stop)) => return Err(stop.into()),
            // Folders hold readme files too; where no file opens, the first error says why.
            Err(_) => {}
        }
    }
    Err(folder::nothing_opens(&ObjectUrl::parse(text)?, listed.len()).unwrap_or(error))
}

/// An opened source.
pub(crate) struct Opened {
    /// Its URL, without credentials.
    pub url: String,
    /// What it is.
    pub format: format::Format,
    /// What is in it.
    pub dataset: Dataset,
    /// What is to be said of it besides.
    pub notes: Vec<String>,
}

/// Opens a URL off the async threads, or stops waiting for it when the user does.
pub(crate) async fn open(engine: &Engine, url: &str) -> Result<Opened, EngineError> {
    open_url(engine, ObjectUrl::parse(url)?).await
}

/// As [`open`].
pub(crate) async fn open_url(engine: &Engine, url: ObjectUrl) -> Result<Opened, EngineError> {
    let of_call = engine.clone();
    blocking(engine, move || {
        let before = of_call.storage.traffic();
        let opened = open_any(&of_call, &url)?;
        tell_opened(&of_call, before, &url, &opened.view);
        let notes = managed_note(&url, &opened.view.url);
        let StoreView { dataset, source, url, .. } = opened.view;
        let format = match opened.snapshot {
            Some((snapshot, spec)) => format::Format::icechunk(&snapshot, spec),
            None => format::format_of(source.as_ref(), &dataset, &At::url(&url))?,
        };
        Ok(Opened { url, format, dataset, notes })
    })
    .await
}

/// Where a managed dataset is looked at: its current version.
fn managed_note(asked: &ObjectUrl, found: &str) -> Vec<String> {
    let asked = asked.to_string();
    let version = found.strip_prefix(asked.trim_end_matches('/')).filter(|rest| rest.len() > 1);
    version.map(|rest| format!("a managed dataset: this is its current version, {}", &rest[1..])).into_iter().collect()
}

/// Does what blocks off the async threads, or stops waiting for it when the user does.
async fn blocking<T: Send + 'static>(
    engine: &Engine,
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    engine.cancel.check()?;
    let working = tokio::task::spawn_blocking(work);
    tokio::select! {
        () = engine.cancel.cancelled() => Err(Interrupted.into()),
        done = working => match done {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Interrupted.into()),
        },
    }
}

/// The path of a variable as it was written, `sst` or `/group/sst`.
pub(crate) fn variable_path(dataset: &Dataset, url: &str, variable: &str) -> Result<NodePath, EngineError> {
    let found = NodePath::parse(variable).ok().filter(|path| dataset.array(path).is_some());
    found.ok_or_else(|| {
        let names: Vec<&str> = dataset.arrays().map(|(path, _)| path.as_key()).collect();
        EngineError::Usage {
            what: format!("{url} has no variable {variable:?}; it has {}", names.join(", ")),
            next: format!("firn inspect {}", shell_word(url)),
        }
    })
}
