//! References into other objects still point at what they were written for.

use super::{Finding, Severity, StoreView};
use crate::cancel::Interrupted;
use crate::error::EngineError;
use crate::open::{Dates, changed};
use crate::progress::Unit;
use crate::settings::Engine;
use crate::store::{dates, references};
use firn_model::diagnose::{At, Diagnose};
use firn_storage::ObjectUrl;
use rayon::prelude::*;

/// Objects that are asked for at once.
const AT_ONCE: usize = 24;
/// Findings that are listed; more of them are counted in the last one.
const SHOWN: usize = 20;

/// Asks for every object that references point into, once each.
///
/// # Errors
/// The user's stop.
pub fn check(engine: &Engine, store: &StoreView) -> Result<Vec<Finding>, EngineError> {
    let objects = references(&store.dataset);
    if objects.is_empty() {
        return Ok(Vec::new());
    }
    let dates = dates(&store.dataset);
    let progress = engine.progress.task("references", Some(objects.len() as u64), Unit::Files);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(AT_ONCE)
        .build()
        .map_err(|error| EngineError::bug(format!("no threads: {error}")))?;
    let look = |url: &String| -> Result<Option<Finding>, Interrupted> {
        engine.cancel.check()?;
        let found = what_is_wrong(engine, url, &objects[url], dates);
        progress.advance(1);
        Ok(found.map(|found| Finding {
            rule: "references",
            severity: Severity::Error,
            at: At::url(url),
            expected: "the object that references were written for".to_owned(),
            found,
        }))
    };
    let urls: Vec<&String> = objects.keys().collect();
    let results: Result<Vec<Option<Finding>>, Interrupted> =
        pool.install(|| urls.par_iter().map(|url| look(url)).collect());
    let mut findings: Vec<Finding> = results?.into_iter().flatten().collect();
    let more = findings.len().saturating_sub(SHOWN);
    findings.truncate(SHOWN);
    if more > 0 {
        let found = format!("{more} more like these");
        let at = At::url(&store.url);
        findings.push(Finding { rule: "references", severity: Severity::Error, at, expected: "no".to_owned(), found });
    }
    Ok(findings)
}

fn what_is_wrong(
    engine: &Engine,
    url: &str,
    expected: &[firn_model::source::SourceVersion],
    dates: Dates,
) -> Option<String> {
    let seen = ObjectUrl::parse(url)
        .map_err(|error| error.to_string())
        .and_then(|url| engine.storage.open(&url).map_err(|error| format!("[{}] {error}", error.code())));
    match seen {
        Ok(None) => Some("no object".to_owned()),
        Ok(Some(reader)) => match reader.version() {
            Ok(version) => expected
                .iter()
                .find_map(|expected| changed(expected, &version, dates))
                .map(|what| format!("another one: {what}. The references into it are stale: write new ones")),
            Err(error) => Some(format!("[{}] {error}", error.code())),
        },
        Err(what) => Some(what),
    }
}
