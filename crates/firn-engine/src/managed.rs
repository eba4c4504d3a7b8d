//! Managed datasets: versions below `<location>/<path>`, and the one mutable object that says which is current.
//!
//! Plain Zarr lies in immutable prefixes `v1/`, `v2/`, …, and so do files of kerchunk references (`v1/references.json`);
//! `firn.json` names them. An Icechunk dataset is one repository, whose snapshots are its versions; its `firn.json` names them
//! too.

use crate::error::EngineError;
use crate::journal::{Journal, RunRecord};
use crate::settings::Engine;
use crate::target::kerchunk::work_name;
use bytes::Bytes;
use firn_storage::{ObjectUrl, Precondition, Prefix, StorageError};

/// The one mutable object of a managed dataset.
pub const DATASET_KEY: &str = "firn.json";

/// The format of a dataset whose versions are files of kerchunk references.
pub const KERCHUNK: &str = "kerchunk-json";

/// Such a file, in the prefix of its version.
pub const REFERENCES: &str = "references.json";

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
    /// `zarr3`, `icechunk`, [`KERCHUNK`]; of what was promoted also `zarr2`, and `files` for anything but one store.
    pub format: String,
    /// Name of the current version.
    pub current: String,
    /// Who answers for it, where somebody was named when it was adopted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
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
    /// Of how many steps it was made (`--limit`), where it is a part of a dataset: then all versions are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<u64>,
    /// Whether its objects lie at the address of the dataset itself, where another tool wrote them: it was adopted.
    #[serde(skip_serializing_if = "is_false", default)]
    pub in_place: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

impl ManagedDataset {
    /// Where a version of it is, of the dataset at this address.
    ///
    /// # Errors
    /// As [`ObjectUrl::child`].
    pub fn address(&self, root: &ObjectUrl, version: &str) -> Result<ObjectUrl, StorageError> {
        match self.format.as_str() {
            _ if self.is_in_place(version) => Ok(root.clone()),
            KERCHUNK => root.child(&format!("{version}/{REFERENCES}")),
            _ => root.child(version),
        }
    }

    fn is_in_place(&self, version: &str) -> bool {
        self.versions.iter().any(|known| known.version == version && known.in_place)
    }

    /// The version that was adopted where it lies.
    pub fn adopted(&self) -> Option<&Version> {
        self.versions.iter().find(|version| version.in_place)
    }
}

/// The address of the dataset that a version of it is in, by the address of the version.
pub fn dataset_of(version: &ObjectUrl) -> Option<ObjectUrl> {
    let folder = if version.file_name() == REFERENCES { version.parent()? } else { version.clone() };
    folder.parent().filter(|_| is_version(&folder.file_name()))
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
    if engine.storage.physical(url)?.is_read_only() || url.local_path().is_some_and(|path| path.is_file()) {
        return Ok(url.clone());
    }
    let prefix = engine.storage.prefix(url)?;
    match engine.storage.runtime().block_on(read(&prefix))? {
        Some((dataset, _)) if ["zarr3", "zarr2", KERCHUNK].contains(&dataset.format.as_str()) => {
            Ok(dataset.address(url, &dataset.current)?)
        }
        _ => Ok(url.clone()),
    }
}

/// Refuses to make a part of a dataset the current version of the whole one.
///
/// # Errors
/// [`EngineError::TargetIsWhole`]; what the storage says.
pub async fn refuse_part(prefix: &Prefix) -> Result<(), EngineError> {
    match read(prefix).await? {
        Some((dataset, _)) => refuse_part_of(&dataset, prefix),
        None => Ok(()),
    }
}

fn refuse_part_of(dataset: &ManagedDataset, prefix: &Prefix) -> Result<(), EngineError> {
    match dataset.versions.iter().find(|version| version.limit.is_none()) {
        Some(whole) => Err(EngineError::TargetIsWhole { at: prefix.url().at(), version: whole.version.clone() }),
        None => Ok(()),
    }
}

