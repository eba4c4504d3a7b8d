//! A kerchunk JSON file, by itself or as the version of a dataset: references, and small arrays in it. Until it is published,
//! everything lies in `<file>.firn/` beside it.

use super::begin::{claim, enter, passed_over};
use super::icechunk::{VirtualPlan, report, stored_arrays, virtual_verdicts};
use super::{BuildOptions, BuildReport, Destination, name_version, run_id, run_record, tasks_to_do};
use crate::error::EngineError;
use crate::execute::{Execution, Output, OutputState};
use crate::journal::{Claim, Journal, RunRecord};
use crate::lease::RunLease;
use crate::managed::{KERCHUNK, REFERENCES, VersionSlot, check_place, version_for};
use crate::open::{ContainerSource, Dates};
use crate::own_references::remember;
use crate::phases::{Phases, Stopwatch};
use crate::pipeline::Prepared;
use crate::provenance::RUN;
use crate::settings::Engine;
use crate::store::references;
use crate::target::kerchunk::KerchunkFile;
use crate::target::structure::Structure;
use crate::target::zarr3::{Zarr3Target, keyed_chunks};
use crate::verify::{StoreView, VerifyOptions, VerifyReport, verify};
use bytes::Bytes;
use firn_formats::kerchunk::{self, ReferencesWriter};
use firn_model::array::{ArrayMetadata, ChunkManifest, ChunkTable, SourceObject};
use firn_model::combine::Noted;
use firn_model::dataset::{Node, NodePath};
use firn_model::diagnose::At;
use firn_model::feedstock::store_entry::{KerchunkDetails, KerchunkFormat};
use firn_model::plan::{ArrayLayout, Plan, plan};
use firn_model::source::{ListedObject, MemoryReader, RangeReader, Source, SourceError, SourceVersion};
use firn_storage::ObjectUrl;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

/// Writes a kerchunk JSON file, or continues to.
///
/// # Errors
/// Anything on the way; then nothing is at the address, and the same call continues.
pub fn build_kerchunk(
    engine: &Engine,
    prepared: &mut Prepared,
    destination: &Destination,
    options: &BuildOptions,
) -> Result<BuildReport, EngineError> {
    let mut watch = Stopwatch::start(&engine.storage);
    let runtime = engine.storage.runtime().clone();
    engine.may_bring(prepared.sources.iter().map(|source| source.url.as_str()), destination.url())?;
    let virtuals = with_plain_urls(virtual_verdicts(engine, prepared)?)?;
    let layouts: Vec<(NodePath, ArrayLayout)> = prepared
        .layouts(&options.target)?
        .into_iter()
        .filter(|(path, _)| !virtuals.references.contains_key(path))
        .collect();
    prepared.split_for_reading();
    let prepared: &Prepared = prepared;
    let arrays = stored_arrays(prepared, &virtuals, &layouts)?;
    let bare = Structure::new(&prepared.combined, &arrays, &options.provenance.added)?;
    let run = run_id(engine, prepared, destination.url(), options, KERCHUNK, &bare)?;
    let planned = || {
        let resources = prepared.resources(engine, Some(destination.url()), virtuals.count());
        Ok(plan(&prepared.combined, &layouts, resources)?)
    };
    let Begun { file, slot, journal, work } =
        begin(engine, destination, options, run_record(prepared, &run), &planned)?;
    let url = &file.url;
    let Some((lease, planned)) = work else {
        let named = runtime.block_on(name_version(engine, destination, url, &run, prepared, None))?;
        settle(engine, &file, &journal)?;
        let empty = Plan::empty();
        let done = report(url, &run, prepared, &layouts, &virtuals, &empty, &BTreeMap::new(), 0);
        return Ok(BuildReport { published: true, up_to_date: true, ..of_kerchunk(done, &virtuals) }.named(named));
    };
    let plan = runtime.block_on(journal.plan(planned))?;
    let done = runtime.block_on(journal.done(plan.tasks.len()))?;
    let resumed = done.len() as u64;
    let tasks = tasks_to_do(&plan, &done, options)?;
    let outputs = Mutex::new(done);
    let layout_list: Vec<ArrayLayout> = layouts.iter().map(|(_, layout)| layout.clone()).collect();
    let sink = Zarr3Target::new(file.work.clone(), runtime.clone());
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
    let report = report(url, &run, prepared, &layouts, &virtuals, &plan, &outputs, resumed);
    let mut report = of_kerchunk(report, &virtuals);
    report.phases = phases;
    report.noted.extend(slot.iter().flat_map(|slot| passed_over(&journal, slot)));
    if options.part.is_some() {
        return Ok(report);
    }
    let copied = runtime.block_on(inline_tables(&file, &layouts, &arrays, &plan, &outputs))?;
    let document = document(prepared, &arrays, &virtuals, &copied, options, &run)?;
    report.phases.commit = watch.lap("commit");
    report.verification =
        Some(verify_unpublished(engine, prepared, url, &document, &virtuals, options)?.into_result()?);
    report.phases.verify = watch.lap("verify");
    engine.cancel.check()?;
    lease.confirm()?;
    remember(engine, &document);
    runtime.block_on(file.publish(document, |bytes| run_of(bytes).as_deref() == Some(run.as_str())))?;
    report.published = true;
    let named = runtime.block_on(name_version(engine, destination, url, &run, prepared, None))?;
    report = report.named(named);
    // No heartbeat may write into what is being removed.
    drop(lease);
    runtime.block_on(journal.finish())?;
    runtime.block_on(file.clear())?;
    report.phases.publish = watch.lap("publish");
    Ok(report)
}

