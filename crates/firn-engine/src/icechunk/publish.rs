//! Moving `main`, and giving a run up.

use super::IcechunkError;
use super::payload::ChunkPayload;
use super::repository::{lookup, properties, text};
use super::target::{IcechunkTarget, RUN, RunState};
use icechunk::format::SnapshotId;

/// Objects deleted in one request.
const DELETE_BATCH: usize = 1000;

/// What publishing did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// `main` moved.
    Now {
        /// The run's snapshot.
        snapshot: String,
        /// The snapshot before it.
        previous: String,
    },
    /// An earlier process had moved `main` already.
    Before {
        /// The run's snapshot.
        snapshot: String,
    },
}

impl IcechunkTarget {
    /// Moves `main` from the snapshot the run was built on to the run's snapshot, by compare-and-swap, and removes the
    /// run's branch. May be called again after any failure.
    ///
    /// # Errors
    /// [`IcechunkError::MainMoved`] where another writer published in the meantime; [`IcechunkError::NotCommitted`].
    pub async fn publish(&mut self) -> Result<Published, IcechunkError> {
        let snapshot = match &self.state {
            RunState::Fresh => {
                return Err(IcechunkError::NotCommitted { at: self.at.clone(), run: self.options.run.clone() });
            }
            RunState::Published { snapshot } => return Ok(Published::Before { snapshot: snapshot.clone() }),
            RunState::Committed { snapshot } => snapshot.clone(),
        };
        let found = self.main().await?;
        let published = if found == self.tip {
            Published::Before { snapshot: snapshot.clone() }
        } else if found == self.base {
            self.swap_main().await?;
            Published::Now { snapshot: snapshot.clone(), previous: self.base.to_string() }
        } else {
            return Err(self.main_moved(&found));
        };
        self.state = RunState::Published { snapshot };
        self.delete_run_branch().await?;
        Ok(published)
    }

    /// Gives the run up: removes its branch and the chunk objects that the journal names. What `main` names, and every
    /// other run, stays. Says how many objects were removed. Manifests and snapshots that nothing names any more are
    /// left to Icechunk's garbage collection.
    ///
    /// # Errors
    /// [`IcechunkError::AlreadyPublished`]; what the storage says.
    pub async fn abandon(self, written: impl IntoIterator<Item = ChunkPayload>) -> Result<u64, IcechunkError> {
        let main = self.main().await?;
        let of_main = properties(&self.at, &self.repository, &main).await?;
        if main == self.tip && main != self.base || text(&of_main, RUN) == Some(&self.options.run) {
            return Err(IcechunkError::AlreadyPublished { at: self.at.clone(), run: self.options.run.clone() });
        }
        // The branch first: from here on nothing names the chunks.
        self.delete_run_branch().await?;
        let mut deleted = 0;
        let mut batch = Vec::new();
        for payload in written {
            if let ChunkPayload::Native { id, length } = payload {
                batch.push((id, length));
            }
            if batch.len() == DELETE_BATCH {
                deleted += self.delete_chunks(std::mem::take(&mut batch)).await?;
            }
        }
        Ok(deleted + self.delete_chunks(batch).await?)
    }

    async fn main(&self) -> Result<SnapshotId, IcechunkError> {
        self.repository.lookup_branch("main").await.map_err(|error| IcechunkError::from_repository(&self.at, error))
    }

    async fn swap_main(&self) -> Result<(), IcechunkError> {
        let Err(error) = self.repository.reset_branch("main", &self.tip, Some(&self.base)).await else {
            return Ok(());
        };
        // The answer may have been lost after the swap took place; and a conflict may be with ourselves.
        let found = self.main().await?;
        if found == self.tip {
            Ok(())
        } else if found == self.base {
            Err(IcechunkError::from_repository(&self.at, error))
        } else {
            Err(self.main_moved(&found))
        }
    }

    fn main_moved(&self, found: &SnapshotId) -> IcechunkError {
        IcechunkError::MainMoved {
            at: self.at.clone(),
            expected: self.base.to_string().into(),
            found: found.to_string().into(),
        }
    }

    async fn delete_run_branch(&self) -> Result<(), IcechunkError> {
        let deleted = self.repository.delete_branch(&self.branch).await;
        if let Err(error) = deleted.map_err(|error| IcechunkError::from_repository(&self.at, error))
            && !matches!(error, IcechunkError::NoSuchVersion { .. })
        {
            return Err(error);
        }
        // icechunk does not say whether the deletion of a branch in spec 1 failed.
        match lookup(&self.at, &self.repository, &self.branch).await? {
            None => Ok(()),
            Some(_) => Err(IcechunkError::Failed {
                at: self.at.clone(),
                what: format!("branch {} could not be deleted", self.branch),
            }),
        }
    }

    async fn delete_chunks(&self, batch: Vec<(String, u64)>) -> Result<u64, IcechunkError> {
        if batch.is_empty() {
            return Ok(0);
        }
        let context = self.repository.storage_context();
        let result = self
            .storage
            .storage
            .delete_batch(&context, "chunks", batch)
            .await
            .map_err(|error| IcechunkError::from_storage(&self.at, &error.kind))?;
        Ok(result.deleted_objects)
    }
}
