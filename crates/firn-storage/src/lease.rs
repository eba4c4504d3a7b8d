//! A lease with a heartbeat: one writer at a time, over any storage.
//!
//! A lease is a folder of numbered objects, `<key>/<generation>.json`; the highest number is the lease, the others are
//! history. Taking it, also from a holder whose time is over, is creating the next number, which the storage lets one
//! writer do. So it needs conditional create and listings that show what was written, and nothing else: no `If-Match`,
//! which Ceph 16 gets wrong. Where conditional create is not honoured, [`Prefix::put`] stands in with claims.
//!
//! The number is a fencing token: results can be marked with it, so that a holder who was presumed dead is recognised.
//!
//! **Limits.** The clocks of two machines may differ: a lease is taken over only [`SKEW`] after its end, unless its holder
//! ran on this machine and is seen to be gone ([`Holder::is_gone`]). A holder that stands still past that (a suspended
//! laptop) finds out at its next heartbeat, not before: what must not be written twice is written with
//! [`crate::Precondition::Create`].

use crate::error::StorageError;
use crate::holder::Holder;
use crate::prefix::{Precondition, Prefix};
use bytes::Bytes;
use firn_model::diagnose::At;
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// How far two clocks may differ.
pub const SKEW: Duration = Duration::from_secs(30);

/// The lease as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Who.
    holder: Holder,
    /// When it was taken, in milliseconds since 1970-01-01 UTC.
    since: u64,
    /// Tells two takings apart.
    nonce: String,
    /// End, in milliseconds since 1970-01-01 UTC.
    ends: u64,
    /// Given back before its end.
    released: bool,
}

/// A lease that is held. Times are given by the caller, as the time since 1970-01-01 UTC.
#[derive(Clone)]
pub struct Lease {
    prefix: Prefix,
    key: String,
    generation: u64,
    length: Duration,
    record: Record,
}

impl Lease {
    /// Takes the lease `key` for `length`, where nobody that may still live holds it.
    ///
    /// # Errors
    /// [`StorageError::LeaseHeld`] with the holder and the time that is left.
    pub async fn take(
        prefix: &Prefix,
        key: &str,
        holder: &Holder,
        length: Duration,
        now: Duration,
    ) -> Result<Self, StorageError> {
        let highest = newest(prefix, key, now).await?;
        let generation = highest.unwrap_or(0) + 1;
        let nonce = format!("{:016x}", std::hash::RandomState::new().build_hasher().finish());
        let record =
            Record { holder: holder.clone(), since: millis(now), nonce, ends: millis(now + length), released: false };
        let lease = Self { prefix: prefix.clone(), key: key.to_owned(), generation, length, record };
        match lease.write(Precondition::Create).await {
            Ok(()) => {}
            Err(error) if error.is_conflict() => return Err(lease.held_by_another(now).await),
            Err(error) => return Err(error),
        }
        lease.settle(now).await
    }

    /// Whether the lease `key` could be taken now.
    ///
    /// # Errors
    /// [`StorageError::LeaseHeld`] with the holder and the time that is left.
    pub async fn check_free(prefix: &Prefix, key: &str, now: Duration) -> Result<(), StorageError> {
        newest(prefix, key, now).await.map(|_| ())
    }

    /// Looks again after taking: between the first look and the creation, others may have taken higher numbers and
    /// removed ours. Then removes history.
    async fn settle(self, now: Duration) -> Result<Self, StorageError> {
        let all = generations(&self.prefix, &self.key).await?;
        if all.last().is_some_and(|last| *last > self.generation) {
            self.prefix.delete(&object(&self.key, self.generation)).await?;
            return Err(self.held_by_another(now).await);
        }
        for old in all.iter().filter(|old| **old < self.generation) {
            self.prefix.delete(&object(&self.key, *old)).await?;
        }
        Ok(self)
    }

    /// The heartbeat: the lease lasts its full length from now. Call it at a third of the length.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] where another took it over: stop writing.
    pub async fn renew(&mut self, now: Duration) -> Result<(), StorageError> {
        self.check_mine().await?;
        self.record.ends = millis(now + self.length);
        self.write(Precondition::None).await?;
        // Taken over between the look and the write: then the write touched history only.
        self.check_mine().await
    }