/// Where a run writes.
struct Begun {
    file: KerchunkFile,
    /// Which version of a managed dataset it is.
    slot: Option<VersionSlot>,
    journal: Journal,
    /// Its lease and plan; `None` where this run has published the file.
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
            runtime.block_on(check_place(&dataset, KERCHUNK))?;
            Some(runtime.block_on(version_for(&dataset, &record.run, KERCHUNK))?)
        }
    };
    let url = match &slot {
        None => destination.url().clone(),
        Some(slot) => destination.url().child(&slot.version)?.child(REFERENCES)?,
    };
    let file = KerchunkFile::at(engine, &url)?;
    let journal = Journal::new(file.work.clone(), record);
    let work = if is_published(engine, &file, &journal, slot.as_ref())? {
        None
    } else {
        // What does not fit into memory leaves nothing behind.
        let plan = planned()?;
        match runtime.block_on(claim(&journal, &file.work, destination, false))? {
            Claim::Ours => enter(engine, &journal, &file.work, destination, options)?.map(|lease| (lease, plan)),
            _ => return Err(EngineError::TargetExists { at: file.url.at() }),
        }
    };
    Ok(Begun { file, slot, journal, work })
}

/// Whether this run has published the file: then it may have been stopped before it could name it, or while it cleared away
/// what it had needed.
fn is_published(
    engine: &Engine,
    file: &KerchunkFile,
    journal: &Journal,
    slot: Option<&VersionSlot>,
) -> Result<bool, EngineError> {
    let runtime = engine.storage.runtime();
    let holder = runtime.block_on(Journal::holder(&file.work))?;
    if runtime.block_on(file.exists())? {
        let is_held =
            slot.is_some_and(|slot| slot.is_named) || holder.is_some_and(|record| record.run == journal.run());
        let written_by = || Ok::<_, EngineError>(runtime.block_on(file.read())?.and_then(|bytes| run_of(&bytes)));
        if !is_held || written_by()?.as_deref() != Some(journal.run()) {
            return Err(EngineError::TargetExists { at: file.url.at() });
        }
        return Ok(true);
    }
    if holder.is_some_and(|record| record.finished) {
        // The file that it published has been removed since.
        runtime.block_on(file.clear())?;
    }
    Ok(false)
}

/// Clears away what a run needed whose file is published and named.
fn settle(engine: &Engine, file: &KerchunkFile, journal: &Journal) -> Result<(), EngineError> {
    let runtime = engine.storage.runtime();
    if runtime.block_on(Journal::holder(&file.work))?.is_none() {
        return Ok(());
    }
    // Another process of this run may be clearing away already.
    drop(RunLease::take(engine, &file.work, journal.run(), None)?);
    runtime.block_on(journal.finish())?;
    runtime.block_on(file.clear())
}

