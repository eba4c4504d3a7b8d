//! One store from prepared sources: claim, plan, execute, verify, publish. The same command continues after any stop.

mod begin;
mod icechunk;
mod kerchunk;
mod zarr3;

pub use icechunk::{build_icechunk, containers, virtual_verdicts};
pub use kerchunk::build_kerchunk;
pub use zarr3::build_zarr3;

use crate::error::EngineError;
use crate::execute::Output;
use crate::icechunk::SpecVersion;
use crate::journal::RunRecord;
use crate::managed::{self, Version};
use crate::phases::Phases;
use crate::pipeline::Prepared;
use crate::provenance::{Provenance, source_digest};
use crate::settings::Engine;
use crate::target::structure::Structure;
use crate::verbs::catalog_entry::{PublishedStore, StoreDetails, native_snippet, store_entry};
use crate::verbs::requests::{TaskRange, VerifyDepth};
use crate::verify::{MissingRule, VerifyReport};
use firn_catalog::snippet::Snippet;
use firn_model::array::SourceObject;
use firn_model::combine::Noted;
use firn_model::feedstock::store_entry::KerchunkDetails;
use firn_model::plan::{Plan, TargetOptions};
use firn_storage::ObjectUrl;
use std::collections::BTreeMap;

/// Where a store goes.
#[derive(Debug, Clone)]
pub enum Destination {
    /// The address is the store itself: written once.
    Bare(ObjectUrl),
    /// The address is a managed dataset, which gets another version.
    Managed {
        /// `<location>/<path>`.
        url: ObjectUrl,
        /// Public id, where it belongs to a feedstock.
        id: Option<String>,
        /// Of how many steps it is made, where it is a part to try things out.
        limit: Option<u64>,
    },
}

impl Destination {
    /// The address that was asked for.
    pub fn url(&self) -> &ObjectUrl {
        match self {
            Self::Bare(url) | Self::Managed { url, .. } => url,
        }
    }
}

/// How a store is built, beside what is in it.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Layout of native arrays.
    pub target: TargetOptions,
    /// Whether data variables stay where they are.
    pub is_virtual: bool,
    /// Version of the Icechunk specification.
    pub spec: SpecVersion,
    /// Who builds it from what; goes into the root's attributes.
    pub provenance: Provenance,
    /// Whether the root document holds all others.
    pub consolidated: bool,
    /// Dimensions along which files were joined.
    pub ordered: Vec<String>,
    /// How much may be missing.
    pub missing: Option<MissingRule>,
    /// How much is compared before publishing.
    pub verify: VerifyDepth,
    /// Only a part of the tasks, without publishing.
    pub part: Option<TaskRange>,
    /// All tasks must have been done elsewhere: verify and publish only.
    pub finish: bool,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct BuildReport {
    /// The store.
    pub store: String,
    /// The run that built it.
    pub run: String,
    /// Whether it is published (not where only a part of the tasks was asked for).
    pub published: bool,
    /// Source files.
    pub files: u64,
    /// Arrays, groups not counted.
    pub arrays: Vec<BuiltArray>,
    /// Tasks of the plan.
    pub tasks: u64,
    /// Tasks that an earlier process had done.
    pub tasks_resumed: u64,
    /// Bytes of encoded chunks that were written.
    pub bytes_written: u64,
    /// Chunk references that were written.
    pub references: u64,
    /// Most bytes of memory that the process could take.
    pub peak_memory: u64,
    /// What rules settled: dropped attributes, snapped coordinates, times encoded anew.
    pub noted: Vec<Noted>,
    /// What verification saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerifyReport>,
    /// Snapshot of the Icechunk repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The version of a managed dataset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Python that opens the store without firn; `None` where it is not published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snippet: Option<Snippet>,
    /// Whether nothing was left to do: these sources were published in this form before.
    pub up_to_date: bool,
    /// URL prefixes that readers of an Icechunk repository authorise.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub containers: Vec<String>,
    /// What each phase took.
    pub phases: Phases,
    /// Where it is a file of kerchunk references, what its readers need to know.
    #[serde(skip)]
    pub kerchunk: Option<KerchunkDetails>,
    /// When the version was published, RFC 3339, where the dataset says so.
    #[serde(skip)]
    pub published_at: Option<String>,
}

/// One array of a built store.
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct BuiltArray {
    /// Where it is.
    pub path: String,
    /// Type of its elements.
    pub data_type: String,
    /// Names of its dimensions.
    pub dimensions: Vec<String>,
    /// Their lengths.
    pub shape: Vec<u64>,
    /// Shape of its chunks.
    pub chunk_shape: Vec<u64>,
    /// Shape of its shards, where it has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_shape: Option<Vec<u64>>,
    /// `native` or `virtual`.
    pub storage: &'static str,
    /// Why it was copied although references were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied_because: Option<String>,
}

impl BuildReport {
    /// As the managed dataset names it.
    fn named(self, version: Option<Version>) -> Self {
        let Some(Version { version, published, .. }) = version else { return self };
        Self { version: Some(version), published_at: Some(published), ..self }
    }

