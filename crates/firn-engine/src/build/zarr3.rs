//! A plain Zarr v3 store.

use super::begin::{claim, clear, enter, finish, passed_over};
use super::{BuildOptions, BuildReport, BuiltArray, Destination, name_version, run_id, run_record, tasks_to_do};
use crate::error::EngineError;
use crate::execute::{Execution, Output, OutputState};
use crate::journal::{Claim, Journal, RunRecord};
use crate::lease::RunLease;
use crate::managed::{VersionSlot, check_place, version_for};
use crate::phases::{Phases, Stopwatch};
use crate::pipeline::Prepared;
use crate::settings::Engine;
use crate::target::ledger::Ledger;
use crate::target::structure::{Structure, stored_metadata};
use crate::target::zarr3::{ROOT_KEY, Zarr3Target, ledger};
use crate::verify::{StoreView, VerifyOptions, VerifyReport, verify};
use bytes::Bytes;
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use firn_model::plan::{ArrayLayout, Plan, plan};
use firn_model::source::{ListedObject, MemoryReader, RangeReader, Source, SourceError};
use firn_storage::{ObjectUrl, Prefix};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Builds a plain Zarr v3 store, or continues to.
///
/// # Errors
/// Anything on the way; then nothing is published, and the same call continues.
pub fn build_zarr3(
    engine: &Engine,
    prepared: &mut Prepared,
    destination: &Destination,
    options: &BuildOptions,
) -> Result<BuildReport, EngineError> {
    let mut watch = Stopwatch::start(&engine.storage);
    let runtime = engine.storage.runtime().clone();
    engine.may_bring(prepared.sources.iter().map(|source| source.url.as_str()), destination.url())?;
    let layouts = prepared.layouts(&options.target)?;
    prepared.split_for_reading();
    let prepared: &Prepared = prepared;
    let arrays: Vec<_> = layouts
        .iter()
        .filter_map(|(path, layout)| {
            let array = prepared.combined.arrays.get(path)?;
            Some((path.clone(), stored_metadata(&array.metadata, layout)))
        })
        .collect();
    let bare = Structure::new(&prepared.combined, &arrays, &options.provenance.added)?;
    let run = run_id(engine, prepared, destination.url(), options, "zarr3", &bare)?;
    let planned = || {
        let resources = prepared.resources(engine, Some(destination.url()), 0);
        Ok(plan(&prepared.combined, &layouts, resources)?)
    };
    let record = run_record(prepared, &run);
    let Begun { url, prefix, slot, journal, work } = begin(engine, destination, options, record, &planned)?;
    let url = &url;
    let Some((lease, planned)) = work else {
        if !clear(engine, &journal, &prefix)? && slot.is_none() {
            return Err(EngineError::TargetExists { at: url.at() });
        }
        let named = runtime.block_on(name_version(engine, destination, url, &run, prepared, None))?;
        return Ok(up_to_date(url, &run, prepared, &layouts).named(named));
    };
    let mut noted = prepared.combined.noted.clone();
    noted.extend(slot.iter().flat_map(|slot| passed_over(&journal, slot)));

    let plan = runtime.block_on(journal.plan(planned))?;
    let done = runtime.block_on(journal.done(plan.tasks.len()))?;
    let resumed = done.len() as u64;
    if resumed > 0 {
        engine.progress.note(format!("{resumed} of {} tasks were done before and are kept", plan.tasks.len()));
    }
    let target = Zarr3Target::new(prefix.clone(), runtime.clone());
    let tasks = tasks_to_do(&plan, &done, options)?;
    let outputs = Mutex::new(done);
    let layout_list: Vec<ArrayLayout> = layouts.iter().map(|(_, layout)| layout.clone()).collect();
    let execution = Execution {
        engine,
        combined: &prepared.combined,
        sources: &prepared.sources,
        plan: &plan,
        layouts: &layout_list,
        sink: &target,
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
    let mut report = report(url, &run, prepared, &layouts, &plan, &outputs, resumed);
    report.phases = phases;
    report.noted = noted;
    if options.part.is_some() {
        return Ok(report);
    }
    let structure = Structure::new(&prepared.combined, &arrays, &options.provenance.attributes(&run, prepared))?;
    let ledger = ledger(&plan, &outputs);
    let verification = verify_unpublished(engine, prepared, url, &structure, &ledger, options)?;
    report.verification = Some(verification.into_result()?);
    report.phases.verify = watch.lap("verify");
    engine.cancel.check()?;
    lease.confirm()?;
    runtime.block_on(target.publish(&structure, &ledger, &run, options.consolidated))?;
    report.published = true;
    let named = runtime.block_on(name_version(engine, destination, url, &run, prepared, None))?;
    report = report.named(named);
    finish(engine, &journal, lease)?;
    report.phases.publish = watch.lap("publish");
    Ok(report)
}

/// Where a run writes.
struct Begun {
    /// The store.
    url: ObjectUrl,
    prefix: Prefix,
    /// Which version of a managed dataset it is.
    slot: Option<VersionSlot>,
    journal: Journal,
    /// Its lease and plan; `None` where nothing is left to do.
    work: Option<(RunLease, Plan)>,
}

fn begin(
    engine: &Engine,
    destination: &Destination,
    options: &BuildOptions,
    record: RunRecord,
    planned: &dyn Fn() -> Result<Plan, EngineError>,
) -> Result<Begun, EngineError> {
    let runtime = engine.storage.runtime();
    let slot = match destination {
        Destination::Bare(_) => None,
        Destination::Managed { url, .. } => {
            let dataset = engine.target_prefix(url)?;
            runtime.block_on(check_place(&dataset, "zarr3"))?;
            Some(runtime.block_on(version_for(&dataset, &record.run, "zarr3"))?)
        }
    };
    let url = match &slot {
        None => destination.url().clone(),
        Some(slot) => destination.url().child(&slot.version)?,
    };
    let prefix = engine.target_prefix(&url)?;
    let journal = Journal::new(prefix.clone(), record);
    let holder = runtime.block_on(Journal::holder(&prefix))?;
    let is_done = slot.as_ref().is_some_and(|slot| slot.is_named) && holder.is_none_or(|record| record.finished);
    let work = if is_done {
        None
    } else {
        // What does not fit into memory leaves nothing behind.
        let plan = planned()?;
        let exists = runtime.block_on(Zarr3Target::exists(&prefix))?;
        match runtime.block_on(claim(&journal, &prefix, destination, exists))? {
            Claim::Ours => enter(engine, &journal, &prefix, destination, options)?.map(|lease| (lease, plan)),
            _ => None,
        }
    };
    Ok(Begun { url, prefix, slot, journal, work })
}

/// The report where nothing was left to do.
fn up_to_date(url: &ObjectUrl, run: &str, prepared: &Prepared, layouts: &[(NodePath, ArrayLayout)]) -> BuildReport {
    let empty = Plan::empty();
    let report = report(url, run, prepared, layouts, &empty, &BTreeMap::new(), 0);
    BuildReport { published: true, up_to_date: true, ..report }
}

fn report(
    url: &ObjectUrl,
    run: &str,
    prepared: &Prepared,
    layouts: &[(NodePath, ArrayLayout)],
    plan: &Plan,
    outputs: &BTreeMap<usize, Vec<Output>>,
    resumed: u64,
) -> BuildReport {
    let written = outputs.values().flatten().filter_map(|output| match &output.state {
        OutputState::Written(written) => Some(written.length),
        OutputState::KnownEmpty => None,
    });
    BuildReport {
        store: url.to_string(),
        run: run.to_owned(),
        published: false,
        files: prepared.combined.files.len() as u64,
        arrays: layouts.iter().filter_map(|(path, layout)| native(prepared, path, layout)).collect(),
        tasks: plan.tasks.len() as u64,
        tasks_resumed: resumed,
        bytes_written: written.sum(),
        references: 0,
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

/// A native array in the report.
pub(super) fn native(prepared: &Prepared, path: &NodePath, layout: &ArrayLayout) -> Option<BuiltArray> {
    let metadata = &prepared.combined.arrays.get(path)?.metadata;
    Some(BuiltArray {
        path: path.to_string(),
        data_type: metadata.data_type.to_string(),
        dimensions: metadata.dimension_names.clone(),
        shape: metadata.shape.clone(),
        chunk_shape: layout.chunk_shape.clone(),
        shard_shape: layout.shard_shape.clone(),
        storage: "native",
        copied_because: None,
    })
}

/// Verifies through the same readers that others use, with the root document that is not there yet laid over the prefix.
fn verify_unpublished(
    engine: &Engine,
    prepared: &Prepared,
    url: &ObjectUrl,
    structure: &Structure,
    ledger: &Ledger,
    options: &BuildOptions,
) -> Result<VerifyReport, EngineError> {
    let source: Arc<dyn Source> =
        Arc::new(WithRoot { inner: engine.storage.source(url)?, root: structure.root(true).clone() });
    let dataset = firn_formats::zarr::open(source.as_ref(), &At::url(source.url()))?;
    let store = StoreView { url: url.to_string(), dataset, source, ledger: Some(Arc::new(ledger.clone())) };
    let verify_options = VerifyOptions {
        against: Some(prepared),
        depth: options.verify,
        ordered: &options.ordered,
        missing: options.missing,
    };
    verify(engine, &store, verify_options)
}

/// A prefix with a root document that is not written yet.
struct WithRoot {
    inner: Arc<dyn Source>,
    root: Bytes,
}

impl Source for WithRoot {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        if key == ROOT_KEY {
            return Ok(Some(Arc::new(MemoryReader::new(self.inner.url(), self.root.clone()))));
        }
        self.inner.object(key)
    }

    fn list(&self, prefix: &str) -> Result<Vec<ListedObject>, SourceError> {
        self.inner.list(prefix)
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        self.inner.sibling(url)
    }
}