/// References by the URLs that readers of kerchunk ask for: those of local files are paths, without escapes.
fn with_plain_urls(mut virtuals: VirtualPlan) -> Result<VirtualPlan, EngineError> {
    for (path, array) in &mut virtuals.references {
        array.table.map_objects(|object| {
            let refused = |what: &str| EngineError::Unsupported {
                code: "unsupported-kerchunk",
                at: At::url(&object.url).node(path.as_str()),
                what: what.to_owned(),
                next: "name the source by another address, or copy it: firn transform".to_owned(),
            };
            if object.url.starts_with("http") && object.url.contains('?') {
                return Err(refused("its address has a query, whose values may be a secret, and would be published"));
            }
            let parsed = ObjectUrl::parse(&object.url)?;
            let url = match parsed.local_path() {
                Some(path) => format!("file://{}", path.to_str().ok_or_else(|| refused("its path is not UTF-8"))?),
                None => object.url.clone(),
            };
            Ok::<_, EngineError>(SourceObject { url, version: object.version.clone() })
        })?;
    }
    Ok(virtuals)
}

/// What is particular to such a file in a report.
fn of_kerchunk(report: BuildReport, virtuals: &VirtualPlan) -> BuildReport {
    let mut objects = virtuals.references.values().flat_map(|array| array.table.objects());
    let protocol = objects.next().and_then(|object| object.url.split_once("://")).map(|(scheme, _)| scheme.to_owned());
    let mut noted = report.noted;
    if protocol.is_some() {
        noted.push(Noted {
            code: "references-unversioned",
            at: report.store.clone(),
            what:
                "kerchunk references do not say for which version of a file they were written: readers cannot notice \
                   that one has changed since"
                    .to_owned(),
        });
    }
    let details =
        KerchunkDetails { format: Some(KerchunkFormat::Json), remote_protocol: protocol, ..KerchunkDetails::default() };
    BuildReport { noted, kerchunk: Some(details), ..report }
}

/// The chunks that were copied, to stand in the file themselves.
async fn inline_tables(
    file: &KerchunkFile,
    layouts: &[(NodePath, ArrayLayout)],
    arrays: &[(NodePath, ArrayMetadata)],
    plan: &Plan,
    outputs: &BTreeMap<usize, Vec<Output>>,
) -> Result<BTreeMap<NodePath, ChunkTable>, EngineError> {
    let metadata: HashMap<&NodePath, &ArrayMetadata> = arrays.iter().map(|(path, metadata)| (path, metadata)).collect();
    let mut tables = BTreeMap::new();
    for (path, layout) in layouts {
        let metadata = metadata.get(path).ok_or_else(|| EngineError::bug(format!("{path} has no metadata")))?;
        let grid = metadata.chunk_grid.grid_shape(&metadata.shape);
        let table = ChunkTable::known_empty(&grid)
            .ok_or_else(|| EngineError::bug(format!("{path} has too many chunks of {:?}", layout.chunk_shape)))?;
        tables.insert(path.clone(), table);
    }
    for output in outputs.values().flatten() {
        let OutputState::Written(written) = &output.state else { continue };
        let path = &plan.arrays[output.array as usize].path;
        let key = keyed_chunks(path).key(&output.indices);
        let found = file.work.get(&key).await?;
        let bytes = found.map(|object| object.bytes).filter(|bytes| {
            bytes.len() as u64 == written.length && blake3::hash(bytes).to_hex().as_str() == written.blake3
        });
        let Some(bytes) = bytes else {
            let what = "a chunk that was copied is not what the journal says".to_owned();
            return Err(EngineError::JournalDamaged { at: file.work.url().at().node(key), what });
        };
        let table = tables.get_mut(path).ok_or_else(|| EngineError::bug(format!("{path} is not copied")))?;
        let linear = firn_model::array::chunk_grid::to_linear(&output.indices, table.grid_shape())
            .ok_or_else(|| EngineError::bug(format!("{key} lies outside of its array")))?;
        table.set_inline(linear, bytes);
    }
    Ok(tables)
}

