//! Opening a store that somebody wrote: plain Zarr, an Icechunk repository, or a managed dataset of either.

use crate::error::EngineError;
use crate::own_references::OwnReferences;

use crate::icechunk::{RepositoryStorage, SpecVersion, VersionName, open_named};
use crate::ledgered::LedgeredSource;
use crate::managed;
use crate::open::{ContainerSource, Dates, OnceSource};
use crate::provenance::RUN;
use crate::settings::Engine;
use crate::target::ledger::{LEDGER_KEY, Ledger};
use crate::verify::StoreView;
use firn_formats::zarr::ROOT_DOCUMENT;
use firn_model::array::ChunkManifest;
use firn_model::dataset::{Dataset, NodePath};
use firn_model::diagnose::{At, Category, Diagnose};
use firn_model::source::{RangeReader, Source, SourceError, SourceVersion};
use firn_storage::{ObjectUrl, Traffic};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// A file or store, opened.
pub struct Opened {
    /// What is in it, and its bytes.
    pub view: StoreView,
    /// Of which kind it is.
    pub kind: StoreKind,
    /// The snapshot and the specification, where it is an Icechunk repository.
    pub snapshot: Option<(String, SpecVersion)>,
    /// URL prefixes that readers of an Icechunk repository have to authorise.
    pub containers: Vec<String>,
}

impl Opened {
    /// The state of the whole, where one thing tells it: a repository is what its snapshot is.
    pub fn version(&self) -> Option<SourceVersion> {
        let (snapshot, _) = self.snapshot.as_ref()?;
        Some(SourceVersion { etag: Some(snapshot.clone()), ..SourceVersion::default() })
    }
}

/// Opens a file, a Zarr hierarchy, an Icechunk repository, or a managed dataset at its current version.
///
/// A file first: asking for what only stores have is refused by buckets that do not list.
///
/// # Errors
/// What the storage says, and what the bytes are refused for.
pub fn open_any(engine: &Engine, url: &ObjectUrl) -> Result<Opened, EngineError> {
    let opened = find(engine, url)?;
    let StoreView { dataset, .. } = &opened.view;
    let variables = dataset.arrays().count();
    tracing::debug!(%url, format = dataset.format.name(), variables, "opened");
    Ok(opened)
}

/// Tells a person what was opened as what.
pub(crate) fn tell_opened(engine: &Engine, before: Traffic, url: &ObjectUrl, view: &StoreView) {
    let now = engine.storage.traffic();
    let (requests, received) = (now.requests - before.requests, now.received - before.received);
    let variables = view.dataset.arrays().count();
    tracing::info!(%url, format = view.dataset.format.name(), variables, requests, received, "opened");
}

fn find(engine: &Engine, url: &ObjectUrl) -> Result<Opened, EngineError> {
    let plain = |url: &ObjectUrl| -> Result<Opened, EngineError> {
        Ok(Opened { view: open_plain(engine, url)?, kind: StoreKind::Plain, snapshot: None, containers: Vec::new() })
    };
    let error = match plain(url) {
        Ok(opened) => return Ok(opened),
        Err(error) => error,
    };
    // Buckets that do not list refuse what they do not have: what a repository has they may give.
    if error.category() == Category::Denied {
        let is_repository = matches!(kind_of(engine, url), Ok(StoreKind::Icechunk));
        return if is_repository { open_icechunk(engine, url, "main") } else { Err(error) };
    }
    if error.category() != Category::NotFound && error.code() != "not-an-array-file" {
        return Err(error);
    }
    refuse_served_repository(engine, url)?;
    match kind_of(engine, url)? {
        StoreKind::Icechunk => open_icechunk(engine, url, "main"),
        StoreKind::Plain => match managed::current(engine, url)? {
            current if current != *url => plain(&current),
            _ => Err(folder(url).unwrap_or(error)),
        },
    }
}

/// Plain Zarr as a source: where it has a ledger, nothing is read that is not as it was written.
pub fn as_source(source: Arc<dyn Source>, ledger: Option<&Arc<Ledger>>) -> Arc<dyn Source> {
    match ledger {
        Some(ledger) => Arc::new(LedgeredSource::new(source, Arc::clone(ledger))),
        None => source,
    }
}

/// Of which kind a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// A plain Zarr hierarchy, or a file.
    Plain,
    /// An Icechunk repository.
    Icechunk,
}

