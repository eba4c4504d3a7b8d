//! What the configured locations can do.

use crate::error::EngineError;
use crate::progress::Unit;
use crate::settings::Engine;
use firn_storage::{Answer, Capabilities, CopyProbe, ObjectUrl, Prefix, StorageError, probe, probe_copy};
use std::time::{SystemTime, UNIX_EPOCH};

/// One location, tried.
#[derive(Debug)]
pub struct LocationCheck {
    /// Its name.
    pub name: String,
    /// What it was seen to do, or why it could not be tried.
    pub outcome: Result<Capabilities, StorageError>,
}

/// Tries each of these locations (all that are configured where none is named), and keeps the tables.
///
/// # Errors
/// [`EngineError::Storage`] for a name that is not configured, or a state directory that cannot be written;
/// [`EngineError::Interrupted`].
pub async fn check(engine: &Engine, names: &[String]) -> Result<Vec<LocationCheck>, EngineError> {
    let all: Vec<String> = engine.storage.settings().locations.keys().cloned().collect();
    let names = if names.is_empty() { &all } else { names };
    for name in names {
        engine.storage.location(name)?;
    }
    let progress = engine.progress.task("probe", Some(names.len() as u64), Unit::Items);
    let mut checks = Vec::with_capacity(names.len());
    for name in names {
        engine.cancel.check()?;
        let outcome = tokio::select! {
            () = engine.cancel.cancelled() => return Err(crate::cancel::Interrupted.into()),
            outcome = check_one(engine, name) => outcome,
        };
        if let Ok(table) = &outcome {
            keep(engine, table.clone())?;
        }
        progress.advance(1);
        checks.push(LocationCheck { name: name.clone(), outcome });
    }
    Ok(checks)
}

/// Tries whether the server copies from one location to the other, and keeps what was seen in the table of the second.
///
/// # Errors
/// As [`check`]; where nothing can be read there, or written here.
pub async fn check_copy(engine: &Engine, from: &str, to: &str) -> Result<CopyProbe, EngineError> {
    let root = |name: &str| -> Result<Prefix, EngineError> {
        engine.storage.location(name)?;
        Ok(engine.storage.prefix(&ObjectUrl::named(name, "")?)?)
    };
    let (source, target) = (root(from)?, root(to)?);
    let progress = engine.progress.task("probe", Some(2), Unit::Items);
    let work = async {
        let tables = engine.settings.capabilities();
        let table = match tables.load(&target.identity())? {
            Some(table) => table,
            None => check_one(engine, to).await?,
        };
        progress.advance(1);
        let target = target.with_capabilities(&table);
        Ok::<_, StorageError>((table, probe_copy(&source, &target).await))
    };
    let (mut table, seen) = tokio::select! {
        () = engine.cancel.cancelled() => return Err(crate::cancel::Interrupted.into()),
        outcome = work => outcome?,
    };
    progress.advance(1);
    if seen.server_side.answer == Answer::Unknown {
        table.copies_from.remove(&source.identity());
    } else {
        table.copies_from.insert(source.identity(), seen.server_side.clone());
    }
    engine.settings.capabilities().save(&table)?;
    Ok(seen)
}

/// Keeps a table; what was seen of copies to the location stays.
fn keep(engine: &Engine, mut table: Capabilities) -> Result<(), StorageError> {
    let tables = engine.settings.capabilities();
    if let Some(before) = tables.load(&table.location)? {
        table.copies_from = before.copies_from;
    }
    tables.save(&table)
}

async fn check_one(engine: &Engine, name: &str) -> Result<Capabilities, StorageError> {
    let prefix = engine.storage.prefix(&ObjectUrl::named(name, "")?)?;
    let public = engine.storage.location(name)?.public_url.clone();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(probe(&prefix, public.as_ref(), now).await)
}
