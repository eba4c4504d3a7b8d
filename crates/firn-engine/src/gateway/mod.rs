//! The datasets of a catalog as plain Zarr v3: consolidated, regular, unsharded, in codecs that every client has.
//!
//! What is asked for is looked up in the catalog and in the hierarchy of the opened dataset; only what is found there reaches
//! any storage. Chunks pass as they are stored where clients can decode them, else they are decoded and encoded again.

mod address;
mod budget;
mod cache;
mod catalog;
mod chunk;
mod dataset;
mod kept;
mod layout;

pub use catalog::{Catalog, Entries, Lookup};
pub use dataset::{Key, NOT_SERVED, ServedDataset};

use crate::error::EngineError;
use crate::execute::lock;
use crate::settings::Engine;
use address::Address;
use bytes::Bytes;
use cache::Cache;
use chunk::ChunkStore;
use firn_catalog::CatalogEntry;
use firn_model::array::ChunkIndices;
use firn_model::diagnose::{Category, Diagnose};
use firn_storage::Storage;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore};

/// How long it is believed which version is the latest, and that what failed would fail again.
const BELIEVED: Duration = Duration::from_secs(5);

/// How long a store without versions stays open before it is looked at again.
const OPEN: Duration = Duration::from_mins(1);

/// Pieces of work at once, in all and of one dataset: a store that does not answer stops no other.
const WORK: usize = 128;
const WORK_OF_ONE: usize = 24;

/// Most datasets whose state is kept.
const SLOTS: usize = 4096;

/// Memory that one reader of a remote file keeps, in bytes: many stay open.
const READER: u64 = 2 << 20;

/// A failure that several requests are told of.
pub type Shared<T> = Result<T, Arc<EngineError>>;

/// Datasets of a catalog, opened when they are asked for.
pub struct Gateway {
    engine: Engine,
    catalog: Catalog,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    opened: Cache<Opened, Arc<ServedDataset>>,
    chunks: Arc<ChunkStore>,
    work: Arc<Semaphore>,
}

/// What is known of a dataset.
struct Slot {
    work: Arc<Semaphore>,
    /// By version that was asked for; empty for the latest. Who asks for one waits for nobody who asks for another.
    states: Mutex<HashMap<String, Arc<AsyncMutex<Option<State>>>>>,
}

#[derive(Clone)]
struct State {
    /// When the version was looked up, or looking it up failed.
    seen: Instant,
    outcome: Shared<Resolved>,
}

#[derive(Clone)]
enum Resolved {
    /// It has this version.
    Version(String),
    /// It has none; what is opened counts as the same until it is looked at again, and then has another number.
    Unversioned(u64),
}

/// Under what an opened dataset is kept: its address, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Opened {
    Version(String, String),
    Unversioned(String, u64),
}

static LOOKED_AT: AtomicU64 = AtomicU64::new(0);

impl State {
    /// Whether it still says what is meant. A version that was found stays; the latest moves, and what failed may be mended.
    fn is_believed(&self, is_pinned: bool) -> bool {
        match &self.outcome {
            Ok(Resolved::Version(_)) if is_pinned => true,
            Ok(Resolved::Unversioned(_)) => self.seen.elapsed() < OPEN,
            _ => self.seen.elapsed() < BELIEVED,
        }
    }
}

impl Gateway {
    /// Over a catalog, with the memory of the engine's settings: a quarter of it for opened datasets.
    ///
    /// # Errors
    /// A catalog that cannot be read.
    pub fn open(engine: Engine, catalog: &str) -> Result<Self, EngineError> {
        let memory = engine.settings.memory;
        let mut settings = engine.storage.settings().clone();
        settings.cache.capacity = settings.cache.capacity.min(READER);
        settings.is_serving = true;
        let engine = Engine { storage: Storage::new(settings, engine.storage.runtime().clone())?, ..engine };
        Ok(Self {
            catalog: Catalog::open(engine.clone(), catalog)?,
            slots: Mutex::default(),
            opened: Cache::new(memory / 4),
            chunks: Arc::new(ChunkStore::new(memory / 4 * 3)),
            work: Arc::new(Semaphore::new(WORK)),
            engine,
        })
    }

