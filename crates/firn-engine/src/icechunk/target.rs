//! Writing a repository: one run, one branch, one snapshot.

use super::payload::{ChunkPayload, ChunkWriter};
use super::reference::{Referenced, referenced};
use super::structure::{ArrayLayout, NodeLayout, TargetStructure};
use super::{IcechunkError, RepositoryStorage, SpecVersion, VirtualContainer, repository};
use bytes::Bytes;
use firn_model::array::{ChunkEntry, ChunkIndices, ChunkTable, SourceObject, chunk_grid::from_linear};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use icechunk::Repository;
use icechunk::format::manifest::{ChunkPayload as Stored, VirtualChunkRef};
use icechunk::format::snapshot::SnapshotProperties;
use icechunk::format::{Path, SnapshotId};
use icechunk::session::Session;
use indexmap::IndexMap;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Most chunk references held in memory before they are written out: about 600 bytes each.
const BATCH: u64 = 500_000;

/// Most chunk references in one manifest: what a reader of one chunk has to fetch and hold.
const MANIFEST: u64 = 250_000;

/// Property of every snapshot of a run: the id of the run.
pub(super) const RUN: &str = "firn:run";
/// Property of every snapshot of a run: the snapshot of `main` it was built on.
pub(super) const BASE: &str = "firn:base";
/// Property of the unfinished snapshots of a run.
pub(super) const PART: &str = "firn:part";

/// What a run wants of its repository.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Id of the run; the same id continues the same run.
    pub run: String,
    /// Specification to create a repository in.
    pub spec: SpecVersion,
    /// Origins that the run's references point into.
    pub containers: Vec<VirtualContainer>,
}

/// How far a run has come, as the repository tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// Nothing is committed: write the structure and set every chunk. Bytes written before are still there; set their
    /// payloads again.
    Fresh,
    /// Everything is committed on the run's branch; not published.
    Committed {
        /// The run's snapshot.
        snapshot: String,
    },
    /// `main` names the run's snapshot.
    Published {
        /// The run's snapshot.
        snapshot: String,
    },
}

/// A repository being written by one run.
#[derive(Debug)]
pub struct IcechunkTarget {
    pub(super) at: At,
    pub(super) options: RunOptions,
    pub(super) storage: RepositoryStorage,
    pub(super) repository: Repository,
    pub(super) branch: String,
    pub(super) base: SnapshotId,
    pub(super) tip: SnapshotId,
    pub(super) state: RunState,
    session: Option<Session>,
    layouts: IndexMap<NodePath, NodeLayout>,
    pending: u64,
    parts: Vec<SnapshotId>,
    batch: u64,
    unchecked: Vec<String>,
    prefixes: Vec<String>,
}

/// A chunk whose bytes stay in a source object.
#[derive(Debug, Clone)]
pub struct VirtualChunk<'a> {
    /// Its position.
    pub indices: ChunkIndices,
    /// The object that holds it.
    pub object: &'a SourceObject,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

impl IcechunkTarget {
    /// Opens the repository of a run, and creates it where there is none: `main` is then the empty initial snapshot.
    /// Declares the containers, and makes or finds the branch of the run. Says how far the run has come.
    ///
    /// # Errors
    /// [`IcechunkError::NotEmpty`], [`IcechunkError::SpecMismatch`], [`IcechunkError::ContainerConflict`], and what the
    /// storage says.
    pub async fn create_or_resume(storage: RepositoryStorage, options: RunOptions) -> Result<Self, IcechunkError> {
        let repository = repository::open_or_create(&storage, options.spec).await?;
        Self::of(storage, repository, options).await
    }

