//! Copying many objects: side by side, in the order in which stores appear, each failure apart.

use super::Item;
use super::order::Order;
use super::records::{Arrival, Records};
use crate::cancel::{Cancel, Interrupted};
use crate::error::EngineError;
use crate::inbox::transfer::{Moved, Proof, Transfer, Way, is_in_parts};
use crate::progress::{TaskProgress, Unit};
use crate::settings::Engine;
use firn_model::source::SourceVersion;
use firn_model::upload::Rank;
use firn_storage::{Arriving, Prefix};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinSet};

/// Arrivals that are recorded together.
const SEGMENT: usize = 1024;
/// Groups of arrivals that are made safe while others arrive.
const SETTLING: usize = 2;
/// Longest time between an arrival and its record.
const PATIENCE: Duration = Duration::from_secs(2);
/// A server that refuses this many in a row refuses all: the rest is not tried.
const HOPELESS: usize = 50;

/// What became of the objects.
#[derive(Default)]
pub struct Sent {
    /// What arrived.
    pub objects: u64,
    /// Its bytes.
    pub bytes: u64,
    /// What did not, and why.
    pub failures: Vec<(String, EngineError)>,
    /// Objects that were not tried because others, without which they would be wrong, failed.
    pub held_back: Vec<String>,
}

/// Copies objects to this place.
///
/// # Errors
/// Where records cannot be kept, and where the user stops it. What a single object says is in [`Sent::failures`].
pub fn send(
    engine: &Engine,
    to: Prefix,
    items: Vec<Item>,
    all: &BTreeSet<String>,
    jobs: Option<usize>,
    records: &mut Records,
) -> Result<Sent, EngineError> {
    let from_local =
        items.iter().all(|item| engine.storage.physical(item.from.url()).is_ok_and(|url| url.local_path().is_some()));
    let transfer = Arc::new(Transfer::new(engine, from_local, to, jobs)?);
    let order = Order::of(all.iter().map(String::as_str));
    let total = items.iter().map(|item| item.version.size).sum();
    let progress = Arc::new(engine.progress.task("copy", Some(total), Unit::Bytes));
    let mut sent = Sent::default();
    let mut open = items;
    for rank in [Rank::Data, Rank::Metadata, Rank::Root] {
        let (now, later): (Vec<Item>, Vec<Item>) = open.into_iter().partition(|item| order.rank(&item.to_key) == rank);
        open = later;
        if !sent.failures.is_empty() && rank != Rank::Data {
            // A root makes readers take what is there for the whole.
            sent.held_back.extend(now.into_iter().map(|item| item.to_key));
            continue;
        }
        let mut sender = Sender { engine, transfer: &transfer, progress: &progress, records, sent: &mut sent };
        engine.storage.runtime().block_on(sender.all(now))?;
    }
    Ok(sent)
}

struct Sender<'a> {
    engine: &'a Engine,
    transfer: &'a Arc<Transfer>,
    progress: &'a Arc<TaskProgress>,
    records: &'a mut Records,
    sent: &'a mut Sent,
}

type Outcome = (Item, Result<Moved, EngineError>);
type Settled = Result<Vec<(Item, Moved)>, EngineError>;

impl Sender<'_> {
    /// After a stop nothing is begun, and what was begun is waited for: a write that is dropped may happen nevertheless.
    async fn all(&mut self, items: Vec<Item>) -> Result<(), EngineError> {
        let mut waiting = items.into_iter();
        let mut running: JoinSet<Outcome> = JoinSet::new();
        let mut settling: JoinSet<Settled> = JoinSet::new();
        let (mut arrived, mut since, mut in_a_row) = (Vec::new(), Instant::now(), 0);
        loop {
            let goes_on = !self.engine.cancel.is_set() && in_a_row < HOPELESS;
            while goes_on && running.len() < self.transfer.at_once {
                let Some(item) = waiting.next() else { break };
                let (cancel, progress) = (self.engine.cancel.clone(), Arc::clone(self.progress));
                running.spawn(copy(Arc::clone(self.transfer), item, cancel, progress));
            }
            let Some(ended) = running.join_next().await else { break };
            let (item, moved) = ended.map_err(|error| EngineError::bug(error.to_string()))?;
            match moved {
                Ok(moved) => {
                    in_a_row = 0;
                    arrived.push((item, moved));
                }
                Err(error) => {
                    in_a_row += 1;
                    self.sent.failures.push((item.to_key, error));
                }
            }
            if arrived.len() >= SEGMENT || since.elapsed() > PATIENCE {
                settling.spawn(settle(Arc::clone(self.transfer), std::mem::take(&mut arrived)));
                since = Instant::now();
            }
            while let Some(settled) =
                if settling.len() >= SETTLING { settling.join_next().await } else { settling.try_join_next() }
            {
                self.record(settled)?;
            }
        }
        settling.spawn(settle(Arc::clone(self.transfer), arrived));
        while let Some(settled) = settling.join_next().await {
            self.record(settled)?;
        }
        self.sent.held_back.extend(waiting.map(|item| item.to_key));
        Ok(self.engine.cancel.check()?)
    }

    fn record(&mut self, settled: Result<Settled, JoinError>) -> Result<(), EngineError> {
        let arrived = settled.map_err(|error| EngineError::bug(error.to_string()))??;
        let arrivals: Vec<Arrival> = arrived
            .into_iter()
            .map(|(item, moved)| {
                self.sent.objects += 1;
                self.sent.bytes += item.version.size;
                let to = SourceVersion { etag: moved.etag, size: item.version.size, ..SourceVersion::default() };
                Arrival { key: item.to_key, from: item.version, to, blake3: moved.blake3 }
            })
            .collect();
        self.records.add(&arrivals)
    }
}

/// Copies one object. A large one is not waited for after a stop: whether it appears as a whole in that moment or not, the same
/// command finds out, and goes on with its parts.
async fn copy(transfer: Arc<Transfer>, item: Item, cancel: Cancel, progress: Arc<TaskProgress>) -> Outcome {
    // What the server copies is proven by its tag; it need not be read.
    let proof = if transfer.is_by_server(&item.from) { Proof::Tag } else { Proof::Digest };
    let (size, told) = (item.version.size, Arc::new(AtomicU64::new(0)));
    let arriving = {
        let (told, progress) = (Arc::clone(&told), Arc::clone(&progress));
        Arriving::new(move |bytes| {
            // An object that has to be sent once more does not make the whole larger.
            let before = told.fetch_add(bytes, Ordering::Relaxed);
            progress.advance(bytes.min(size.saturating_sub(before)));
        })
    };
    let way = Way { arriving: Some(arriving), ..proof.into() };
    let copy = transfer.copy(&item.from, &item.key, &item.to_key, &item.version, way);
    let moved = if is_in_parts(size) {
        tokio::select! {
            moved = copy => moved,
            () = cancel.cancelled() => Err(Interrupted.into()),
        }
    } else {
        copy.await
    };
    if moved.is_ok() {
        progress.advance(size.saturating_sub(told.load(Ordering::Relaxed)));
    }
    (item, moved)
}

/// Only what is safe is recorded.
async fn settle(transfer: Arc<Transfer>, arrived: Vec<(Item, Moved)>) -> Settled {
    transfer.settle(arrived.iter().map(|(item, _)| item.to_key.clone()).collect()).await?;
    Ok(arrived)
}
