//! Opening a store that somebody wrote: plain Zarr, an Icechunk repository, or a managed dataset of either.

use crate::error::EngineError;
use crate::icechunk::{RepositoryStorage, open_snapshot};
use crate::managed;
use crate::open::{ContainerSource, OnceSource};
use crate::settings::Engine;
use crate::target::ledger::{LEDGER_KEY, Ledger};
use crate::verify::StoreView;
use firn_model::diagnose::At;
use firn_model::source::Source;
use firn_storage::ObjectUrl;
use std::sync::Arc;

/// Of which kind a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// A plain Zarr hierarchy, or a file.
    Plain,
    /// An Icechunk repository.
    Icechunk,
}

/// Of which kind the store at this address is.
///
/// # Errors
/// What the storage says.
pub fn kind_of(engine: &Engine, url: &ObjectUrl) -> Result<StoreKind, EngineError> {
    if url.scheme().starts_with("http") {
        return Ok(StoreKind::Plain);
    }
    if url.local_path().is_some_and(|path| path.is_file()) {
        return Ok(StoreKind::Plain);
    }
    let prefix = engine.storage.prefix(url)?;
    let runtime = engine.storage.runtime();
    for key in ["refs/branch.main/ref.json", "repo"] {
        if runtime.block_on(prefix.head(key))?.is_some() {
            return Ok(StoreKind::Icechunk);
        }
    }
    Ok(StoreKind::Plain)
}

/// Opens a store; a managed dataset opens at its current version.
///
/// # Errors
/// What the storage says, and what the store is refused for.
pub fn open_store(engine: &Engine, url: &ObjectUrl) -> Result<StoreView, EngineError> {
    let url = &managed::current(engine, url)?;
    match kind_of(engine, url)? {
        StoreKind::Icechunk => open_icechunk(engine, url, "main"),
        StoreKind::Plain => open_plain(engine, url),
    }
}

fn open_plain(engine: &Engine, url: &ObjectUrl) -> Result<StoreView, EngineError> {
    let source: Arc<dyn Source> = Arc::new(OnceSource::new(engine.storage.source(url)?));
    let at = At::url(source.url());
    let dataset = firn_formats::open(source.as_ref(), &at)?;
    let is_file = url.local_path().is_some_and(|path| path.is_file());
    let ledger = if is_file { None } else { source.object(LEDGER_KEY)? };
    let ledger = match ledger {
        Some(object) => {
            let bytes = object.read(0..object.size()?)?;
            let at = at.node(LEDGER_KEY);
            let text = std::str::from_utf8(&bytes).map_err(|_| EngineError::JournalDamaged {
                at: at.clone(),
                what: "the ledger is not text".to_owned(),
            })?;
            Some(Ledger::parse(text, &at)?)
        }
        None => None,
    };
    Ok(StoreView { url: url.to_string(), dataset, source, ledger })
}

fn open_icechunk(engine: &Engine, url: &ObjectUrl, version: &str) -> Result<StoreView, EngineError> {
    let storage = RepositoryStorage::new(engine.storage.prefix(url)?);
    let opened = engine.storage.runtime().block_on(open_snapshot(&storage, version))?;
    let source = Arc::new(ContainerSource::new(engine.storage.clone(), url, opened.containers)?);
    Ok(StoreView { url: url.to_string(), dataset: opened.dataset, source, ledger: None })
}
