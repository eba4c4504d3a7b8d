//! The catalog of a server: its datasets by id, read again where it changed.

use crate::error::EngineError;
use crate::execute::lock;
use crate::settings::Engine;
use crate::verbs::catalog_show::datasets;
use firn_catalog::{CatalogEntry, CatalogError};
use firn_storage::ObjectUrl;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long a catalog is believed before it is read again.
const BELIEVED: Duration = Duration::from_secs(10);

/// A catalog that is served.
pub struct Catalog {
    engine: Engine,
    url: String,
    state: Mutex<State>,
}

struct State {
    read: Instant,
    entries: Arc<Entries>,
}

/// The datasets of a catalog.
pub struct Entries {
    /// In its order.
    pub all: Vec<Arc<CatalogEntry>>,
    by_id: HashMap<String, usize>,
}

/// What an id means.
pub enum Lookup {
    /// A dataset.
    Entry(Arc<CatalogEntry>),
    /// A former id of this one.
    Alias(String),
    /// Nothing.
    Unknown,
}

impl Catalog {
    /// Reads it.
    ///
    /// # Errors
    /// What reading it says.
    pub fn open(engine: Engine, url: &str) -> Result<Self, EngineError> {
        let entries = Arc::new(read(&engine, url)?);
        let state = Mutex::new(State { read: Instant::now(), entries });
        Ok(Self { engine, url: url.to_owned(), state })
    }

    /// Its datasets as they were read last.
    pub fn known(&self) -> Arc<Entries> {
        Arc::clone(&lock(&self.state).entries)
    }

    /// Its datasets as they are now; as they were where it cannot be read any more. Blocks.
    pub fn entries(&self) -> Arc<Entries> {
        {
            let mut state = lock(&self.state);
            if state.read.elapsed() < BELIEVED {
                return Arc::clone(&state.entries);
            }
            // One reads, the others go on with what is known.
            state.read = Instant::now();
        }
        let read = read(&self.engine, &self.url);
        let mut state = lock(&self.state);
        match read {
            Ok(entries) => state.entries = Arc::new(entries),
            Err(error) => tracing::warn!("the catalog could not be read again, its former state is served: {error}"),
        }
        Arc::clone(&state.entries)
    }
}

impl Entries {
    /// What an id means.
    pub fn lookup(&self, id: &str) -> Lookup {
        if let Some(entry) = self.by_id.get(id).and_then(|at| self.all.get(*at)) {
            return Lookup::Entry(Arc::clone(entry));
        }
        let now = self.all.iter().find(|entry| entry.aliases.iter().any(|alias| alias == id));
        now.map_or(Lookup::Unknown, |entry| Lookup::Alias(entry.id.clone()))
    }
}

fn read(engine: &Engine, url: &str) -> Result<Entries, EngineError> {
    let (entries, unread) = datasets(engine, url)?;
    if let Some(error) = unread {
        return Err(error);
    }
    let is_local = ObjectUrl::parse(url)?.local_path().is_some();
    for entry in &entries {
        // Who writes a catalog elsewhere does not get to say which files of this machine are published.
        let place = ObjectUrl::parse(&entry.url).ok();
        if !is_local && place.is_some_and(|place| place.local_path().is_some()) {
            let what = format!("its dataset {} is a file of this machine, and the catalog is not", entry.id);
            return Err(CatalogError::NotACatalog { url: url.to_owned(), what }.into());
        }
    }
    let by_id = entries.iter().enumerate().map(|(at, entry)| (entry.id.clone(), at)).collect();
    Ok(Entries { all: entries.into_iter().map(Arc::new).collect(), by_id })
}
