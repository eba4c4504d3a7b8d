//! `firn catalog show` and `firn catalog snippet`: a dataset of any catalog.

mod open;

use crate::error::EngineError;
use crate::icechunk::{RepositoryStorage, open_snapshot};
use crate::settings::Engine;
use crate::verbs::requests::CatalogEntryRequest;
use firn_catalog::classify::StoreKind;
use firn_catalog::id::split_version;
use firn_catalog::lookup::find;
use firn_catalog::snippet::Snippet;
use firn_catalog::{CatalogEntry, CatalogError};
use firn_formats::zarr::ROOT_DOCUMENT;
use firn_model::diagnose::{Category, Diagnose, shell_word, without_secrets};
use firn_model::source::SourceError;
use firn_storage::ObjectUrl;
use schemars::JsonSchema;
use serde::Serialize;

/// A dataset of a catalog.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ShownDataset {
    /// The document that it was found in.
    pub catalog: String,
    /// The dataset.
    pub dataset: CatalogEntry,
}

/// The lines that open a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ShownSnippet {
    /// Public id.
    pub id: String,
    /// Where the store is.
    pub url: String,
    /// The lines.
    pub snippet: Snippet,
}

/// All datasets of a catalog, and why a part of it could not be read, where that is so.
pub(crate) fn datasets(
    engine: &Engine,
    catalog: &str,
) -> Result<(Vec<CatalogEntry>, Option<EngineError>), EngineError> {
    let opened = open::open(engine, catalog, "")?;
    Ok((opened.entries, opened.unread))
}

/// What a catalog says of a dataset.
///
/// # Errors
/// A catalog that cannot be read; [`CatalogError::UnknownDataset`].
pub fn catalog_show(engine: &Engine, request: &CatalogEntryRequest) -> Result<ShownDataset, EngineError> {
    show(engine, request).map_err(|error| advised(error, request, "show"))
}

/// The next command in the same words: with this catalog, and for another dataset with this verb.
fn advised(error: EngineError, request: &CatalogEntryRequest, verb: &str) -> EngineError {
    let catalog = shell_word(&without_secrets(&request.catalog));
    let next = match &error {
        EngineError::Catalog(CatalogError::UnknownDataset { near: Some(near), .. }) => {
            format!("firn catalog {verb} {} --catalog {catalog}", shell_word(near))
        }
        EngineError::Catalog(CatalogError::UnknownVersion { id, .. }) => {
            format!("firn catalog {verb} {} --catalog {catalog}", shell_word(id))
        }
        EngineError::Catalog(CatalogError::NoSnippet { id, .. }) => {
            format!("firn catalog show {} --catalog {catalog} tells where it is", shell_word(id))
        }
        _ => return error,
    };
    EngineError::Advised { error: Box::new(error), next }
}

fn show(engine: &Engine, request: &CatalogEntryRequest) -> Result<ShownDataset, EngineError> {
    let opened = open::open(engine, &request.catalog, &request.id)?;
    let found = find(&opened.entries, &opened.url, &request.id);
    match (found, opened.unread) {
        (Ok(dataset), _) => {
            if let (_, Some(version)) = split_version(&request.id) {
                check_version(engine, &dataset, version)?;
            }
            Ok(ShownDataset { catalog: opened.url, dataset: dataset.without_secrets() })
        }
        // It may be in the part that could not be read.
        (Err(CatalogError::UnknownDataset { .. }), Some(unread)) => Err(unread),
        (Err(error), _) => Err(error.into()),
    }
}

/// Refuses a version of which the storage says that it is not there. What cannot be asked is left to who opens it: a catalog
/// can be read where its stores cannot.
fn check_version(engine: &Engine, dataset: &CatalogEntry, version: &str) -> Result<(), EngineError> {
    let Ok(url) = ObjectUrl::parse(&dataset.url) else { return Ok(()) };
    // Of a bucket whose endpoint only the catalog knows, another one of that name would answer.
    if dataset.access.is_some() {
        return Ok(());
    }
    let found = match dataset.kind {
        StoreKind::ZarrV3 => has_root(engine, &url),
        StoreKind::Icechunk => has_snapshot(engine, &url, version),
        _ => return Ok(()),
    };
    if !matches!(&found, Err(error) if error.category() == Category::NotFound) {
        return Ok(());
    }
    let what = format!("{} is not there", without_secrets(&dataset.url));
    let what =
        if dataset.kind == StoreKind::Icechunk { "no tag and no snapshot has this name".to_owned() } else { what };
    Err(CatalogError::UnknownVersion { id: dataset.id.clone(), version: version.to_owned(), what }.into())
}

fn has_root(engine: &Engine, url: &ObjectUrl) -> Result<(), EngineError> {
    let source = engine.storage.source(url)?;
    let root = source.object(ROOT_DOCUMENT)?.ok_or_else(|| SourceError::NotFound { at: url.at() })?;
    root.size()?;
    Ok(())
}

fn has_snapshot(engine: &Engine, url: &ObjectUrl, version: &str) -> Result<(), EngineError> {
    let storage = RepositoryStorage::new(engine.storage.prefix(url)?);
    engine.storage.runtime().block_on(open_snapshot(&storage, version))?;
    Ok(())
}

/// The Python that opens a dataset.
///
/// # Errors
/// As [`catalog_show`]; [`CatalogError::NoSnippet`].
pub fn catalog_snippet(engine: &Engine, request: &CatalogEntryRequest) -> Result<ShownSnippet, EngineError> {
    let mut dataset = show(engine, request).map_err(|error| advised(error, request, "snippet"))?.dataset;
    // Lines are made here: a catalog from elsewhere does not get to say what is pasted.
    let renewed = dataset.renew_snippets();
    let url = without_secrets(&dataset.url);
    match (renewed, dataset.snippets.into_iter().next()) {
        (Ok(()), Some(snippet)) => Ok(ShownSnippet { id: dataset.id, url, snippet }),
        (none, _) => {
            let what = none.err().map(|none| none.what).unwrap_or_default();
            Err(advised(CatalogError::NoSnippet { id: dataset.id, url, what }.into(), request, "snippet"))
        }
    }
}
