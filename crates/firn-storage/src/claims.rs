//! Preconditions on a storage that cannot decide them: firn's writers agree among themselves.
//!
//! A writer puts a claim of its own beside the object, then lists the claims. It goes on only where it sees no other.
//! Two writers cannot both go on: whoever listed without seeing the other's claim listed before that claim was there,
//! so the other, who lists after putting its own, sees it and steps back. Both may step back; then both wait a random
//! time and try again. This needs listings that show what was written (S3 and Ceph do).
//!
//! **Limits.** Programs other than firn are not held off. A claim whose writer died is ignored at once on the machine where
//! it ran, elsewhere after [`STALE`], by the server's clock; a writer that stands still for longer between its listing and its write can still overwrite another's.

use crate::error::StorageError;
use crate::holder::Holder;
use crate::prefix::Prefix;
use bytes::Bytes;
use firn_model::source::SourceVersion;
use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

/// Age at which a claim counts as left behind.
const STALE: i64 = 120;
/// A writer that held its claim for longer gives up rather than write.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a writer steps back before it gives up.
const TRIES: u32 = 12;

/// A claim on one key that nobody else holds.
pub(crate) struct Claim<'a> {
    prefix: &'a Prefix,
    key: String,
    since: Instant,
}

impl<'a> Claim<'a> {
    /// Claims `key`.
    pub(crate) async fn take(prefix: &'a Prefix, key: &str) -> Result<Claim<'a>, StorageError> {
        let (folder, name) = key.rsplit_once('/').map_or(("", key), |(folder, name)| (folder, name));
        // In the object's own folder, so that writers that came by different prefixes meet there.
        let folder = crate::url::join(folder, &format!(".firn-claims/{name}"));
        let holder = serde_json::to_vec(&Holder::this_process());
        let holder = Bytes::from(holder.map_err(|error| StorageError::Misuse { what: error.to_string() })?);
        for attempt in 1..=TRIES {
            let random = std::hash::RandomState::new().build_hasher().finish();
            let claim = Claim { prefix, key: format!("{folder}/{random:016x}"), since: Instant::now() };
            prefix.put_plain(&claim.key, holder.clone()).await?;
            match claim.is_alone(&folder).await {
                Ok(true) => return Ok(claim),
                Ok(false) => claim.release().await?,
                Err(error) => {
                    claim.release().await?;
                    return Err(error);
                }
            }
            tokio::time::sleep(Duration::from_millis((random % 200 + 20) * u64::from(attempt))).await;
        }
        Err(StorageError::conflict(prefix.url().child(key)?.at(), "other writers are at work on the same object"))
    }

    async fn is_alone(&self, folder: &str) -> Result<bool, StorageError> {
        let claims = self.prefix.list(folder).await?;
        let at = |version: &SourceVersion| version.last_modified.unwrap_or(i64::MAX);
        let own = claims.iter().find(|object| object.key == self.key).ok_or_else(|| StorageError::Incapable {
            at: self.prefix.url().at(),
            what: "the listing does not show what was just written, so writers cannot agree".to_owned(),
        })?;
        let own_time = at(&own.version);
        let rival = |object: &&firn_model::source::ListedObject| {
            object.key != self.key && at(&object.version).saturating_add(STALE) > own_time
        };
        for object in claims.iter().filter(rival) {
            // Gone since the listing: its writer may just have written.
            let Some(found) = self.prefix.get(&object.key).await? else { return Ok(false) };
            let holder: Result<Holder, _> = serde_json::from_slice(&found.bytes);
            if !holder.is_ok_and(|holder| holder.is_gone()) {
                return Ok(false);
            }
            self.prefix.delete(&object.key).await?;
        }
        Ok(true)
    }

    /// Is the claim still young enough to write under it?
    pub(crate) fn check(&self) -> Result<(), StorageError> {
        if self.since.elapsed() < PATIENCE {
            return Ok(());
        }
        Err(StorageError::conflict(self.prefix.url().at(), "the storage was so slow that the claim ran out"))
    }

    pub(crate) async fn release(self) -> Result<(), StorageError> {
        self.prefix.delete(&self.key).await
    }
}
