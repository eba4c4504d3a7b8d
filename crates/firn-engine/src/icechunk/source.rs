//! A repository, at one of its versions, as a [`Dataset`].

use super::reference::source_url;
use super::{IcechunkError, RepositoryStorage, SpecVersion, documents::Documents, repository};
use firn_model::array::chunk_grid::to_linear;
use firn_model::array::manifest::MAX_CHUNKS;
use firn_model::array::{Array, ChunkManifest, ChunkTable, SourceObject};
use firn_model::dataset::{Dataset, DatasetFormat, Node, NodePath};
use firn_model::diagnose::At;
use firn_model::source::SourceVersion;
use futures::TryStreamExt;
use icechunk::Repository;
use icechunk::format::format_constants::SpecVersionBin;
use icechunk::format::manifest::{Checksum, ChunkPayload as Stored, SecondsSinceEpoch, VirtualChunkRef};
use icechunk::format::snapshot::SnapshotProperties;
use icechunk::format::{Path, SnapshotId};
use icechunk::repository::{RepositoryErrorKind, VersionInfo};
use icechunk::session::Session;
use icechunk::storage::{StorageErrorKind, strip_quotes};
use std::collections::HashMap;

/// A repository at one of its versions.
#[derive(Debug, Clone)]
pub struct OpenedSnapshot {
    /// Id of the snapshot.
    pub snapshot: String,
    /// What its writer said of it.
    pub message: String,
    /// Further properties of the snapshot.
    pub properties: SnapshotProperties,
    /// The hierarchy; every chunk is in a table. Objects of virtual references have the size 0, since a reference does
    /// not tell it: open them and compare with [`still_holds`].
    pub dataset: Dataset,
    /// URL prefixes of the containers that readers have to authorise.
    pub containers: Vec<String>,
    /// The specification that the repository is written in.
    pub spec: SpecVersion,
}

/// Opens a repository at a branch, a tag or a snapshot id, looked for in this order.
///
/// # Errors
/// [`IcechunkError::NoRepository`], [`IcechunkError::NoSuchVersion`], [`IcechunkError::Empty`],
/// [`IcechunkError::Damaged`], what a metadata document is refused for, and what the storage says.
pub async fn open_snapshot(storage: &RepositoryStorage, version: &str) -> Result<OpenedSnapshot, IcechunkError> {
    open_named(storage, VersionName::Any(version)).await
}