/// The text of the file.
fn document(
    prepared: &Prepared,
    arrays: &[(NodePath, ArrayMetadata)],
    virtuals: &VirtualPlan,
    copied: &BTreeMap<NodePath, ChunkTable>,
    options: &BuildOptions,
    run: &str,
) -> Result<Bytes, EngineError> {
    let at = At::nowhere();
    let groups = &prepared.combined.groups;
    let mut root = groups.get(&NodePath::root()).map(|group| group.attributes.clone()).unwrap_or_default();
    root.extend(options.provenance.attributes(run, prepared));
    let mut writer = ReferencesWriter::new(&root, &at)?;
    for (path, group) in groups.iter().filter(|(path, _)| !path.is_root()) {
        writer.group(path, &group.attributes, &at)?;
    }
    for (path, metadata) in arrays {
        let found = virtuals.references.get(path).map(|found| &found.table).or_else(|| copied.get(path));
        let table = found.ok_or_else(|| EngineError::bug(format!("{path} has no chunks")))?;
        writer.array(path, metadata, table, &at)?;
    }
    Ok(writer.finish(&at)?)
}

/// The run that wrote a file of references.
fn run_of(bytes: &Bytes) -> Option<String> {
    let source = Document { text: bytes.clone(), around: None };
    let dataset = kerchunk::open(&source, &At::nowhere()).ok()?;
    match dataset.group(&NodePath::root())?.attributes.get(RUN)? {
        firn_model::array::AttributeValue::Text(run) => Some(run.clone()),
        _ => None,
    }
}

/// Verifies through the reader that others use, from the bytes that are going to be published.
fn verify_unpublished(
    engine: &Engine,
    prepared: &Prepared,
    url: &ObjectUrl,
    document: &Bytes,
    virtuals: &VirtualPlan,
    options: &BuildOptions,
) -> Result<VerifyReport, EngineError> {
    let alone = Document { text: document.clone(), around: None };
    let mut dataset = kerchunk::open(&alone, &url.at())?;
    // The file does not say the versions that were seen; against them ranges and bytes are checked.
    let objects = virtuals.references.values().flat_map(|array| array.table.objects());
    let versions: HashMap<&str, &SourceVersion> = objects.map(|object| (plain(&object.url), &object.version)).collect();
    for node in dataset.nodes.values_mut() {
        let Node::Array(array) = node else { continue };
        let ChunkManifest::Table(table) = &mut array.manifest else { continue };
        table.map_objects(|object| {
            let version = versions
                .get(object.url.as_str())
                .ok_or_else(|| EngineError::bug(format!("the file refers to {}, which is no source", object.url)))?;
            Ok::<_, EngineError>(SourceObject { url: object.url.clone(), version: (*version).clone() })
        })?;
    }
    // The user named these sources, wherever they lie.
    let allowed = virtuals.references.values().flat_map(|array| array.table.objects()).map(|object| object.url.clone());
    let allowed: std::collections::BTreeSet<String> = allowed.collect();
    let around = ContainerSource::new(engine.storage.clone(), url, allowed.into_iter().collect())?;
    let around = around.expecting(references(&dataset), Dates::OfObject);
    let source: Arc<dyn Source> = Arc::new(Document { text: document.clone(), around: Some(around) });
    let store = StoreView { url: url.to_string(), dataset, source, ledger: None };
    let verify_options = VerifyOptions {
        against: Some(prepared),
        depth: options.verify,
        ordered: &options.ordered,
        missing: options.missing,
    };
    verify(engine, &store, verify_options)
}

/// An address as the reader of references names it.
fn plain(url: &str) -> &str {
    url.strip_prefix("file://").unwrap_or(url)
}

/// A file of references that is not there yet, among what it refers to.
struct Document {
    text: Bytes,
    around: Option<ContainerSource>,
}

impl Source for Document {
    fn url(&self) -> &str {
        self.around.as_ref().map_or("/", |around| around.url())
    }

    fn object(&self, key: &str) -> Result<Option<Arc<dyn RangeReader>>, SourceError> {
        Ok(key.is_empty().then(|| Arc::new(MemoryReader::new(self.url(), self.text.clone())) as _))
    }

    fn list(&self, _: &str) -> Result<Vec<ListedObject>, SourceError> {
        Err(SourceError::NotListable { at: At::url(self.url()), what: "it is a file".to_owned() })
    }

    fn sibling(&self, url: &str) -> Result<Arc<dyn Source>, SourceError> {
        match &self.around {
            Some(around) => around.sibling(url),
            None => Err(SourceError::NotFound { at: At::url(url) }),
        }
    }
}