/// What is said of a folder that is there and is no store.
fn folder(url: &ObjectUrl) -> Option<EngineError> {
    url.local_path().filter(|path| path.is_dir())?;
    Some(EngineError::Document {
        code: "folder-without-arrays",
        at: url.at(),
        what: format!("{url} is a folder, and no store"),
        category: Category::NotFound,
        next: format!("name its files, such as '{url}/*.nc'"),
    })
}

/// Keys that only Icechunk repositories have, of specification 1 and 2.
const ICECHUNK_KEYS: [&str; 2] = ["refs/branch.main/ref.json", "repo"];

/// A repository behind a web server is named as what it is.
fn refuse_served_repository(engine: &Engine, url: &ObjectUrl) -> Result<(), EngineError> {
    if !url.scheme().starts_with("http") || engine.storage.physical(url)? != *url {
        return Ok(());
    }
    let source = engine.storage.source(url)?;
    // Some servers answer every path with a page.
    let is_reference = |reader: Arc<dyn RangeReader>| {
        let start = reader.size().and_then(|size| reader.read(0..size.min(16)));
        start.is_ok_and(|start| start.trim_ascii_start().starts_with(b"{"))
    };
    if !source.object(ICECHUNK_KEYS[0]).is_ok_and(|found| found.is_some_and(is_reference)) {
        return Ok(());
    }
    Err(EngineError::Unsupported {
        code: "unsupported-icechunk-http",
        at: url.at(),
        what: "Icechunk repositories behind web servers are not read by this version".to_owned(),
        next: "name the repository by its bucket (s3://…), or by a location whose public_url this is".to_owned(),
    })
}

/// Of which kind the store at this address is.
///
/// # Errors
/// What the storage says.
pub fn kind_of(engine: &Engine, url: &ObjectUrl) -> Result<StoreKind, EngineError> {
    if engine.storage.physical(url)?.is_read_only() {
        return Ok(StoreKind::Plain);
    }
    if url.local_path().is_some_and(|path| path.is_file()) {
        return Ok(StoreKind::Plain);
    }
    let prefix = engine.storage.prefix(url)?;
    let runtime = engine.storage.runtime();
    for key in ICECHUNK_KEYS {
        if runtime.block_on(prefix.head(key))?.is_some() {
            return Ok(StoreKind::Icechunk);
        }
    }
    Ok(StoreKind::Plain)
}

/// Refuses a target inside a store: its readers would see a group that nobody gave it.
///
/// # Errors
/// [`EngineError::TargetNotEmpty`]; an address that cannot be used.
pub fn refuse_inside(engine: &Engine, target: &ObjectUrl) -> Result<(), EngineError> {
    const ROOTS: [&str; 3] = [ROOT_DOCUMENT, ".zgroup", ICECHUNK_KEYS[0]];
    let physical = engine.storage.physical(target)?;
    let is_local = physical.local_path().is_some();
    // Each is a request, where it is not this machine's.
    let asked = if is_local { &ROOTS[..] } else { &ROOTS[..1] };
    let mut above = engine.storage.parent(&physical);
    while let Some(folder) = above {
        engine.cancel.check()?;
        above = engine.storage.parent(&folder).filter(|up| *up != folder);
        let Ok(prefix) = engine.storage.prefix(&folder) else { continue };
        // What may not be asked is left to who may: the target itself is looked at in any case.
        let holds = |key: &&str| matches!(engine.storage.runtime().block_on(prefix.head(key)), Ok(Some(_)));
        if asked.iter().any(holds) {
            return Err(EngineError::TargetNotEmpty {
                at: target.at(),
                what: format!("it lies inside the store {folder}, whose readers would see it as a part"),
                next: "the same command with a --target outside of it".to_owned(),
            });
        }
    }
    Ok(())
}

/// The objects that references point into, and the versions they were written for, where references say so. A
/// repository's own chunks are never changed and say nothing.
pub fn references(dataset: &Dataset) -> BTreeMap<String, Vec<SourceVersion>> {
    let mut expected: BTreeMap<String, Vec<SourceVersion>> = BTreeMap::new();
    for (_, array) in dataset.arrays() {
        let ChunkManifest::Table(table) = &array.manifest else { continue };
        for object in table.objects() {
            if object.version.etag.is_none() && object.version.last_modified.is_none() {
                continue;
            }
            let versions = expected.entry(object.url.clone()).or_default();
            if !versions.contains(&object.version) {
                versions.push(object.version.clone());
            }
        }
    }
    expected
}