    /// Gives it back. The last object stays, so that numbers only grow.
    ///
    /// # Errors
    /// [`StorageError::LeaseLost`] where another took it over meanwhile.
    pub async fn release(mut self, now: Duration) -> Result<(), StorageError> {
        self.check_mine().await?;
        self.record.ends = millis(now);
        self.record.released = true;
        self.write(Precondition::None).await
    }

    /// The number of this taking; each later one is higher.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    async fn check_mine(&self) -> Result<(), StorageError> {
        let lost = |what: String| StorageError::LeaseLost { at: self.at(), what };
        match generations(&self.prefix, &self.key).await?.last() {
            Some(last) if *last == self.generation => {}
            Some(_) => return Err(lost("another process took it over after its time was over".to_owned())),
            None => return Err(lost("it was removed".to_owned())),
        }
        match read(&self.prefix, &self.key, self.generation).await? {
            Some(record) if record.nonce == self.record.nonce => Ok(()),
            Some(record) => Err(lost(format!("it belongs to {}", record.holder.name()))),
            None => Err(lost("it was removed".to_owned())),
        }
    }

    async fn held_by_another(&self, now: Duration) -> StorageError {
        let last = match generations(&self.prefix, &self.key).await {
            Ok(all) => all.last().copied().unwrap_or(self.generation),
            Err(error) => return error,
        };
        match read(&self.prefix, &self.key, last).await {
            Ok(Some(record)) => held(&self.at(), &record, now),
            Ok(None) => StorageError::conflict(self.at(), "another process took it at the same moment"),
            Err(error) => error,
        }
    }

    fn at(&self) -> At {
        At::url(format!("{}/{}", self.prefix.url(), self.key))
    }

    async fn write(&self, when: Precondition) -> Result<(), StorageError> {
        let text =
            serde_json::to_vec(&self.record).map_err(|error| StorageError::Misuse { what: error.to_string() })?;
        self.prefix.put(&object(&self.key, self.generation), Bytes::from(text), when).await.map(|_| ())
    }
}

/// The newest number of a lease that is free; `None` where it was never taken.
async fn newest(prefix: &Prefix, key: &str, now: Duration) -> Result<Option<u64>, StorageError> {
    let at = prefix.url().child(key)?.at();
    let highest = generations(prefix, key).await?.last().copied();
    if let Some(highest) = highest
        && let Some(record) = read(prefix, key, highest).await?
        && !record.released
        && millis(now) <= record.ends.saturating_add(millis(SKEW))
        && !record.holder.is_gone()
    {
        return Err(held(&at, &record, now));
    }
    Ok(highest)
}

fn held(at: &At, record: &Record, now: Duration) -> StorageError {
    let free_from = record.ends.saturating_add(millis(SKEW));
    StorageError::LeaseHeld {
        at: at.clone(),
        holder: record.holder.name().to_owned(),
        since: record.since,
        seconds: free_from.saturating_sub(millis(now)).div_ceil(1000),
    }
}

fn object(key: &str, generation: u64) -> String {
    format!("{key}/{generation:08}.json")
}

/// The numbers that are there, in order.
async fn generations(prefix: &Prefix, key: &str) -> Result<Vec<u64>, StorageError> {
    let level = prefix.list_shallow(key).await?;
    let number = |name: &str| name.strip_suffix(".json").and_then(|number| number.parse().ok());
    let mut all: Vec<u64> = level.objects.iter().filter_map(|object| number(&object.key)).collect();
    all.sort_unstable();
    Ok(all)
}

/// A record, or `None` where it was removed since it was listed.
async fn read(prefix: &Prefix, key: &str, generation: u64) -> Result<Option<Record>, StorageError> {
    let Some(found) = prefix.get(&object(key, generation)).await? else { return Ok(None) };
    serde_json::from_slice(&found.bytes).map(Some).map_err(|error| StorageError::Conflict {
        at: At::url(format!("{}/{}", prefix.url(), object(key, generation))),
        what: format!("it is not a lease that this version of firn understands: {error}"),
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
