//! An Icechunk repository: references, native chunks, or both.

use super::begin::{claim, clear, enter, finish, other_run};
use super::{
    BuildOptions, BuildReport, BuiltArray, Destination, name_version, reference_url, run_id, run_record, tasks_to_do,
    zarr3::native,
};
use crate::error::EngineError;
use crate::execute::{ChunkSink, Execution, Output, OutputState, Written};
use crate::icechunk::{
    ChunkWriter, IcechunkTarget, Published, RepositoryStorage, RunOptions, RunState, S3Access, SpecVersion, TargetNode,
    TargetStructure, VirtualContainer, check_address, containers_for, open_snapshot,
};
use crate::journal::{Claim, Journal};
use crate::lease::RunLease;
use crate::managed;
use crate::open::ContainerSource;
use crate::phases::{Phases, Stopwatch};
use crate::pipeline::Prepared;
use crate::settings::Engine;
use crate::target::structure::{Structure, stored_metadata};
use crate::verify::{StoreView, VerifyOptions, VerifyReport, verify};
use bytes::Bytes;
use firn_model::array::{ArrayMetadata, ChunkGrid, ChunkIndices};
use firn_model::combine::{
    CombineError, CombinedArray, Disagreement, NotVirtual, VirtualArray, VirtualVerdict, virtual_verdict,
};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use firn_model::plan::{ArrayLayout, Plan, plan};
use firn_model::source::Source;
use firn_storage::{ObjectUrl, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;

/// What becomes of each array of a virtual store.
pub struct VirtualPlan {
    /// Arrays that are references.
    pub references: BTreeMap<NodePath, VirtualArray>,
    /// Arrays that are copied, and why.
    pub copied: BTreeMap<NodePath, String>,
}

impl VirtualPlan {
    /// How many references there are.
    pub(super) fn count(&self) -> u64 {
        self.references.values().map(|array| array.table.num_stored()).sum()
    }
}

/// Which arrays are references and which are copied, by [`virtual_verdict`].
///
/// # Errors
/// Drift between files as [`CombineError`], else *unsupported* with every array that would have to be copied.
pub fn virtual_verdicts(engine: &Engine, prepared: &Prepared) -> Result<VirtualPlan, EngineError> {
    let mut plan = VirtualPlan { references: BTreeMap::new(), copied: BTreeMap::new() };
    let mut obstacles: Vec<(NodePath, NotVirtual)> = Vec::new();
    for (path, array) in &prepared.combined.arrays {
        match virtual_verdict(&prepared.combined, array) {
            VirtualVerdict::References(mut found) => {
                found.table.map_objects(|object| reference_url(engine, object))?;
                plan.references.insert(path.clone(), found);
            }
            VirtualVerdict::Copied(reason) => {
                plan.copied.insert(path.clone(), reason);
            }
            VirtualVerdict::Refused(obstacle) => obstacles.push((path.clone(), obstacle)),
        }
    }
    for (path, reason) in &plan.copied {
        tracing::debug!(variable = %path, %reason, "copied, not referenced");
    }
    let (references, refused) = (plan.references.len(), obstacles.len());
    tracing::info!(references, copied = plan.copied.len(), refused, "which variables can be references");
    refuse(prepared, obstacles).map_or(Ok(plan), Err)
}

fn refuse(prepared: &Prepared, obstacles: Vec<(NodePath, NotVirtual)>) -> Option<EngineError> {
    let drifts: Vec<Disagreement> = obstacles
        .iter()
        .filter_map(|(path, obstacle)| {
            Some(Disagreement {
                rule: obstacle.drift?,
                at: At::url(obstacle.file.as_deref().unwrap_or("")).node(path.as_str()),
                against: None,
                expected: "chunks that one reference grid can hold".to_owned(),
                found: obstacle.what.clone(),
            })
        })
        .collect();
    if let Some(error) = CombineError::of(drifts) {
        return Some(error.into());
    }
    let errors = obstacles
        .into_iter()
        .map(|(path, obstacle)| EngineError::Unsupported {
            code: obstacle.code,
            at: At::url(
                obstacle.file.as_deref().or(prepared.combined.files.first().map(|f| f.url.as_str())).unwrap_or(""),
            )
            .node(path.as_str()),
            what: format!("{path} cannot be references only: {}", obstacle.what),
            next: obstacle.fix.to_owned(),
        })
        .collect();
    EngineError::several("variables that cannot be references only", errors)
}

/// Builds an Icechunk repository at this prefix, or continues to.
///
/// # Errors
/// Anything on the way; then `main` has not moved, and the same call continues.
pub fn build_icechunk(
    engine: &Engine,
    prepared: &mut Prepared,
    destination: &Destination,
    options: &BuildOptions,
) -> Result<BuildReport, EngineError> {
    let mut watch = Stopwatch::start(&engine.storage);
    let url = destination.url();
    let runtime = engine.storage.runtime().clone();
    engine.may_bring(prepared.sources.iter().map(|source| source.url.as_str()), destination.url())?;
    let prefix = engine.target_prefix(url)?;
    let virtuals = if options.is_virtual {
        virtual_verdicts(engine, prepared)?
    } else {
        VirtualPlan { references: BTreeMap::new(), copied: BTreeMap::new() }
    };
    let layouts: Vec<(NodePath, ArrayLayout)> = prepared
        .layouts(&options.target)?
        .into_iter()
        .filter(|(path, _)| !virtuals.references.contains_key(path))
        .collect();
    prepared.split_for_reading();
    let prepared: &Prepared = prepared;
    let arrays = stored_arrays(prepared, &virtuals, &layouts)?;
    let containers = containers(engine, &virtuals, options.spec)?;
    let bare = Structure::new(&prepared.combined, &arrays, &options.provenance.added)?;
    let run = run_id(engine, prepared, url, options, &format!("icechunk {}", options.spec), &bare)?;
    let journal = Journal::new(prefix.clone(), run_record(prepared, &run));
    let planned = || {
        let resources = prepared.resources(engine, Some(url), virtuals.count());
        Ok(plan(&prepared.combined, &layouts, resources)?)
    };
    let work = begin(engine, &journal, &prefix, destination, options, &planned)?;
    let Some((lease, planned)) = work else {
        if !clear(engine, &journal, &prefix)? && matches!(destination, Destination::Bare(_)) {
            return Err(EngineError::TargetExists { at: url.at() });
        }
        let named = runtime.block_on(named_snapshot(&prefix, &run))?;
        let snapshot = named.map_or_else(|| runtime.block_on(published_snapshot(&prefix)), |found| Ok(Some(found)))?;
        let named = runtime.block_on(name_version(engine, destination, url, &run, prepared, snapshot.clone()))?;
        let empty = Plan::empty();
        let done = report(url, &run, prepared, &layouts, &virtuals, &empty, &BTreeMap::new(), 0);
        let containers = containers.iter().map(VirtualContainer::url_prefix).collect::<Result<_, _>>()?;
        let done = BuildReport { published: true, up_to_date: true, snapshot, containers, ..done };
        return Ok(done.named(named));
    };

    let storage = RepositoryStorage::new(prefix.clone());
    let run_options = RunOptions { run: run.clone(), spec: options.spec, containers: containers.clone() };
    let mut target = runtime.block_on(IcechunkTarget::create_or_resume(storage.clone(), run_options))?;
    let plan = runtime.block_on(journal.plan(planned))?;
    let done = runtime.block_on(journal.done(plan.tasks.len()))?;
    let resumed = done.len() as u64;
    let tasks = tasks_to_do(&plan, &done, options)?;
    let outputs = Mutex::new(done);
    let layout_list: Vec<ArrayLayout> = layouts.iter().map(|(_, layout)| layout.clone()).collect();
    let sink = Sink { writer: target.chunk_writer(), prefix: prefix.clone(), runtime: runtime.clone() };
    let execution = Execution {
        engine,
        combined: &prepared.combined,
        sources: &prepared.sources,
        plan: &plan,
        layouts: &layout_list,
        sink: &sink,
        encoding: prepared.encoding,
    };
    let mut phases = Phases { plan: watch.lap("plan"), ..prepared.phases };
    execution.run(&tasks, &|task, written| {
        lease.check()?;
        runtime.block_on(journal.record_task(task, written))?;
        crate::execute::lock(&outputs).insert(task, written.to_vec());
        Ok(())
    })?;
    let outputs = outputs.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    phases.execute = watch.lap("execute");
    let mut report = report(url, &run, prepared, &layouts, &virtuals, &plan, &outputs, resumed);
    report.phases = phases;
    report.containers = containers.iter().map(VirtualContainer::url_prefix).collect::<Result<_, _>>()?;
    if options.part.is_some() {
        return Ok(report);
    }
    if *target.state() == RunState::Fresh {
        let structure = Structure::new(&prepared.combined, &arrays, &options.provenance.attributes(&run, prepared))?;
        runtime.block_on(commit(&mut target, &structure, &virtuals, &plan, &outputs))?;
    }
    report.phases.commit = watch.lap("commit");
    report.verification =
        Some(verify_run(engine, prepared, url, &storage, target.branch(), target.state(), options)?.into_result()?);
    report.phases.verify = watch.lap("verify");
    engine.cancel.check()?;
    lease.confirm()?;
    let published = runtime.block_on(target.publish())?;
    report.snapshot = Some(match published {
        Published::Now { snapshot, .. } | Published::Before { snapshot } => snapshot,
    });
    report.published = true;
    let snapshot = report.snapshot.clone();
    let named = runtime.block_on(name_version(engine, destination, url, &run, prepared, snapshot))?;
    report = report.named(named);
    finish(engine, &journal, lease)?;
    report.phases.publish = watch.lap("publish");
    Ok(report)
}

/// Claims the repository for a run; `None` where nothing is left to do.
fn begin(
    engine: &Engine,
    journal: &Journal,
    prefix: &Prefix,
    destination: &Destination,
    options: &BuildOptions,
    planned: &dyn Fn() -> Result<Plan, EngineError>,
) -> Result<Option<(RunLease, Plan)>, EngineError> {
    let runtime = engine.storage.runtime();
    // What does not fit into memory leaves nothing behind; what is done needs no memory.
    let holder = runtime.block_on(Journal::holder(prefix))?;
    let is_done = holder.is_some_and(|record| record.finished && record.run == journal.run());
    let plan = if is_done { None } else { Some(planned()?) };
    let claimed = if matches!(destination, Destination::Managed { .. }) {
        runtime.block_on(managed::check_place(prefix, "icechunk"))?;
        runtime.block_on(journal.claim_next())?
    } else {
        let exists = runtime.block_on(repository_exists(prefix))?;
        runtime.block_on(claim(journal, prefix, destination, exists))?
    };
    match claimed {
        Claim::Ours => {
            let lease = enter(engine, journal, prefix, destination, options)?;
            match (lease, plan) {
                (Some(lease), Some(plan)) => Ok(Some((lease, plan))),
                (Some(lease), None) => Ok(Some((lease, planned()?))),
                (None, _) => Ok(None),
            }
        }
        Claim::Finished => Ok(None),
        Claim::Other(other) => Err(other_run(journal, prefix, destination, &other)),
    }
}

/// The newest snapshot that `firn.json` names as this run's.
async fn named_snapshot(prefix: &Prefix, run: &str) -> Result<Option<String>, EngineError> {
    let versions = managed::read(prefix).await?.map(|(dataset, _)| dataset.versions).unwrap_or_default();
    Ok(versions.into_iter().rfind(|version| version.run == run).and_then(|version| version.snapshot))
}

/// The snapshot that `main` names.
async fn published_snapshot(prefix: &Prefix) -> Result<Option<String>, EngineError> {
    Ok(Some(open_snapshot(&RepositoryStorage::new(prefix.clone()), "main").await?.snapshot))
}

async fn repository_exists(prefix: &Prefix) -> Result<bool, EngineError> {
    for key in ["repo", "refs/branch.main/ref.json", "config.yaml"] {
        if prefix.head(key).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The arrays as they are stored: those that are references in the grid and codecs of their chunks.
pub(super) fn stored_arrays(
    prepared: &Prepared,
    virtuals: &VirtualPlan,
    layouts: &[(NodePath, ArrayLayout)],
) -> Result<Vec<(NodePath, ArrayMetadata)>, EngineError> {
    let by_path: BTreeMap<&NodePath, &ArrayLayout> = layouts.iter().map(|(path, layout)| (path, layout)).collect();
    let stored = |(path, array): (&NodePath, &CombinedArray)| {
        let metadata = match (virtuals.references.get(path), by_path.get(path)) {
            (Some(found), _) => ArrayMetadata {
                chunk_grid: ChunkGrid::regular(&found.chunk_shape),
                codecs: found.codecs.clone(),
                fill_value: Some(firn_model::plan::fill_value_of(&array.metadata)),
                ..array.metadata.clone()
            },
            (None, Some(layout)) => stored_metadata(&array.metadata, layout),
            (None, None) => return Err(EngineError::bug(format!("{path} has no layout"))),
        };
        Ok((path.clone(), metadata))
    };
    prepared.combined.arrays.iter().map(stored).collect()
}

/// One container per origin that references point into. Readers must be able to follow every reference: what they cannot is
/// refused here, before anything is written.
///
/// # Errors
/// An address that readers of this specification cannot follow, or files that have only `/` in common.
pub fn containers(
    engine: &Engine,
    virtuals: &VirtualPlan,
    spec: SpecVersion,
) -> Result<Vec<VirtualContainer>, EngineError> {
    let objects = virtuals.references.values().flat_map(|array| array.table.objects());
    let urls: BTreeSet<&str> = objects.map(|object| object.url.as_str()).collect();
    for url in &urls {
        check_address(url, spec)?;
    }
    containers_for(urls, |url| s3_access(engine, url))
}

/// How readers reach the bucket that firn read from; never with firn's credentials.
fn s3_access(engine: &Engine, url: &str) -> Result<S3Access, EngineError> {
    let object = ObjectUrl::parse(url)?;
    let facts =
        engine.storage.s3_facts(&object)?.ok_or_else(|| EngineError::bug(format!("{url} is not in a bucket")))?;
    Ok(S3Access {
        region: facts.region,
        endpoint_url: facts.endpoint,
        anonymous: facts.anonymous,
        force_path_style: facts.path_style,
    })
}

#[expect(clippy::too_many_arguments, reason = "the facts of a build, gathered once")]
pub(super) fn report(
    url: &ObjectUrl,
    run: &str,
    prepared: &Prepared,
    layouts: &[(NodePath, ArrayLayout)],
    virtuals: &VirtualPlan,
    plan: &Plan,
    outputs: &BTreeMap<usize, Vec<Output>>,
    resumed: u64,
) -> BuildReport {
    let native_arrays = layouts.iter().filter_map(|(path, layout)| {
        let built = native(prepared, path, layout)?;
        Some(BuiltArray { copied_because: virtuals.copied.get(path).cloned(), ..built })
    });
    let virtual_arrays = virtuals.references.iter().filter_map(|(path, found)| {
        let metadata = &prepared.combined.arrays.get(path)?.metadata;
        Some(BuiltArray {
            path: path.to_string(),
            data_type: metadata.data_type.to_string(),
            dimensions: metadata.dimension_names.clone(),
            shape: metadata.shape.clone(),
            chunk_shape: found.chunk_shape.clone(),
            shard_shape: None,
            storage: "virtual",
            copied_because: None,
        })
    });
    let written = outputs.values().flatten().filter_map(|output| match &output.state {
        OutputState::Written(written) => Some(written.length),
        OutputState::KnownEmpty => None,
    });
    BuildReport {
        store: url.to_string(),
        run: run.to_owned(),
        published: false,
        files: prepared.combined.files.len() as u64,
        arrays: native_arrays.chain(virtual_arrays).collect(),
        tasks: plan.tasks.len() as u64,
        tasks_resumed: resumed,
        bytes_written: written.sum(),
        references: virtuals.count(),
        peak_memory: plan.peak_memory,
        noted: prepared.combined.noted.clone(),
        verification: None,
        snapshot: None,
        version: None,
        snippet: None,
        up_to_date: false,
        containers: Vec::new(),
        phases: prepared.phases,
        kerchunk: None,
        published_at: None,
    }
}

async fn commit(
    target: &mut IcechunkTarget,
    structure: &Structure,
    virtuals: &VirtualPlan,
    plan: &Plan,
    outputs: &BTreeMap<usize, Vec<Output>>,
) -> Result<(), EngineError> {
    let root = TargetNode { path: NodePath::root(), zarr_json: structure.root(false).clone() };
    let others =
        structure.documents().map(|(path, document)| TargetNode { path: path.clone(), zarr_json: document.clone() });
    let nodes = std::iter::once(root).chain(others).collect();
    target.write_structure(&TargetStructure { nodes }).await?;
    for (path, found) in &virtuals.references {
        target.set_table(path, &found.table).await?;
    }
    let mut native: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for output in outputs.values().flatten() {
        if let OutputState::Written(Written { payload: Some(payload), .. }) = &output.state {
            native.entry(output.array).or_default().push((output.indices.clone(), payload.clone()));
        }
    }
    for (array, chunks) in native {
        target.set_chunks(&plan.arrays[array as usize].path, chunks).await?;
    }
    target.commit_run("firn", &BTreeMap::new()).await?;
    Ok(())
}

fn verify_run(
    engine: &Engine,
    prepared: &Prepared,
    url: &ObjectUrl,
    storage: &RepositoryStorage,
    branch: &str,
    state: &RunState,
    options: &BuildOptions,
) -> Result<VerifyReport, EngineError> {
    let version = match state {
        RunState::Committed { snapshot } | RunState::Published { snapshot } => snapshot.as_str(),
        RunState::Fresh => branch,
    };
    let opened = engine.storage.runtime().block_on(open_snapshot(storage, version))?;
    let source: Arc<dyn Source> =
        Arc::new(ContainerSource::new(engine.storage.clone(), url, opened.containers.clone())?);
    let store = StoreView { url: url.to_string(), dataset: opened.dataset, source, ledger: None };
    let verify_options = VerifyOptions {
        against: Some(prepared),
        depth: options.verify,
        ordered: &options.ordered,
        missing: options.missing,
    };
    verify(engine, &store, verify_options)
}

/// Native chunks of a repository.
struct Sink {
    writer: ChunkWriter,
    prefix: Prefix,
    runtime: Handle,
}

impl ChunkSink for Sink {
    fn write(&self, array: &NodePath, indices: &ChunkIndices, encoded: Bytes) -> Result<Written, EngineError> {
        let length = encoded.len() as u64;
        let blake3 = blake3::hash(&encoded).to_hex().to_string();
        let payload = self.runtime.block_on(self.writer.write(array, indices, encoded))?;
        Ok(Written { length, blake3, payload: Some(payload) })
    }

    fn make_durable(&self, written: &[(&NodePath, &Output)]) -> Result<(), EngineError> {
        let key = |output: &Output| match &output.state {
            OutputState::Written(written) => written.payload.as_ref()?.object_key(),
            OutputState::KnownEmpty => None,
        };
        let keys = written.iter().filter_map(|(_, output)| key(output)).collect();
        Ok(self.runtime.block_on(self.prefix.make_durable(keys))?)
    }
}
