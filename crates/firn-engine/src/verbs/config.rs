//! What the configured locations can do.

use crate::error::EngineError;
use crate::progress::Unit;
use crate::settings::Engine;
use firn_storage::{Capabilities, ObjectUrl, StorageError, probe};
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
            engine.settings.capabilities().save(table)?;
        }
        progress.advance(1);
        checks.push(LocationCheck { name: name.clone(), outcome });
    }
    Ok(checks)
}

async fn check_one(engine: &Engine, name: &str) -> Result<Capabilities, StorageError> {
    let prefix = engine.storage.prefix(&ObjectUrl::named(name, "")?)?;
    let public = engine.storage.location(name)?.public_url.clone();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(probe(&prefix, public.as_ref(), now).await)
}