/// Opens a store; a managed dataset opens at its current version.
///
/// # Errors
/// What the storage says, and what the store is refused for.
pub fn open_store(engine: &Engine, url: &ObjectUrl) -> Result<StoreView, EngineError> {
    let before = engine.storage.traffic();
    let url = &managed::current(engine, url)?;
    let view = match kind_of(engine, url)? {
        StoreKind::Icechunk => Ok(open_icechunk(engine, url, "main")?.view),
        StoreKind::Plain => match open_plain(engine, url) {
            Ok(view) => Ok(StoreView { url: url.to_string(), ..view }),
            Err(error) if error.category() == Category::NotFound => Err(folder(url).unwrap_or(error)),
            Err(error) => Err(error),
        },
    }?;
    tell_opened(engine, before, url, &view);
    Ok(view)
}

/// A file or a Zarr hierarchy, with the ledger that it carries where firn wrote it: the one place where ledgers are looked
/// for.
pub(crate) fn open_plain(engine: &Engine, url: &ObjectUrl) -> Result<StoreView, EngineError> {
    let source = Arc::new(OwnReferences::over(engine, engine.storage.source(url)?));
    let source: Arc<dyn Source> = Arc::new(OnceSource::new(source));
    let dataset = firn_formats::open(source.as_ref(), &At::url(source.url()))?;
    // Chunks of files and of references are found by their metadata: only keys can be missing without a word.
    let is_keyed = dataset.arrays().any(|(_, array)| matches!(array.manifest, ChunkManifest::Keyed(_)));
    let ledger = if is_keyed { ledger_of(&dataset, source.as_ref())? } else { None };
    Ok(StoreView { url: source.url().to_owned(), dataset, source, ledger: ledger.map(Arc::new) })
}

/// The largest ledger that is read, bytes: some ten million chunks.
const MAX_LEDGER: u64 = 1 << 30;

fn ledger_of(dataset: &Dataset, source: &dyn Source) -> Result<Option<Ledger>, EngineError> {
    let object = match source.object(LEDGER_KEY).and_then(|found| found.map(|o| Ok((o.size()?, o))).transpose()) {
        Ok(found) => found,
        Err(SourceError::NotFound { .. }) => None,
        // Some servers answer so for all that they do not hold, and some hide names that begin with a dot: where firn did
        // not write the store, there is none.
        Err(SourceError::Denied { .. }) if !is_by_firn(dataset) => None,
        Err(error) => return Err(error.into()),
    };
    let Some((size, object)) = object else { return Ok(None) };
    let at = At::url(source.url()).node(LEDGER_KEY);
    let damaged = |what: &str| EngineError::JournalDamaged { at: at.clone(), what: what.to_owned() };
    if size > MAX_LEDGER {
        return Err(damaged("the ledger is larger than any that firn writes"));
    }
    let bytes = object.read(0..size)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("the ledger is not text"))?;
    Ledger::parse(text, &at).map(Some)
}

/// What the dates of references in a store are.
pub fn dates(dataset: &Dataset) -> Dates {
    if is_by_firn(dataset) { Dates::OfObject } else { Dates::After }
}

fn is_by_firn(dataset: &Dataset) -> bool {
    dataset.group(&NodePath::root()).is_some_and(|root| root.attributes.contains_key(RUN))
}

fn open_icechunk(engine: &Engine, url: &ObjectUrl, version: &str) -> Result<Opened, EngineError> {
    open_version(engine, url, VersionName::Any(version))
}

/// Opens a repository at a version of it.
pub(crate) fn open_version(engine: &Engine, url: &ObjectUrl, version: VersionName) -> Result<Opened, EngineError> {
    // The repository's own chunks are addressed below it: a slash at its end would make them relative to it.
    let url =
        &url.local_path().map_or_else(|| url.clone(), |path| ObjectUrl::local(path.components().collect::<PathBuf>()));
    let storage = RepositoryStorage::new(engine.storage.prefix(url)?);
    let opened = engine.storage.runtime().block_on(open_named(&storage, version))?;
    let expected = references(&opened.dataset);
    let containers = opened.containers;
    let source = ContainerSource::new(engine.storage.clone(), url, containers.clone())?;
    let source = source.expecting(expected, dates(&opened.dataset));
    let source = Arc::new(source);
    let view = StoreView { url: url.to_string(), dataset: opened.dataset, source, ledger: None };
    Ok(Opened { view, kind: StoreKind::Icechunk, snapshot: Some((opened.snapshot, opened.spec)), containers })
}