/// Adds a version and makes it current, by compare-and-swap; what stands there of it.
///
/// # Errors
/// What the storage says; a conflict where others keep winning, and as [`refuse_part`] for a part of a dataset.
pub async fn publish_version(
    prefix: &Prefix,
    id: Option<&str>,
    format: &str,
    version: Version,
) -> Result<Version, EngineError> {
    publish(prefix, id, None, format, version).await
}

/// As [`publish_version`], of a dataset that this owner answers for. What is adopted again replaces what was adopted before:
/// its objects are no longer what they were.
///
/// # Errors
/// As [`publish_version`].
pub async fn publish(
    prefix: &Prefix,
    id: Option<&str>,
    owner: Option<&str>,
    format: &str,
    version: Version,
) -> Result<Version, EngineError> {
    for _ in 0..ATTEMPTS {
        let (mut dataset, when) = match read(prefix).await? {
            Some((dataset, Some(etag))) => (dataset, Precondition::IfMatch(etag)),
            Some((dataset, None)) => (dataset, Precondition::None),
            None => (ManagedDataset { format: format.to_owned(), ..ManagedDataset::default() }, Precondition::Create),
        };
        if version.limit.is_some() {
            refuse_part_of(&dataset, prefix)?;
        }
        let known = dataset.versions.iter_mut().find(|v| v.run == version.run && v.version == version.version);
        let named = match known {
            Some(known) if known.limit == version.limit && dataset.current == version.version => {
                return Ok(known.clone());
            }
            Some(known) => {
                // Where a limit takes all there is, the part and the whole are one run.
                known.limit = version.limit;
                known.clone()
            }
            None => {
                if version.in_place {
                    dataset.versions.retain(|known| !known.in_place);
                }
                dataset.versions.push(version.clone());
                version.clone()
            }
        };
        "firn/dataset/1".clone_into(&mut dataset.schema);
        dataset.id = dataset.id.or_else(|| id.map(str::to_owned));
        dataset.owner = owner.map(str::to_owned).or(dataset.owner);
        dataset.current.clone_from(&version.version);
        let bytes = serde_json::to_vec_pretty(&dataset).map_err(|error| EngineError::bug(error.to_string()))?;
        match prefix.put(DATASET_KEY, Bytes::from(bytes), when).await {
            Ok(_) => return Ok(named),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(EngineError::TargetBusy { at: prefix.url().at().node(DATASET_KEY), what: "others keep changing it".to_owned() })
}

/// The name of the version that is this snapshot or is to be, of a dataset whose versions are snapshots. A run that is done
/// again after another one makes another snapshot, so its id does not tell.
///
/// # Errors
/// What the storage says.
pub async fn version_of(prefix: &Prefix, snapshot: &str) -> Result<String, EngineError> {
    let Some((dataset, _)) = read(prefix).await? else { return Ok("v1".to_owned()) };
    let known = dataset.versions.iter().find(|v| v.snapshot.as_deref() == Some(snapshot)).map(|v| v.version.clone());
    Ok(known.unwrap_or_else(|| format!("v{}", dataset.versions.len() + 1)))
}

/// The version prefix of a run of plain Zarr or of references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionSlot {
    /// Its name.
    pub version: String,
    /// Whether `firn.json` names it as this run's.
    pub is_named: bool,
    /// Unfinished runs that hold the versions before it.
    pub others: Vec<(String, RunRecord)>,
}

/// The version prefix of a run that makes this format: the one it claimed before, else the first that nobody has.
///
/// # Errors
/// What the storage says.
pub async fn version_for(prefix: &Prefix, run: &str, format: &str) -> Result<VersionSlot, EngineError> {
    let named = read(prefix).await?.map(|(dataset, _)| dataset.versions).unwrap_or_default();
    let mut others = Vec::new();
    if let Some(version) = named.iter().find(|v| v.run == run) {
        return Ok(VersionSlot { version: version.version.clone(), is_named: true, others });
    }
    for number in 1..=100_000u32 {
        let version = format!("v{number}");
        match holder_of(prefix, &version).await? {
            Some((place, record)) if record.run != run || place != format => {
                if !record.finished && !named.iter().any(|v| v.version == version) {
                    others.push((version, record));
                }
            }
            None if named.iter().any(|v| v.version == version) => {}
            _ => return Ok(VersionSlot { version, is_named: false, others }),
        }
    }
    Err(EngineError::bug("100000 versions"))
}

/// The run that holds a version, and what it makes: `zarr3` or [`KERCHUNK`].
async fn holder_of(dataset: &Prefix, version: &str) -> Result<Option<(&'static str, RunRecord)>, EngineError> {
    if let Some(record) = Journal::holder(&dataset.child(version)?).await? {
        return Ok(Some(("zarr3", record)));
    }
    Ok(Journal::holder(&work_of(dataset, version)?).await?.map(|record| (KERCHUNK, record)))
}

/// Where a run that makes references keeps what it needs.
///
/// # Errors
/// A name that is no version's.
pub fn work_of(dataset: &Prefix, version: &str) -> Result<Prefix, EngineError> {
    Ok(dataset.child(&format!("{version}/{}", work_name(REFERENCES)))?)
}

/// Refuses a place where something else lies: a dataset of another format, an unfinished run of one, or foreign objects.
///
/// # Errors
/// [`EngineError::TargetNotEmpty`]; what the storage says.
pub async fn check_place(prefix: &Prefix, format: &str) -> Result<(), EngineError> {
    let refused =
        |what: String, next: &str| EngineError::TargetNotEmpty { at: prefix.url().at(), what, next: next.to_owned() };
    if let Some((dataset, _)) = read(prefix).await? {
        if let Some(adopted) = dataset.adopted() {
            let what =
                format!("what lies there was adopted as {}, and new versions would lie inside it", adopted.version);
            return Err(refused(what, "choose another path (`target: {path: …}` or --target)"));
        }
        if dataset.format == format {
            return Ok(());
        }
        let what = format!("a dataset of the format {} is published there, not {format}", dataset.format);
        return Err(refused(what, "choose another path (`target: {path: …}` or --target), or keep the format"));
    }
    let has_prefixes = format != "icechunk";
    if Journal::holder(prefix).await?.is_some() {
        if has_prefixes {
            let what = "an unfinished run of an Icechunk repository lies there".to_owned();
            return Err(refused(what, "remove what it left: the same command with --abandon"));
        }
        // Whether the repository is this run's is for its claim to say.
        return Ok(());
    }
    let level = prefix.list_shallow("").await?;
    let mut names = level.objects.into_iter().map(|object| object.key);
    let foreign = names.find(|name| !is_own(name)).or_else(|| {
        let mut prefixes = level.prefixes.into_iter();
        prefixes.find(|name| !(is_own(name) || has_prefixes && is_version(name)))
    });
    match foreign {
        Some(name) if is_version(&name) => {
            let what = format!("an unfinished run of plain Zarr or of references lies there ({name})");
            Err(refused(what, "remove what it left: the same command with --abandon"))
        }
        Some(name) => Err(refused(format!("it holds {name:?}, which no run of firn wrote"), "choose an empty target")),
        None => Ok(()),
    }
}

/// Whether a name is that of firn's own records: a process of a run may have been stopped before it had claimed anything.
pub fn is_own(name: &str) -> bool {
    name.starts_with(".firn")
}

/// Whether a name is that of a prefix that is a version: `v<N>`.
pub fn is_version(name: &str) -> bool {
    name.strip_prefix('v').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
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
    let mut found = Vec::new();
    for name in level.prefixes.into_iter().filter(|name| is_version(name) && !published.contains(name)) {
        let version = prefix.child(&name)?;
        let level = version.list_shallow("").await?;
        let unclaimed = level.objects.is_empty() && level.prefixes.iter().all(|name| is_own(name));
        if unclaimed || holder_of(prefix, &name).await?.is_some() {
            found.push(name);
        }
    }
    Ok(found)
}
