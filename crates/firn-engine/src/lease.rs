//! One process at a time on the same work of a run.
//!
//! Below `.firn/runs/<id>/leases/`: `all`, held by a process that does every task, finishes, or abandons, and
//! `<part>-of-<n>`, held by one that does a part. Parts that share no task go side by side; nothing else does. The holder
//! renews its lease while it lives. One that was killed on this machine is seen to be gone at once; one elsewhere when its
//! lease ends: at most half a minute and [`firn_storage::lease::SKEW`] after its last sign of life.

use crate::clock;
use crate::error::EngineError;
use crate::settings::Engine;
use crate::verbs::requests::TaskRange;
use firn_storage::{Holder, Lease, Prefix, StorageError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

/// How long a lease lasts without a sign of life.
const LENGTH: Duration = Duration::from_secs(30);
/// How often it is renewed.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The right to work on a run, or on a part of it, until dropped. Not to be taken or dropped in async code.
pub struct RunLease {
    prefix: Prefix,
    lease: Arc<Mutex<Lease>>,
    lost: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    heartbeat: Option<JoinHandle<()>>,
    runtime: Handle,
    continues: bool,
}

impl RunLease {
    /// Takes it for a part of the run's tasks, or for all.
    ///
    /// # Errors
    /// [`EngineError::TargetBusy`] where another process works on the same tasks; what the storage says.
    pub fn take(engine: &Engine, prefix: &Prefix, run: &str, part: Option<TaskRange>) -> Result<Self, EngineError> {
        Self::take_at(engine, prefix, &format!(".firn/runs/{run}/leases"), part)
    }

    /// Takes it for work whose leases lie in this folder.
    ///
    /// # Errors
    /// As [`RunLease::take`].
    pub fn take_at(
        engine: &Engine,
        prefix: &Prefix,
        folder: &str,
        part: Option<TaskRange>,
    ) -> Result<Self, EngineError> {
        let runtime = engine.storage.runtime().clone();
        let own = name(part);
        let taken = runtime.block_on(async {
            let holder = Holder::this_process();
            Lease::take(prefix, &format!("{folder}/{own}"), &holder, LENGTH, now()).await
        });
        let lease = taken.map_err(|error| busy(prefix, error))?;
        let mut continues = lease.generation() > 1;
        let (stop, stopped) = watch::channel(false);
        let (lease, lost) = (Arc::new(Mutex::new(lease)), Arc::new(AtomicBool::new(false)));
        let heartbeat = Some(runtime.spawn(beat(Arc::clone(&lease), stopped, Arc::clone(&lost))));
        let mut held = Self { prefix: prefix.clone(), lease, lost, stop, heartbeat, runtime, continues };
        // After taking, so that of two who look at the same time at least one sees the other.
        for other in held.runtime.block_on(prefix.list_shallow(folder))?.prefixes {
            if other == own {
                continue;
            }
            continues = true;
            if overlaps(part, &other) {
                let key = format!("{folder}/{other}");
                held.runtime.block_on(Lease::check_free(prefix, &key, now())).map_err(|error| busy(prefix, error))?;
            }
        }
        held.continues = continues;
        Ok(held)
    }

    /// Whether another process has worked on the run before.
    pub fn continues(&self) -> bool {
        self.continues
    }

    /// To be called before anything is recorded.
    ///
    /// # Errors
    /// [`EngineError::TargetBusy`] where another process has taken over.
    pub fn check(&self) -> Result<(), EngineError> {
        if self.lost.load(Ordering::Acquire) { Err(taken_over(&self.prefix)) } else { Ok(()) }
    }

    /// To be called before anything is published: renews the lease, so that nobody takes over meanwhile.
    ///
    /// # Errors
    /// [`EngineError::TargetBusy`] where another process has taken over; what the storage says.
    pub fn confirm(&self) -> Result<(), EngineError> {
        match self.runtime.block_on(async { self.lease.lock().await.renew(now()).await }) {
            Ok(()) => Ok(()),
            Err(StorageError::LeaseLost { .. }) => Err(taken_over(&self.prefix)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for RunLease {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(heartbeat) = self.heartbeat.take() {
            // It gives the lease back; one that cannot be given back ends by itself.
            let _ = self.runtime.block_on(heartbeat);
        }
    }
}

/// Renews the lease until told to stop, then gives it back. An answer that does not come is not a loss: until another
/// takes over, the lease can be renewed late.
async fn beat(lease: Arc<Mutex<Lease>>, mut stopped: watch::Receiver<bool>, lost: Arc<AtomicBool>) {
    while tokio::time::timeout(HEARTBEAT, stopped.wait_for(|stop| *stop)).await.is_err() {
        if let Err(StorageError::LeaseLost { .. }) = lease.lock().await.renew(now()).await {
            return lost.store(true, Ordering::Release);
        }
    }
    let held = lease.lock().await.clone();
    let _ = held.release(now()).await;
}

fn now() -> Duration {
    Duration::from_micros(u64::try_from(clock::now_micros()).unwrap_or(0))
}

fn name(part: Option<TaskRange>) -> String {
    part.map_or_else(|| "all".to_owned(), |range| format!("{}-of-{}", range.part, range.of))
}

/// Whether the work of a process and that of another lease have a task in common.
fn overlaps(part: Option<TaskRange>, other: &str) -> bool {
    let number = |text: &str| text.parse::<u32>().ok();
    let range = other.split_once("-of-").and_then(|(part, of)| Some((number(part)?, number(of)?)));
    let (Some(mine), Some((part, of))) = (part, range) else { return true };
    let common = gcd(mine.of, of).max(1);
    mine.part % common == part % common
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn busy(prefix: &Prefix, error: StorageError) -> EngineError {
    match error {
        StorageError::LeaseHeld { holder, since, seconds, .. } => {
            let since = clock::rfc3339(i64::try_from(since.saturating_mul(1000)).unwrap_or(i64::MAX));
            EngineError::TargetBusy {
                at: prefix.url().at(),
                what: format!("{holder}, since {since}; if it is gone, its lease ends within {seconds} s"),
            }
        }
        other => other.into(),
    }
}

fn taken_over(prefix: &Prefix) -> EngineError {
    EngineError::TargetBusy {
        at: prefix.url().at(),
        what: "it took over when this process gave no sign of life".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_overlap_where_they_share_a_task() {
        let part = |part, of| Some(TaskRange { part, of });
        for (mine, other) in [
            (part(1, 4), "1-of-4"),
            (part(1, 4), "1-of-2"),
            (part(1, 3), "1-of-2"),
            (part(1, 4), "all"),
            (None, "1-of-4"),
        ] {
            assert!(overlaps(mine, other), "{mine:?} {other}");
        }
        for (mine, other) in [(part(1, 4), "2-of-4"), (part(1, 4), "2-of-2"), (part(3, 4), "2-of-6")] {
            assert!(!overlaps(mine, other), "{mine:?} {other}");
        }
    }
}