    /// As [`IcechunkTarget::create_or_resume`], where there is a repository.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn resume(storage: RepositoryStorage, options: RunOptions) -> Result<Option<Self>, IcechunkError> {
        match repository::open(&storage, None).await {
            Err(IcechunkError::NoRepository { .. }) => Ok(None),
            opened => Self::of(storage, opened?, options).await.map(Some),
        }
    }

    async fn of(
        storage: RepositoryStorage,
        repository: Repository,
        options: RunOptions,
    ) -> Result<Self, IcechunkError> {
        let at = storage.at.clone();
        repository::declare_containers(&at, &repository, &options.containers).await?;
        let repository = repository::open(&storage, None).await?;
        let declared = repository.config().virtual_chunk_containers();
        let prefixes = declared.map(|container| container.url_prefix().to_owned()).collect();
        let branch = format!("run-{}", options.run);
        let position = repository::find_run(&at, &repository, &options.run, &branch).await?;
        Ok(Self {
            at,
            options,
            storage,
            repository,
            branch,
            base: position.base,
            tip: position.tip,
            state: position.state,
            session: None,
            layouts: IndexMap::new(),
            pending: 0,
            parts: Vec::new(),
            batch: BATCH,
            unchecked: Vec::new(),
            prefixes,
        })
    }

    /// How far the run has come.
    pub fn state(&self) -> &RunState {
        &self.state
    }

    /// The snapshot of `main` that the run builds on.
    pub fn base(&self) -> String {
        self.base.to_string()
    }

    /// The branch that the run's snapshot is read from before it is published.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// Objects whose server tells neither an entity tag nor a date that readers could compare: a change of these would
    /// not be noticed by them.
    pub fn unchecked_objects(&self) -> &[String] {
        &self.unchecked
    }

    /// Writes chunks; may be cloned into any number of tasks.
    pub fn chunk_writer(&self) -> ChunkWriter {
        ChunkWriter {
            at: self.at.clone(),
            run: self.options.run.clone(),
            assets: Arc::clone(self.repository.asset_manager()),
        }
    }

    /// Makes the hierarchy of the run exactly this one, without chunks. What `main` has stays untouched.
    ///
    /// # Errors
    /// [`IcechunkError::BadMetadata`] or [`IcechunkError::TooLarge`] before anything is recorded.
    pub async fn write_structure(&mut self, structure: &TargetStructure) -> Result<(), IcechunkError> {
        let layouts = structure.layouts(&self.at)?;
        let split = repository::splitting(&layouts, MANIFEST);
        self.repository = repository::open(&self.storage, split).await?;
        let mut session = self.open_session().await?;
        session.clear().await.map_err(|error| IcechunkError::from_session(&self.at, error))?;
        for node in &structure.nodes {
            let at = self.at.node(node.path.as_str());
            let path = icechunk_path(&at, &node.path)?;
            let document: Bytes = node.zarr_json.clone();
            let added = match &layouts[&node.path] {
                NodeLayout::Group => session.add_group(path, document).await,
                NodeLayout::Array(layout) => {
                    let names = layout.dimension_names.clone();
                    session.add_array(path, layout.shape.clone(), names, document).await
                }
            };
            added.map_err(|error| IcechunkError::from_session(&at, error))?;
        }
        self.session = Some(session);
        self.layouts = layouts;
        Ok(())
    }

    /// Records chunks that [`ChunkWriter::write`] wrote, now or in an earlier process.
    ///
    /// # Errors
    /// [`IcechunkError::OutsideGrid`], [`IcechunkError::Damaged`] for a payload that is none.
    pub async fn set_chunks(
        &mut self,
        array: &NodePath,
        chunks: impl IntoIterator<Item = (ChunkIndices, ChunkPayload)>,
    ) -> Result<(), IcechunkError> {
        let (layout, path, at) = self.array(array)?;
        for (indices, payload) in chunks {
            let payload = payload.to_icechunk(&at.index(indices.0.clone()))?;
            self.set(&layout, &path, &at, &indices, payload).await?;
        }
        Ok(())
    }

    /// Records chunks whose bytes stay where they are.
    ///
    /// # Errors
    /// [`IcechunkError::PortDropped`], [`IcechunkError::BadReference`], [`IcechunkError::NoContainer`],
    /// [`IcechunkError::EmptyChunk`], [`IcechunkError::OutsideGrid`].
    pub async fn set_virtual<'a>(
        &mut self,
        array: &NodePath,
        chunks: impl IntoIterator<Item = VirtualChunk<'a>>,
    ) -> Result<(), IcechunkError> {
        let (layout, path, at) = self.array(array)?;
        let mut seen = SeenObjects::default();
        for chunk in chunks {
            let payload = self.virtual_payload(&mut seen, &at, &chunk)?;
            self.set(&layout, &path, &at, &chunk.indices, payload).await?;
        }
        Ok(())
    }

    /// Records every chunk of a table: stored ones as references, inline ones as they are, known-empty ones not at all.
    ///
    /// # Errors
    /// As [`IcechunkTarget::set_virtual`]; [`IcechunkError::UnknownChunk`] and [`IcechunkError::FilterMask`] for chunks
    /// that would read as wrong values.
    pub async fn set_table(&mut self, array: &NodePath, table: &ChunkTable) -> Result<(), IcechunkError> {
        let (layout, path, at) = self.array(array)?;
        if layout.grid_shape != table.grid_shape() {
            let what = format!("its grid is {:?}, that of its chunks {:?}", layout.grid_shape, table.grid_shape());
            return Err(IcechunkError::BadMetadata { at, what });
        }
        let mut seen = SeenObjects::default();
        for linear in 0..table.len() as u64 {
            let indices = from_linear(linear, table.grid_shape());
            let payload = match table.entry(linear) {
                ChunkEntry::KnownEmpty => continue,
                ChunkEntry::Unknown => return Err(IcechunkError::UnknownChunk { at: at.index(indices.0) }),
                ChunkEntry::Inline(bytes) => {
                    ChunkPayload::Inline(bytes.clone()).to_icechunk(&at.index(indices.0.clone()))?
                }
                ChunkEntry::Stored { filter_mask, .. } if filter_mask != 0 => {
                    return Err(IcechunkError::FilterMask { at: at.index(indices.0), mask: filter_mask });
                }
                ChunkEntry::Stored { object, offset, length, .. } => {
                    let chunk = VirtualChunk { indices: indices.clone(), object, offset, length };
                    self.virtual_payload(&mut seen, &at, &chunk)?
                }
            };
            self.set(&layout, &path, &at, &indices, payload).await?;
        }
        Ok(())
    }

    /// Commits everything as one snapshot on the run's branch. `main` does not move.
    ///
    /// # Errors
    /// [`IcechunkError::BranchMoved`] where another process works on the same run; what the storage says.
    pub async fn commit_run(
        &mut self,
        message: &str,
        metadata: &BTreeMap<String, serde_json::Value>,
    ) -> Result<String, IcechunkError> {
        if self.session.is_none() {
            return Err(IcechunkError::NotCommitted { at: self.at.clone(), run: self.options.run.clone() });
        }
        let mut properties: SnapshotProperties = metadata.clone();
        properties.extend(self.properties());
        self.tip = if self.parts.is_empty() || self.options.spec == SpecVersion::V2 {
            self.commit(message, properties).await?
        } else {
            self.commit_part().await?;
            repository::squash(&self.at, &self.repository, &self.branch, &self.base, &self.parts, message, properties)
                .await?
        };
        self.session = None;
        self.parts.clear();
        self.state = RunState::Committed { snapshot: self.tip.to_string() };
        Ok(self.tip.to_string())
    }

    #[cfg(test)]
    pub(super) fn set_batch(&mut self, batch: u64) {
        self.batch = batch;
    }

    fn properties(&self) -> SnapshotProperties {
        [(RUN, self.options.run.clone()), (BASE, self.base.to_string())]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), serde_json::Value::from(value)))
            .collect()
    }

    /// Writes out what was recorded so far, as an unfinished snapshot on the run's branch, so that memory stays bounded.
    async fn commit_part(&mut self) -> Result<(), IcechunkError> {
        let mut properties = self.properties();
        properties.insert(PART.to_owned(), serde_json::Value::from(self.parts.len()));
        let part = self.commit("unfinished run", properties).await?;
        self.parts.push(part);
        Ok(())
    }

    async fn commit(&mut self, message: &str, properties: SnapshotProperties) -> Result<SnapshotId, IcechunkError> {
        let at = self.at.clone();
        let Some(session) = self.session.as_mut() else {
            return Err(IcechunkError::NotCommitted { at, run: self.options.run.clone() });
        };
        let commit = session.commit(message).properties(properties).max_concurrent_nodes(8).allow_empty(true);
        // Spec 2 can replace the snapshot of the part before; in spec 1 the parts are squashed at the end.
        let amend = self.options.spec == SpecVersion::V2 && !self.parts.is_empty();
        let commit = if amend { commit.amend() } else { commit };
        let id = commit.execute().await.map_err(|error| IcechunkError::from_session(&at, error))?;
        self.pending = 0;
        Ok(id)
    }

    async fn open_session(&self) -> Result<Session, IcechunkError> {
        self.repository
            .writable_session(&self.branch)
            .await
            .map_err(|error| IcechunkError::from_repository(&self.at, error))
    }

    fn array(&self, path: &NodePath) -> Result<(ArrayLayout, Path, At), IcechunkError> {
        let at = self.at.node(path.as_str());
        match self.layouts.get(path) {
            Some(NodeLayout::Array(layout)) => Ok((layout.clone(), icechunk_path(&at, path)?, at)),
            _ => Err(IcechunkError::BadMetadata { at, what: "the structure has no array of this name".to_owned() }),
        }
    }

    async fn set(
        &mut self,
        layout: &ArrayLayout,
        path: &Path,
        at: &At,
        indices: &ChunkIndices,
        payload: Stored,
    ) -> Result<(), IcechunkError> {
        if self.pending >= self.batch {
            self.commit_part().await?;
            self.session = Some(self.open_session().await?);
        }
        let indices = layout.indices(at, indices)?;
        let Some(session) = self.session.as_mut() else {
            return Err(IcechunkError::NotCommitted { at: at.clone(), run: self.options.run.clone() });
        };
        session
            .set_chunk_ref(path.clone(), indices, Some(payload))
            .await
            .map_err(|error| IcechunkError::from_session(at, error))?;
        self.pending += 1;
        Ok(())
    }

    fn virtual_payload(
        &mut self,
        seen: &mut SeenObjects,
        at: &At,
        chunk: &VirtualChunk<'_>,
    ) -> Result<Stored, IcechunkError> {
        if chunk.length == 0 || chunk.offset.checked_add(chunk.length).is_none() {
            return Err(IcechunkError::EmptyChunk { at: at.index(chunk.indices.0.clone()) });
        }
        let known = match seen.0.get(&std::ptr::from_ref(chunk.object).addr()) {
            Some(known) => known.clone(),
            None => self.check_object(seen, chunk.object)?,
        };
        Ok(Stored::Virtual(VirtualChunkRef {
            location: known.location,
            offset: chunk.offset,
            length: chunk.length,
            checksum: known.checksum,
        }))
    }

    fn check_object(&mut self, seen: &mut SeenObjects, object: &SourceObject) -> Result<Referenced, IcechunkError> {
        let found = referenced(object, self.options.spec, &self.prefixes)?;
        if found.checksum.is_none() {
            self.unchecked.push(object.url.clone());
        }
        seen.0.insert(std::ptr::from_ref(object).addr(), found.clone());
        Ok(found)
    }
}

/// Objects already checked, by identity: a table names the same few objects for many chunks.
#[derive(Debug, Default)]
struct SeenObjects(HashMap<usize, Referenced>);

fn icechunk_path(at: &At, path: &NodePath) -> Result<Path, IcechunkError> {
    Path::try_from(path.as_str())
        .map_err(|error| IcechunkError::BadMetadata { at: at.clone(), what: error.to_string() })
}
