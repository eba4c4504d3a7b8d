//! Reading a catalog from wherever it is.

use crate::error::EngineError;
use crate::settings::Engine;
use crate::verbs::catalog_source::{fetch_bytes, pool};
use firn_catalog::id::split_version;
use firn_catalog::place::Place;
use firn_catalog::read::{CatalogContent, FILE_NAMES, MAX_BYTES, read};
use firn_catalog::stac::StacDocument;
use firn_catalog::{CatalogEntry, CatalogError};
use firn_model::source::{Source, SourceError};
use firn_storage::ObjectUrl;
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

/// The largest STAC document, bytes.
const MAX_STAC: u64 = 32 << 20;

/// The most STAC documents of one catalog.
const MAX_DOCUMENTS: usize = 20_000;

/// A catalog, read.
pub(super) struct OpenedCatalog {
    /// The document that it starts with.
    pub url: String,
    /// Its datasets.
    pub entries: Vec<CatalogEntry>,
    /// Why a part of it could not be read, where that is so.
    pub unread: Option<EngineError>,
}

/// Opens a catalog: a document, or a directory that holds one. Of STAC that spans documents those that can be the wanted
/// dataset's are read first, and no other where it is found there.
pub(super) fn open(engine: &Engine, catalog: &str, wanted: &str) -> Result<OpenedCatalog, EngineError> {
    let url = ObjectUrl::parse(&firn_model::feedstock::raw_url(catalog))?;
    let (source, bytes) = first_document(engine, &url)?;
    let text = source.url().to_owned();
    match read(&text, &bytes)? {
        CatalogContent::Entries(entries, _) => Ok(OpenedCatalog { url: text, entries, unread: None }),
        CatalogContent::Stac(root) => {
            let (entries, unread) = stac(engine, source, *root, split_version(wanted).0)?;
            Ok(OpenedCatalog { url: text, entries, unread })
        }
    }
}

fn first_document(engine: &Engine, url: &ObjectUrl) -> Result<(Arc<dyn Source>, Vec<u8>), EngineError> {
    let is_folder = match url.local_path() {
        Some(path) => path.is_dir(),
        None => !url.file_name().to_ascii_lowercase().ends_with(".json"),
    };
    if is_folder {
        for name in FILE_NAMES {
            let source = engine.storage.source(&url.child(name)?)?;
            if let Some(bytes) = fetch_bytes(source.as_ref(), MAX_BYTES)? {
                return Ok((source, bytes));
            }
        }
    }
    if is_folder && url.local_path().is_some() {
        let what = format!("it holds none of {}", FILE_NAMES.join(", "));
        return Err(CatalogError::NotACatalog { url: url.to_string(), what }.into());
    }
    // The address of a STAC API has no ending.
    let source = engine.storage.source(url)?;
    let bytes = fetch_bytes(source.as_ref(), MAX_BYTES)?.ok_or_else(|| SourceError::NotFound { at: url.at() })?;
    Ok((source, bytes))
}

type Children = Vec<(Arc<dyn Source>, String)>;

/// Everything below a STAC document, breadth-first.
fn stac(
    engine: &Engine,
    root: Arc<dyn Source>,
    document: StacDocument,
    wanted: &str,
) -> Result<(Vec<CatalogEntry>, Option<EngineError>), EngineError> {
    let mut entries: Vec<CatalogEntry> = document.entry.into_iter().map(|e| with_address(e, root.as_ref())).collect();
    let mut seen: HashSet<String> = HashSet::from([root.url().to_owned()]);
    let mut unread = None;
    let mut level: Children = document.children.into_iter().map(|href| (Arc::clone(&root), href)).collect();
    let likely: Children = level.iter().filter(|(_, href)| names(href, wanted)).cloned().collect();
    if !likely.is_empty() {
        let (found, ..) = read_level(engine, &likely, &mut HashSet::new())?;
        if found.iter().any(|entry| entry.id == wanted) {
            entries.extend(found);
            return Ok((entries, None));
        }
    }
    while !level.is_empty() {
        let (found, below, failed) = read_level(engine, &level, &mut seen)?;
        entries.extend(found);
        unread = unread.or(failed);
        level = below;
        if seen.len() > MAX_DOCUMENTS {
            let what = format!("it spans more than {MAX_DOCUMENTS} documents; name the collection itself");
            unread = unread.or_else(|| Some(CatalogError::NotACatalog { url: root.url().to_owned(), what }.into()));
            break;
        }
    }
    Ok((entries, unread))
}

/// Whether a link can lead to this dataset: one of its parts is the id.
fn names(href: &str, id: &str) -> bool {
    href.split('/').any(|part| part == id || part.strip_suffix(".json") == Some(id))
}

type Level = (Vec<CatalogEntry>, Children, Option<EngineError>);

fn read_level(engine: &Engine, level: &Children, seen: &mut HashSet<String>) -> Result<Level, EngineError> {
    let mut new = Vec::new();
    let mut failed = None;
    for (parent, href) in level {
        match parent.sibling(href) {
            Ok(source) if seen.insert(source.url().to_owned()) => new.push(source),
            Ok(_) => {}
            Err(error) => failed = failed.or(Some(EngineError::from(error))),
        }
    }
    let one = |source: Arc<dyn Source>| -> Result<(Arc<dyn Source>, StacDocument), EngineError> {
        engine.cancel.check()?;
        let bytes = fetch_bytes(source.as_ref(), MAX_STAC)?;
        let at = firn_model::diagnose::At::url(source.url());
        let bytes = bytes.ok_or(SourceError::NotFound { at })?;
        match read(source.url(), &bytes)? {
            CatalogContent::Stac(document) => Ok((source, *document)),
            CatalogContent::Entries(..) => {
                let what = "a STAC catalog links to it, and it is no STAC".to_owned();
                Err(CatalogError::NotACatalog { url: source.url().to_owned(), what }.into())
            }
        }
    };
    let results: Vec<_> = pool()?.install(|| new.into_par_iter().map(one).collect());
    let (mut entries, mut children) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok((source, document)) => {
                entries.extend(document.entry.map(|entry| with_address(entry, source.as_ref())));
                children.extend(document.children.into_iter().map(|href| (Arc::clone(&source), href)));
            }
            Err(EngineError::Interrupted(stop)) => return Err(stop.into()),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Ok((entries, children, failed))
}

/// Addresses of assets may be relative to their document.
fn with_address(mut entry: CatalogEntry, source: &dyn Source) -> CatalogEntry {
    let relative = matches!(Place::parse(&entry.url), Place::Local(path) if path.is_relative())
        && !Path::new(&entry.url).is_absolute();
    if relative && let Ok(asset) = source.sibling(&entry.url) {
        entry.url = asset.url().to_owned();
        // Without a snippet it stays without: the address alone says why.
        let _none = entry.renew_snippets();
    }
    entry
}
