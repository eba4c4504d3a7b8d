//! Opening the stores of a catalog to say what is in them.

use crate::error::EngineError;
use crate::icechunk::{RepositoryStorage, open_snapshot};
use crate::open::ContainerSource;
use crate::progress::Unit;
use crate::settings::Engine;
use crate::store::{self, kind_of};
use crate::verbs::catalog_source::pool;
use crate::{managed, open::OnceSource};
use firn_catalog::classify::StoreKind;
use firn_catalog::facts::{CoordinateValues, DatasetFacts, describe as facts_of, wanted};
use firn_catalog::{CatalogEntry, CatalogFinding};
use firn_formats::TextEncoding;
use firn_model::array::ArraySubset;
use firn_model::dataset::{Dataset, DatasetFormat};
use firn_model::diagnose::{At, Category, Diagnose, shell_word};
use firn_model::source::Source;
use firn_storage::{ObjectUrl, Storage};
use rayon::prelude::*;
use std::sync::Arc;

/// What opening one store told.
struct Opened {
    url: Option<String>,
    kind: Option<StoreKind>,
    facts: DatasetFacts,
    containers: Vec<String>,
    findings: Vec<(&'static str, String, String)>,
}

/// Fills in the facts of every store that can be opened, and says why others cannot; how many were opened.
///
/// # Errors
/// [`EngineError::Interrupted`] only.
pub(super) fn describe(
    engine: &Engine,
    entries: &mut [CatalogEntry],
    findings: &mut Vec<CatalogFinding>,
) -> Result<usize, EngineError> {
    let progress = engine.progress.task("open stores", Some(entries.len() as u64), Unit::Items);
    let results: Vec<Result<Opened, EngineError>> = pool()?.install(|| {
        let one = |entry: &CatalogEntry| {
            engine.cancel.check()?;
            let opened = open(engine, entry);
            progress.advance(1);
            opened
        };
        entries.par_iter().map(one).collect()
    });
    let mut count = 0;
    for (entry, result) in entries.iter_mut().zip(results) {
        match result {
            Ok(opened) => {
                count += 1;
                apply(entry, opened, findings);
            }
            Err(EngineError::Interrupted(stop)) => return Err(stop.into()),
            Err(error) => findings.push(not_opened(entry, &error)),
        }
    }
    Ok(count)
}

fn apply(entry: &mut CatalogEntry, opened: Opened, findings: &mut Vec<CatalogFinding>) {
    let declared = entry.kind;
    entry.kind = opened.kind.unwrap_or(declared);
    if let Some(url) = opened.url {
        entry.url = url;
    }
    if entry.kind == StoreKind::Icechunk && !opened.containers.is_empty() {
        let details = entry.icechunk.get_or_insert_default();
        details.virtual_chunk_containers.get_or_insert(opened.containers);
    }
    let compatible = declared == entry.kind || (declared == StoreKind::Zarr && entry.kind.is_plain_zarr());
    let mut add = |code: &'static str, message: String, help: String| {
        findings.push(CatalogFinding::warning(code, &entry.feedstock, message, help).of_store(&entry.store));
    };
    if !compatible {
        let message = format!("the document says {}, but opened it is {}", declared.title(), entry.kind.title());
        add("store-kind", message, "say so as `mode:` in catalog.yaml".to_owned());
    }
    for (code, message, help) in opened.findings {
        add(code, message, help);
    }
    entry.facts = Some(opened.facts);
    if let Err(none) = entry.renew_snippets() {
        let finding = CatalogFinding::warning("no-snippet", &entry.feedstock, none.to_string(), String::new());
        findings.push(finding.of_store(&entry.store));
    }
}

fn not_opened(entry: &CatalogEntry, error: &EngineError) -> CatalogFinding {
    let message = format!("it was not opened, so nothing is known of its variables: {error}");
    let help = match error.category() {
        // Not the feedstock's fault: the store may well be there.
        Category::Unsupported => String::new(),
        _ => error.next(),
    };
    CatalogFinding::warning("store-not-opened", &entry.feedstock, message, help).of_store(&entry.store)
}

