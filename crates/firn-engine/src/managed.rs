//! Managed datasets: versions below `<location>/<path>`, and the one mutable object that says which is current.
//!
//! Plain Zarr lies in immutable prefixes `v1/`, `v2/`, …; `firn.json` names them. An Icechunk dataset is one repository,
//! whose snapshots are its versions; its `firn.json` names them too.

use crate::error::EngineError;
use crate::journal::Journal;
use crate::settings::Engine;
use bytes::Bytes;
use firn_storage::{ObjectUrl, Precondition, Prefix};

/// The one mutable object of a managed dataset.
pub const DATASET_KEY: &str = "firn.json";

/// How often a lost race for `firn.json` is tried again.
const ATTEMPTS: usize = 8;

/// A managed dataset, as `firn.json` says.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ManagedDataset {
    /// `firn/dataset/1`.
    pub schema: String,
    /// Public id, where it belongs to a feedstock.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// `zarr3` or `icechunk`.
    pub format: String,
    /// Name of the current version.
    pub current: String,
    /// All versions, the oldest first.
    pub versions: Vec<Version>,
}

/// One published version.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Version {
    /// `v<N>`.
    pub version: String,
    /// The run that built it.
    pub run: String,
    /// When it was published, RFC 3339.
    pub published: String,
    /// Snapshot of the Icechunk repository.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub snapshot: Option<String>,
    /// Number of source files.
    pub source_files: u64,
}

/// What is managed at this prefix; `None` where nothing is.
///
/// # Errors
/// What the storage says, or a document that is not one.
pub async fn read(prefix: &Prefix) -> Result<Option<(ManagedDataset, Option<String>)>, EngineError> {
    let Some(object) = prefix.get(DATASET_KEY).await? else { return Ok(None) };
    let dataset = serde_json::from_slice(&object.bytes).map_err(|error| EngineError::JournalDamaged {
        at: prefix.url().at().node(DATASET_KEY),
        what: format!("cannot be read: {error}"),
    })?;
    Ok(Some((dataset, object.version.etag)))
}

/// Where the current version of a store is: the address itself, where it is not managed plain Zarr.
///
/// # Errors
/// What the storage says.
pub fn current(engine: &Engine, url: &ObjectUrl) -> Result<ObjectUrl, EngineError> {
    if url.scheme().starts_with("http") || url.local_path().is_some_and(|path| path.is_file()) {
        return Ok(url.clone());
    }
    let prefix = engine.storage.prefix(url)?;
    match engine.storage.runtime().block_on(read(&prefix))? {
        Some((dataset, _)) if dataset.format == "zarr3" => Ok(url.child(&dataset.current)?),
        _ => Ok(url.clone()),
    }
}

/// Adds a version and makes it current, by compare-and-swap.
///
/// # Errors
/// What the storage says; a conflict where others keep winning.
pub async fn publish_version(
    prefix: &Prefix,
    id: Option<&str>,
    format: &str,
    version: &Version,
) -> Result<(), EngineError> {
    for _ in 0..ATTEMPTS {
        let (mut dataset, when) = match read(prefix).await? {
            Some((dataset, Some(etag))) => (dataset, Precondition::IfMatch(etag)),
            Some((dataset, None)) => (dataset, Precondition::None),
            None => (ManagedDataset { format: format.to_owned(), ..ManagedDataset::default() }, Precondition::Create),
        };
        if dataset.versions.iter().any(|v| v.run == version.run && v.version == version.version) {
            return Ok(());
        }
        dataset.schema = "firn/dataset/1".to_owned();
        dataset.id = dataset.id.or_else(|| id.map(str::to_owned));
        dataset.versions.push(version.clone());
        dataset.current.clone_from(&version.version);
        let bytes = serde_json::to_vec_pretty(&dataset).map_err(|error| EngineError::bug(error.to_string()))?;
        match prefix.put(DATASET_KEY, Bytes::from(bytes), when).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(EngineError::TargetBusy { at: prefix.url().at().node(DATASET_KEY), what: "others keep changing it".to_owned() })
}

/// The name of the version that this run published or is to publish, of a dataset whose versions are snapshots.
///
/// # Errors
/// What the storage says.
pub async fn next_version(prefix: &Prefix, run: &str) -> Result<String, EngineError> {
    let Some((dataset, _)) = read(prefix).await? else { return Ok("v1".to_owned()) };
    let known = dataset.versions.iter().find(|v| v.run == run).map(|v| v.version.clone());
    Ok(known.unwrap_or_else(|| format!("v{}", dataset.versions.len() + 1)))
}

/// What a run of a managed plain Zarr dataset finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionSlot {
    /// This version is this run's to write, or to go on writing.
    Write(String),
    /// This run published this version already.
    Published(String),
}

/// The version prefix of a run: the one it claimed before, else the first that nobody has.
///
/// # Errors
/// What the storage says.
pub async fn version_for(prefix: &Prefix, run: &str) -> Result<VersionSlot, EngineError> {
    if let Some((dataset, _)) = read(prefix).await?
        && let Some(version) = dataset.versions.iter().find(|v| v.run == run)
    {
        return Ok(VersionSlot::Published(version.version.clone()));
    }
    for number in 1..=100_000u32 {
        let name = format!("v{number}");
        match Journal::holder(&prefix.child(&name)?).await? {
            None => return Ok(VersionSlot::Write(name)),
            Some(record) if record.run == run => return Ok(VersionSlot::Write(name)),
            Some(_) => {}
        }
    }
    Err(EngineError::bug("100000 versions"))
}

/// The versions that unpublished runs have claimed: what `--abandon` removes.
///
/// # Errors
/// What the storage says.
pub async fn unpublished(prefix: &Prefix) -> Result<Vec<String>, EngineError> {
    let published: Vec<String> = read(prefix)
        .await?
        .map(|(dataset, _)| dataset.versions.into_iter().map(|v| v.version).collect())
        .unwrap_or_default();
    let level = prefix.list_shallow("").await?;
    let is_version =
        |name: &str| name.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    let mut found = Vec::new();
    for name in level.prefixes.iter().map(|p| p.trim_end_matches('/').to_owned()) {
        if is_version(&name) && !published.contains(&name) && Journal::holder(&prefix.child(&name)?).await?.is_some() {
            found.push(name);
        }
    }
    Ok(found)
}