/// As what the name of a version is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionName<'a> {
    /// A branch, a tag or a snapshot id, looked for in this order.
    Any(&'a str),
    /// A branch, which moves.
    Branch(&'a str),
    /// A tag or a snapshot id: what never moves.
    Fixed(&'a str),
}

/// The id of the snapshot that a version is now.
///
/// # Errors
/// As [`open_snapshot`].
pub async fn snapshot_of(storage: &RepositoryStorage, version: VersionName<'_>) -> Result<String, IcechunkError> {
    let repository = repository::open(storage, None).await?;
    Ok(resolve(&storage.at, &repository, version).await?.to_string())
}

/// As [`open_snapshot`], with a name that is taken as what it is said to be.
///
/// # Errors
/// As [`open_snapshot`].
pub async fn open_named(
    storage: &RepositoryStorage,
    version: VersionName<'_>,
) -> Result<OpenedSnapshot, IcechunkError> {
    let at = &storage.at;
    let repository = repository::open(storage, None).await?;
    let id = resolve(at, &repository, version).await?;
    let info = repository.lookup_snapshot(&id).await.map_err(|error| IcechunkError::from_repository(at, error))?;
    let session = repository
        .readonly_session(&VersionInfo::SnapshotId(id.clone()))
        .await
        .map_err(|error| IcechunkError::from_repository(at, error))?;
    let mut documents = Documents::new(&storage.url);
    let nodes = session.list_nodes(&Path::root()).await.map_err(|error| IcechunkError::from_session(at, error))?;
    for node in nodes {
        let node = node.map_err(|error| IcechunkError::from_session(at, error))?;
        let path = NodePath::parse(node.path.as_str())
            .map_err(|what| IcechunkError::Damaged { at: at.node(node.path.to_string()), what })?;
        documents.insert(&path, node.user_data);
    }
    if documents.is_empty() {
        return Err(IcechunkError::Empty { at: at.clone(), version: version.name().to_owned() });
    }
    let mut dataset = firn_formats::zarr::open(&documents, at)?;
    dataset.format = DatasetFormat::Icechunk;
    for (path, node) in &mut dataset.nodes {
        if let Node::Array(array) = node {
            let table = table(storage, &session, path, array).await?;
            array.manifest = ChunkManifest::Table(table);
        }
    }
    let containers = session.config().virtual_chunk_containers().map(|found| found.url_prefix().to_owned());
    let mut containers: Vec<String> = containers.collect();
    containers.sort();
    let spec = if repository.spec_version() == SpecVersionBin::V1 { SpecVersion::V1 } else { SpecVersion::V2 };
    Ok(OpenedSnapshot {
        spec,
        snapshot: id.to_string(),
        message: info.message,
        properties: info.metadata,
        dataset,
        containers,
    })
}

impl<'a> VersionName<'a> {
    fn name(self) -> &'a str {
        match self {
            Self::Any(name) | Self::Branch(name) | Self::Fixed(name) => name,
        }
    }

    /// What it may be, in the order in which it is looked for.
    fn candidates(self) -> Vec<VersionInfo> {
        let name = self.name();
        let mut all = Vec::new();
        if !matches!(self, Self::Fixed(_)) {
            all.push(VersionInfo::BranchTipRef(name.to_owned()));
        }
        if !matches!(self, Self::Branch(_)) {
            all.push(VersionInfo::TagRef(name.to_owned()));
            all.extend(SnapshotId::try_from(name).ok().map(VersionInfo::SnapshotId));
        }
        all
    }
}

async fn resolve(at: &At, repository: &Repository, version: VersionName<'_>) -> Result<SnapshotId, IcechunkError> {
    let asked = version.candidates();
    for candidate in asked {
        let error = match repository.resolve_version(&candidate).await {
            Ok(id) => return Ok(id),
            Err(error) => error,
        };
        // In spec 1 a snapshot is looked for by its object.
        let absent = matches!(error.kind, RepositoryErrorKind::StorageError(StorageErrorKind::ObjectNotFound));
        match IcechunkError::from_repository(at, error) {
            IcechunkError::NoSuchVersion { .. } => {}
            _ if absent => {}
            error => return Err(error),
        }
    }
    Err(IcechunkError::NoSuchVersion { at: at.clone(), version: version.name().to_owned() })
}

/// The chunks of one array. A position that no manifest names is known to be empty: Icechunk's snapshots are whole.
async fn table(
    storage: &RepositoryStorage,
    session: &Session,
    path: &NodePath,
    array: &Array,
) -> Result<ChunkTable, IcechunkError> {
    let at = storage.at.node(path.as_str());
    let metadata = &array.metadata;
    let grid_shape = metadata.chunk_grid.grid_shape(&metadata.shape);
    let mut table = ChunkTable::known_empty(&grid_shape).ok_or_else(|| IcechunkError::TooLarge {
        at: at.clone(),
        what: format!("its chunk grid is {grid_shape:?}, of more than {MAX_CHUNKS} chunks"),
    })?;
    let stored_path = Path::try_from(path.as_str())
        .map_err(|error| IcechunkError::Damaged { at: at.clone(), what: error.to_string() })?;
    let mut known: HashMap<(String, Option<Checksum>), u32> = HashMap::new();
    let chunks = session.array_chunk_iterator(&stored_path).await;
    futures::pin_mut!(chunks);
    while let Some(chunk) = chunks.try_next().await.map_err(|error| IcechunkError::from_session(&at, error))? {
        let indices = firn_model::array::ChunkIndices(chunk.coord.0.iter().map(|index| u64::from(*index)).collect());
        let at = at.index(indices.0.clone());
        let linear = to_linear(&indices, &grid_shape)
            .ok_or_else(|| IcechunkError::OutsideGrid { at: at.clone(), grid_shape: grid_shape.clone() })?;
        match chunk.payload {
            Stored::Inline(bytes) => table.set_inline(linear, bytes),
            Stored::Ref(reference) => {
                let end = end(&at, reference.offset, reference.length)?;
                let url = format!("{}/chunks/{}", storage.url.trim_end_matches('/'), reference.id);
                let object = SourceObject { url, version: SourceVersion { size: end, ..SourceVersion::default() } };
                let number = table.push_object(object);
                table.set_stored(linear, number, reference.offset, reference.length, 0);
            }
            Stored::Virtual(reference) => {
                end(&at, reference.offset, reference.length)?;
                let number = virtual_object(session, &mut table, &mut known, &at, &reference)?;
                table.set_stored(linear, number, reference.offset, reference.length, 0);
            }
            // Neither inline nor a reference: the crate knows a kind that this version of firn does not.
            _ => return Err(IcechunkError::Damaged { at, what: "a chunk of an unknown kind".to_owned() }),
        }
    }
    Ok(table)
}

fn end(at: &At, offset: u64, length: u64) -> Result<u64, IcechunkError> {
    offset.checked_add(length).ok_or_else(|| IcechunkError::Damaged {
        at: at.clone(),
        what: format!("{length} bytes from {offset} on end beyond 64 bits"),
    })
}

fn virtual_object(
    session: &Session,
    table: &mut ChunkTable,
    known: &mut HashMap<(String, Option<Checksum>), u32>,
    at: &At,
    reference: &VirtualChunkRef,
) -> Result<u32, IcechunkError> {
    let url = session
        .resolve_virtual_location(&reference.location)
        .map_err(|error| IcechunkError::from_reference(at, &error.kind))?;
    let key = (source_url(&url), reference.checksum.clone());
    if let Some(number) = known.get(&key) {
        return Ok(*number);
    }
    let (etag, last_modified) = match &reference.checksum {
        Some(Checksum::ETag(etag)) => (Some(etag.0.clone()), None),
        Some(Checksum::LastModified(SecondsSinceEpoch(seconds))) => (None, Some(i64::from(*seconds))),
        None => (None, None),
    };
    let version = SourceVersion { etag, last_modified, ..SourceVersion::default() };
    let number = table.push_object(SourceObject { url: key.0.clone(), version });
    known.insert(key, number);
    Ok(number)
}

/// Whether an object is still in the state that references into it were written for, as an icechunk reader judges it:
/// the entity tag is the same, apart from its quotes, or the object was not modified after the date of the reference.
pub fn still_holds(reference: &SourceVersion, found: &SourceVersion) -> bool {
    match (&reference.etag, reference.last_modified) {
        (Some(expected), _) => found.etag.as_deref().is_some_and(|tag| strip_quotes(tag) == strip_quotes(expected)),
        (None, Some(date)) => found.last_modified.is_some_and(|modified| modified <= date),
        (None, None) => true,
    }
}
