//! Opening a store as everybody sees it, and finding out who may.

use crate::error::EngineError;
use crate::settings::Engine;
use crate::store::{Opened, open_any};
use firn_model::diagnose::{Category, Diagnose};
use firn_storage::ObjectUrl;

/// Who can read it.
pub(super) enum Readers {
    /// Everybody who reaches the server, without credentials.
    Everybody,
    /// Who uses this machine.
    ThisMachine,
    /// Who has credentials: why others cannot.
    WithCredentials(String),
    /// Not even we: why.
    Nobody(String),
}

/// A store, opened or not.
pub(super) struct Seen {
    /// The address at which that was tried.
    pub address: ObjectUrl,
    /// With it the store is read: without credentials, where everybody can read it.
    pub engine: Engine,
    /// Who can read it.
    pub readers: Readers,
    /// What is in it, or why that cannot be told.
    pub opened: Result<Opened, EngineError>,
}

/// Opens a store without credentials at the address that is everybody's, else with them.
///
/// # Errors
/// Where nothing is there, or nobody answers: then nothing can be said of it.
pub(super) fn look(engine: &Engine, url: &ObjectUrl) -> Result<Seen, EngineError> {
    let public = Engine { storage: engine.storage.anonymous(), ..engine.clone() };
    let mut refused = None;
    for address in addresses(engine, url)? {
        engine.cancel.check()?;
        if address.local_path().is_some() {
            let opened = told(open_any(engine, &address))?;
            return Ok(Seen { address, engine: engine.clone(), readers: Readers::ThisMachine, opened });
        }
        match open_any(&public, &address) {
            // Behind a web server a repository is not read; behind the same location it is.
            Err(error) if error.code() == "unsupported-icechunk-http" => refused = Some((address, error)),
            Err(error) if error.category() == Category::Denied => {
                refused = refused.or(Some((address, error)));
            }
            other => {
                let opened = told(other)?;
                return Ok(Seen { address, engine: public, readers: Readers::Everybody, opened });
            }
        }
    }
    let Some((address, error)) = refused else { return Err(EngineError::bug("a store without an address")) };
    if error.category() != Category::Denied {
        return Ok(Seen { address, engine: public, readers: Readers::Everybody, opened: Err(error) });
    }
    let why = error.to_string();
    match open_any(engine, url) {
        Err(error) if error.category() == Category::Denied => {
            Ok(Seen { address, engine: engine.clone(), readers: Readers::Nobody(why), opened: Err(error) })
        }
        other => {
            let opened = told(other)?;
            Ok(Seen { address, engine: engine.clone(), readers: Readers::WithCredentials(why), opened })
        }
    }
}

/// What says something of the store; that it is not there, or that nobody answers, says nothing.
fn told(opened: Result<Opened, EngineError>) -> Result<Result<Opened, EngineError>, EngineError> {
    match opened {
        Err(error) => match error.category() {
            Category::NotFound
            | Category::Unavailable
            | Category::Usage
            | Category::Conflict
            | Category::Interrupted
            | Category::Bug => Err(error),
            _ => Ok(Err(error)),
        },
        opened => Ok(opened),
    }
}

/// The addresses of a store, that of everybody first.
fn addresses(engine: &Engine, url: &ObjectUrl) -> Result<Vec<ObjectUrl>, EngineError> {
    let mut addresses: Vec<ObjectUrl> = engine.storage.public(url)?.into_iter().collect();
    let physical = engine.storage.physical(url)?;
    let is_local = physical.local_path().is_some();
    if !addresses.contains(&physical) && (addresses.is_empty() || !is_local) {
        addresses.push(physical);
    }
    Ok(addresses)
}