    /// What a catalog says of the store: where it is and what it is.
    ///
    /// # Errors
    /// A store address that cannot be understood.
    pub fn published_store(
        &self,
        id: &str,
        public_id: Option<&str>,
        options: &BuildOptions,
    ) -> Result<PublishedStore, EngineError> {
        let details = if let Some(kerchunk) = &self.kerchunk {
            StoreDetails::Kerchunk(kerchunk.clone())
        } else if self.snapshot.is_some() {
            let spec = if options.spec == SpecVersion::V2 { 2 } else { 1 };
            StoreDetails::Icechunk { spec, containers: self.containers.clone() }
        } else {
            StoreDetails::Zarr { format: 3, consolidated: options.consolidated }
        };
        Ok(PublishedStore {
            id: id.to_owned(),
            name: None,
            url: ObjectUrl::parse(&self.store)?,
            public_id: public_id.map(str::to_owned),
            details,
            last_updated: self.published_at.clone().unwrap_or_else(|| options.provenance.started.clone()),
        })
    }

    /// Adds the Python that opens the store, where it is published and one is known.
    ///
    /// # Errors
    /// As [`store_entry`].
    pub fn with_snippet(mut self, engine: &Engine, options: &BuildOptions) -> Result<Self, EngineError> {
        if self.published {
            tracing::info!(
                store = %self.store,
                version = %self.version.as_deref().unwrap_or("none"),
                tasks = self.tasks,
                bytes_written = self.bytes_written,
                references = self.references,
                up_to_date = self.up_to_date,
                "published"
            );
            let entry = store_entry(engine, &self.published_store("store", None, options)?)?;
            self.snippet = native_snippet(&entry).ok();
        }
        Ok(self)
    }
}

/// Says in `firn.json` that a version is published and current; what stands there.
async fn name_version(
    engine: &Engine,
    destination: &Destination,
    store: &ObjectUrl,
    run: &str,
    prepared: &Prepared,
    snapshot: Option<String>,
) -> Result<Option<Version>, EngineError> {
    let Destination::Managed { url, id, limit } = destination else { return Ok(None) };
    let prefix = engine.target_prefix(url)?;
    let (format, name) = match &snapshot {
        Some(snapshot) => ("icechunk", managed::version_of(&prefix, snapshot).await?),
        None if store.file_name() == managed::REFERENCES => {
            (managed::KERCHUNK, store.parent().map(|folder| folder.file_name()).unwrap_or_default())
        }
        None => ("zarr3", store.file_name()),
    };
    let version = Version {
        version: name,
        run: run.to_owned(),
        published: crate::clock::now(),
        snapshot,
        source_files: prepared.combined.files.len() as u64,
        limit: *limit,
        in_place: false,
    };
    managed::publish_version(&prefix, id.as_deref(), format, version).await.map(Some)
}

/// The tasks that this process does.
fn tasks_to_do(
    plan: &Plan,
    done: &BTreeMap<usize, Vec<Output>>,
    options: &BuildOptions,
) -> Result<Vec<usize>, EngineError> {
    let open = (0..plan.tasks.len()).filter(|task| !done.contains_key(task));
    let tasks: Vec<usize> = match options.part {
        Some(TaskRange { part, of }) => {
            open.filter(|task| *task as u64 % u64::from(of) == u64::from(part) - 1).collect()
        }
        None => open.collect(),
    };
    if options.finish && !tasks.is_empty() {
        return Err(EngineError::TasksOpen { open: tasks.len(), tasks: plan.tasks.len() });
    }
    Ok(tasks)
}

/// The id of a run: BLAKE3 of everything that decides what is built, of what it is built, and where. `bare` are the
/// documents of all its nodes without the attributes that name the run.
///
/// # Errors
/// An address in an unknown location.
fn run_id(
    engine: &Engine,
    prepared: &Prepared,
    target: &ObjectUrl,
    options: &BuildOptions,
    format: &str,
    bare: &Structure,
) -> Result<String, EngineError> {
    // The same place by another spelling is the same place.
    let place = |url: &ObjectUrl| engine.storage.physical(url).map(|url| url.to_string());
    let mut hasher = blake3::Hasher::new_derive_key("firn run id 1");
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(place(target)?.as_bytes());
    add(format.as_bytes());
    add(bare.root(options.consolidated));
    for (path, document) in bare.documents() {
        add(path.as_str().as_bytes());
        add(document);
    }
    add(format!("{:?} {}", prepared.encoding, options.is_virtual).as_bytes());
    for file in &prepared.combined.files {
        add(place(&ObjectUrl::parse(&file.url)?)?.as_bytes());
        add(file.version.etag.as_deref().unwrap_or("").as_bytes());
        add(&file.version.last_modified.unwrap_or(0).to_le_bytes());
        add(&file.version.nanoseconds.unwrap_or(0).to_le_bytes());
        add(&file.version.size.to_le_bytes());
    }
    for (path, array) in &prepared.combined.arrays {
        add(path.as_str().as_bytes());
        add(array.source_path.as_str().as_bytes());
        add(format!("{:?} {:?}", array.axes, array.content).as_bytes());
    }
    Ok(hasher.finalize().to_hex()[..20].to_owned())
}

/// What a target says of this run.
fn run_record(prepared: &Prepared, run: &str) -> RunRecord {
    RunRecord::new(run, &source_digest(prepared), prepared.combined.files.len() as u64)
}

/// An object by the URL that readers of references resolve: `file:///…`, `https://…`, `s3://…`.
fn reference_url(engine: &Engine, object: &SourceObject) -> Result<SourceObject, EngineError> {
    let physical = engine.storage.physical(&ObjectUrl::parse(&object.url)?)?;
    let url = match physical.local_path() {
        Some(path) => url::Url::from_file_path(path)
            .map_err(|()| EngineError::bug(format!("{} is not absolute", path.display())))?
            .to_string(),
        None => physical.to_string(),
    };
    Ok(SourceObject { url, version: object.version.clone() })
}
