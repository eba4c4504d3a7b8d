//! `firn catalog show` and `firn catalog snippet`: a dataset of any catalog.

mod open;

use crate::error::EngineError;
use crate::settings::Engine;
use crate::verbs::requests::CatalogEntryRequest;
use firn_catalog::lookup::find;
use firn_catalog::snippet::Snippet;
use firn_catalog::{CatalogEntry, CatalogError};
use firn_model::diagnose::without_secrets;
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
    let opened = open::open(engine, &request.catalog, &request.id)?;
    let found = find(&opened.entries, &opened.url, &request.id);
    match (found, opened.unread) {
        (Ok(dataset), _) => Ok(ShownDataset { catalog: opened.url, dataset }),
        // It may be in the part that could not be read.
        (Err(CatalogError::UnknownDataset { .. }), Some(unread)) => Err(unread),
        (Err(error), _) => Err(error.into()),
    }
}

/// The Python that opens a dataset.
///
/// # Errors
/// As [`catalog_show`]; [`CatalogError::NoSnippet`].
pub fn catalog_snippet(engine: &Engine, request: &CatalogEntryRequest) -> Result<ShownSnippet, EngineError> {
    let mut dataset = catalog_show(engine, request)?.dataset;
    // Lines are made here: a catalog from elsewhere does not get to say what is pasted.
    let renewed = dataset.renew_snippets();
    let url = without_secrets(&dataset.url);
    match (renewed, dataset.snippets.into_iter().next()) {
        (Ok(()), Some(snippet)) => Ok(ShownSnippet { id: dataset.id, url, snippet }),
        (none, _) => {
            let what = none.err().map(|none| none.what).unwrap_or_default();
            Err(CatalogError::NoSnippet { id: dataset.id, url, what }.into())
        }
    }
}