/// The engine that reaches an entry as its access details say. An endpoint that only the document names gets no credentials:
/// they are not meant for whoever wrote it.
pub(crate) fn reaching(engine: &Engine, entry: &CatalogEntry, address: &ObjectUrl) -> Result<Engine, EngineError> {
    let access = entry.access.as_ref().filter(|_| address.scheme() == "s3");
    let Some(access) = access else { return Ok(engine.clone()) };
    let location = engine.storage.location_of(address)?.map(|(location, _)| location);
    let mut settings = engine.storage.settings().clone();
    let configured = location.and_then(|location| location.endpoint.clone()).or_else(|| settings.endpoint.clone());
    let named = access.endpoint.as_deref().map(|text| {
        url::Url::parse(text)
            .map_err(|error| EngineError::usage(format!("the endpoint {text:?} is no URL: {error}"), ""))
    });
    match named.transpose()? {
        Some(endpoint) if configured.as_ref().is_none_or(|known| known.origin() != endpoint.origin()) => {
            settings.locations.clear();
            settings.endpoint = Some(endpoint);
            settings.anonymous = true;
            settings.addressing = None;
            settings.region = access.region.clone().or(settings.region);
        }
        _ if access.anonymous == Some(true) => settings.anonymous = true,
        _ => return Ok(engine.clone()),
    }
    let storage = Storage::new(settings, engine.storage.runtime().clone())?;
    Ok(Engine { storage, ..engine.clone() })
}

fn open(engine: &Engine, entry: &CatalogEntry) -> Result<Opened, EngineError> {
    let address = ObjectUrl::parse(&entry.url)?;
    let engine = &reaching(engine, entry, &address)?;
    let url = managed::current(engine, &address)?;
    let mut findings = Vec::new();
    let moved = (url != address).then(|| url.to_string());
    if let Some(current) = &moved {
        let message = format!("its URL is a managed dataset, which readers cannot open; the catalog names {current}");
        findings.push(("store-url", message, "run the recipe again, or write this URL into catalog.yaml".to_owned()));
    }
    let declared_icechunk = entry.kind == StoreKind::Icechunk;
    if declared_icechunk || kind_of(engine, &url)? == store::StoreKind::Icechunk {
        return open_icechunk(engine, entry, &url, findings);
    }
    let source: Arc<dyn Source> = Arc::new(OnceSource::new(engine.storage.source(&url)?));
    let dataset = firn_formats::open(source.as_ref(), &At::url(source.url()))?;
    let facts = facts(engine, &dataset, source.as_ref(), &mut findings)?;
    Ok(Opened { url: moved, kind: plain_kind(&dataset), facts, containers: Vec::new(), findings })
}

/// What a store is, by what was read.
fn plain_kind(dataset: &Dataset) -> Option<StoreKind> {
    match dataset.format {
        DatasetFormat::ZarrV2 => Some(StoreKind::ZarrV2),
        DatasetFormat::ZarrV3 => Some(StoreKind::ZarrV3),
        DatasetFormat::NetCdf3 | DatasetFormat::Hdf5 => Some(StoreKind::Netcdf),
        _ => None,
    }
}

fn open_icechunk(
    engine: &Engine,
    entry: &CatalogEntry,
    url: &ObjectUrl,
    mut findings: Vec<(&'static str, String, String)>,
) -> Result<Opened, EngineError> {
    let details = entry.icechunk.as_ref();
    let named = details.and_then(|d| d.snapshot.as_deref().or(d.tag.as_deref()).or(d.branch.as_deref()));
    let storage = RepositoryStorage::new(engine.storage.prefix(url)?);
    let opened = engine.storage.runtime().block_on(open_snapshot(&storage, named.unwrap_or("main")))?;
    let source = ContainerSource::new(engine.storage.clone(), url, opened.containers.clone())?;
    let mut facts = facts(engine, &opened.dataset, &source, &mut findings)?;
    facts.snapshot = Some(opened.snapshot);
    Ok(Opened { url: None, kind: Some(StoreKind::Icechunk), facts, containers: opened.containers, findings })
}

/// Facts of a dataset; coordinates that cannot be read are findings.
fn facts(
    engine: &Engine,
    dataset: &Dataset,
    source: &dyn Source,
    findings: &mut Vec<(&'static str, String, String)>,
) -> Result<DatasetFacts, EngineError> {
    let mut values = CoordinateValues::new();
    for path in wanted(dataset) {
        engine.cancel.check()?;
        let Some(array) = dataset.array(&path) else { continue };
        let whole = ArraySubset::whole(&array.metadata.shape);
        let at = At::url(source.url()).node(path.as_str());
        match firn_formats::read_subset(source, array, &whole, TextEncoding::Utf8, &at) {
            Ok(read) => {
                values.insert(path, read);
            }
            Err(error) => {
                let message = format!("the coordinate {path} cannot be read: {error}");
                findings.push(("coordinate-unreadable", message, error.next()));
            }
        }
    }
    let facts = facts_of(dataset, &values);
    if facts.variables.is_empty() {
        let message = "it opens without any variable; a Zarr store without consolidated metadata looks so over HTTP";
        findings.push(("store-empty", message.to_owned(), format!("firn verify {}", shell_word(source.url()))));
    }
    if !facts.refused.is_empty() {
        let message = format!("this version of firn cannot read {}", facts.refused.join(", "));
        findings.push(("variables-unreadable", message, String::new()));
    }
    Ok(facts)
}
