//! The consolidated metadata say what the documents of the nodes say: readers use the one or the others.

use super::{Finding, Severity, StoreView};
use crate::cancel::Interrupted;
use crate::error::EngineError;
use crate::progress::Unit;
use crate::settings::Engine;
use firn_formats::zarr::{ConsolidatedDocument, consolidated_documents};
use firn_model::diagnose::At;
use rayon::prelude::*;

/// Documents that are asked for at once.
const AT_ONCE: usize = 24;

/// Reads the document of every node of a published store of plain Zarr.
///
/// # Errors
/// The consolidated metadata cannot be read; the user's stop.
pub fn check(engine: &Engine, store: &StoreView) -> Result<Vec<Finding>, EngineError> {
    let documents = consolidated_documents(store.source.as_ref(), store.dataset.format)?;
    if documents.is_empty() {
        return Ok(Vec::new());
    }
    let progress = engine.progress.task("documents", Some(documents.len() as u64), Unit::Files);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(AT_ONCE)
        .build()
        .map_err(|error| EngineError::bug(format!("no threads: {error}")))?;
    let look = |document: &ConsolidatedDocument| -> Result<Option<Finding>, Interrupted> {
        engine.cancel.check()?;
        let found = match document.is_as_stored(store.source.as_ref()) {
            Ok(true) => None,
            Ok(false) => Some("another document in the consolidated metadata".to_owned()),
            Err(error) => Some(error.to_string()),
        };
        progress.advance(1);
        Ok(found.map(|found| Finding {
            rule: "documents",
            severity: Severity::Error,
            at: At::url(format!("{}/{}", store.url.trim_end_matches('/'), document.key)),
            expected: "the same as in the consolidated metadata, which not every reader uses".to_owned(),
            found,
        }))
    };
    let results: Result<Vec<Option<Finding>>, Interrupted> = pool.install(|| documents.par_iter().map(look).collect());
    Ok(results?.into_iter().flatten().collect())
}