    /// The catalog.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// A dataset at a version, the latest where none is named.
    ///
    /// # Errors
    /// A version that does not exist; a store that does not open.
    pub async fn dataset(&self, entry: &Arc<CatalogEntry>, version: Option<&str>) -> Shared<Arc<ServedDataset>> {
        let slot = self.slot(&entry.id);
        let state = slot.state(version.unwrap_or_default());
        // Who comes while a dataset is being opened waits here, without a thread.
        let mut state = state.lock().await;
        let resolved = self.resolved(&slot, &mut state, entry, version).await?;
        let url = entry.url.clone();
        let (key, version) = match resolved {
            Resolved::Version(version) => (Opened::Version(url, version.clone()), Some(version)),
            Resolved::Unversioned(number) => (Opened::Unversioned(url, number), None),
        };
        if let Some(dataset) = self.opened.get(&key) {
            return Ok(dataset);
        }
        let (engine, entry) = (self.engine.clone(), Arc::clone(entry));
        let opening = move || {
            let address = Address::of(&engine, &entry, version.as_deref())?;
            Ok(Arc::new(ServedDataset::new(address.open()?, version)?))
        };
        let dataset: Arc<ServedDataset> = self.work(&slot, opening).await?;
        self.opened.put_whatever_its_weight(key, Arc::clone(&dataset), dataset.weight());
        Ok(dataset)
    }

    /// Which version is meant, by what is known or by asking the storage.
    async fn resolved(
        &self,
        slot: &Slot,
        state: &mut Option<State>,
        entry: &Arc<CatalogEntry>,
        version: Option<&str>,
    ) -> Shared<Resolved> {
        if let Some(state) = state.as_ref().filter(|state| state.is_believed(version.is_some())) {
            return state.outcome.clone();
        }
        let (engine, entry, owned) = (self.engine.clone(), Arc::clone(entry), version.map(str::to_owned));
        let resolve = move || {
            let version = Address::of(&engine, &entry, owned.as_deref())?.version;
            let unversioned = || Resolved::Unversioned(LOOKED_AT.fetch_add(1, Ordering::Relaxed));
            Ok(version.map_or_else(unversioned, Resolved::Version))
        };
        let outcome = self.work(slot, resolve).await;
        *state = Some(State { seen: Instant::now(), outcome: outcome.clone() });
        outcome
    }

    /// The bytes of a chunk; `None` where it is known to be empty.
    ///
    /// # Errors
    /// Whatever stands between the server and bytes that are there.
    pub async fn chunk(
        &self,
        entry: &CatalogEntry,
        dataset: &Arc<ServedDataset>,
        array: u32,
        indices: ChunkIndices,
    ) -> Shared<Option<Bytes>> {
        let (chunks, dataset) = (Arc::clone(&self.chunks), Arc::clone(dataset));
        self.work(&self.slot(&entry.id), move || chunks.bytes(&dataset, array, &indices)).await
    }

    fn slot(&self, id: &str) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        if slots.len() >= SLOTS && !slots.contains_key(id) {
            slots.clear();
        }
        let new = || Arc::new(Slot { work: Arc::new(Semaphore::new(WORK_OF_ONE)), states: Mutex::default() });
        Arc::clone(slots.entry(id.to_owned()).or_insert_with(new))
    }

    /// Does a piece of work that blocks on a thread for it, once it is its turn. It is counted until it ends, also where
    /// nobody waits for it any more.
    async fn work<T: Send + 'static>(
        &self,
        slot: &Slot,
        work: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
    ) -> Shared<T> {
        let permits = (permit(&slot.work).await?, permit(&self.work).await?);
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permits);
            result
        });
        match done.await {
            Ok(result) => result.map_err(Arc::new),
            Err(failure) => Err(Arc::new(EngineError::bug(format!("a request ended early: {failure}")))),
        }
    }
}

async fn permit(semaphore: &Arc<Semaphore>) -> Shared<OwnedSemaphorePermit> {
    let permit = Arc::clone(semaphore).acquire_owned().await;
    permit.map_err(|_| Arc::new(EngineError::bug("the server takes no more work")))
}

impl Slot {
    /// What is known of a version that is asked for.
    fn state(&self, asked: &str) -> Arc<AsyncMutex<Option<State>>> {
        let mut states = lock(&self.states);
        if states.len() >= SLOTS && !states.contains_key(asked) {
            states.clear();
        }
        Arc::clone(states.entry(asked.to_owned()).or_default())
    }
}

/// Whether a failure says that what was asked for does not exist, and not that something is wrong.
pub fn is_unknown(error: &EngineError) -> bool {
    matches!(error, EngineError::Catalog(_)) && error.category() == Category::NotFound
}
