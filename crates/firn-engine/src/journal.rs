//! What a run has done so far, kept beside what it writes: the same command continues, on this machine or another.
//!
//! Below the target:
//!
//! | key | is |
//! |---|---|
//! | `.firn/run.json` | whose run this is and whether it is finished; made by conditional create, so that one run claims the target |
//! | `.firn/runs/<id>/leases/` | who is at work on it: [`crate::lease`] |
//! | `.firn/runs/<id>/plan.json` | the tasks, as the first process cut them |
//! | `.firn/runs/<id>/tasks/<n>.json` | the outputs of one task, written after all of them are durable |

use crate::error::EngineError;
use crate::execute::Output;
use crate::managed::Version;
use bytes::Bytes;
use firn_model::plan::Plan;
use firn_model::source::ListedObject;
use firn_storage::{Precondition, Prefix};
use futures::{StreamExt, TryStreamExt};
use std::collections::BTreeMap;

/// Where the record of the run lies.
pub const RUN_KEY: &str = ".firn/run.json";

/// Requests that are under way at once.
const REQUESTS: usize = 32;

/// Whose run a target belongs to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RunRecord {
    /// `firn/run/1`.
    pub schema: String,
    /// BLAKE3 of plan, source versions and target.
    pub run: String,
    /// BLAKE3 of the source versions alone: tells changed sources from changed options.
    pub sources: String,
    /// Number of source files.
    pub source_files: u64,
    /// The version of firn that began it.
    pub firn_version: String,
    /// Whether its store is published: nothing is written for it any more.
    pub finished: bool,
}

impl RunRecord {
    /// A run that is not finished.
    pub fn new(run: &str, sources: &str, source_files: u64) -> Self {
        Self {
            schema: "firn/run/1".to_owned(),
            run: run.to_owned(),
            sources: sources.to_owned(),
            source_files,
            firn_version: env!("CARGO_PKG_VERSION").to_owned(),
            finished: false,
        }
    }

    /// The finished run that published a version.
    pub fn of(version: &Version) -> Self {
        Self { finished: true, ..Self::new(&version.run, "", version.source_files) }
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Segment {
    schema: String,
    task: usize,
    outputs: Vec<Output>,
}

/// Whose the target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This run's, from now on or since before.
    Ours,
    /// This run's, and it is finished.
    Finished,
    /// Another run's.
    Other(RunRecord),
}

/// The journal of one run.
#[derive(Clone)]
pub struct Journal {
    prefix: Prefix,
    record: RunRecord,
}

impl Journal {
    /// The journal of this run at this target.
    pub fn new(prefix: Prefix, record: RunRecord) -> Self {
        Self { prefix, record }
    }

    /// Whose journal it is.
    pub fn run(&self) -> &str {
        &self.record.run
    }

    /// Who holds the target; `None` where nobody does.
    ///
    /// # Errors
    /// What the storage says, or a record that is not one.
    pub async fn holder(prefix: &Prefix) -> Result<Option<RunRecord>, EngineError> {
        let Some(object) = prefix.get(RUN_KEY).await? else { return Ok(None) };
        serde_json::from_slice(&object.bytes).map(Some).map_err(|error| EngineError::JournalDamaged {
            at: prefix.url().at().node(RUN_KEY),
            what: format!("the record of the run cannot be read: {error}"),
        })
    }

    /// Claims the target for this run.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn claim(&self) -> Result<Claim, EngineError> {
        if let Some(record) = Self::holder(&self.prefix).await? {
            return Ok(self.whose(record));
        }
        let bytes = json(&self.record(false))?;
        match self.prefix.put(RUN_KEY, bytes, Precondition::Create).await {
            Ok(_) => Ok(Claim::Ours),
            Err(error) if error.is_conflict() => match Self::holder(&self.prefix).await? {
                Some(record) => Ok(self.whose(record)),
                None => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Claims a target that earlier runs have finished with: another version of a managed repository.
    ///
    /// # Errors
    /// What the storage says; a conflict where another process claims it at the same time.
    pub async fn claim_next(&self) -> Result<Claim, EngineError> {
        let Some(object) = self.prefix.get(RUN_KEY).await? else { return self.claim().await };
        let Some(record) = Self::holder(&self.prefix).await? else { return self.claim().await };
        match (self.whose(record), object.version.etag) {
            (Claim::Other(record), Some(etag)) if record.finished => {
                self.prefix.put(RUN_KEY, json(&self.record(false))?, Precondition::IfMatch(etag)).await?;
                Ok(Claim::Ours)
            }
            (claim, _) => Ok(claim),
        }
    }

    /// In what another run differs from this one.
    pub fn differs(&self, other: &RunRecord) -> &'static str {
        if other.sources == self.record.sources {
            "the same sources with other options"
        } else {
            "other sources, or of an earlier state of these,"
        }
    }

    fn whose(&self, record: RunRecord) -> Claim {
        if record.run != self.record.run {
            Claim::Other(record)
        } else if record.finished {
            Claim::Finished
        } else {
            Claim::Ours
        }
    }

    fn record(&self, finished: bool) -> RunRecord {
        RunRecord { finished, ..self.record.clone() }
    }

    fn key(&self, name: &str) -> String {
        format!(".firn/runs/{}/{name}", self.record.run)
    }

    /// The plan that the run's first process made: this one, if that is the first.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn plan(&self, plan: Plan) -> Result<Plan, EngineError> {
        let key = self.key("plan.json");
        if let Some(object) = self.prefix.get(&key).await? {
            let kept: Plan = self.read(&key, &object.bytes)?;
            // Side-by-side work and memory are this process's; the tasks are the run's.
            return Ok(Plan { concurrency: plan.concurrency, workers: plan.workers, ..kept });
        }
        match self.prefix.put(&key, json(&plan)?, Precondition::Create).await {
            Ok(_) => Ok(plan),
            Err(error) if error.is_conflict() => Box::pin(self.plan(plan)).await,
            Err(error) => Err(error.into()),
        }
    }

    fn read<T: serde::de::DeserializeOwned>(&self, key: &str, bytes: &[u8]) -> Result<T, EngineError> {
        serde_json::from_slice(bytes).map_err(|error| EngineError::JournalDamaged {
            at: self.prefix.url().at().node(key),
            what: format!("cannot be read: {error}"),
        })
    }

    /// The outputs of every task that is done.
    ///
    /// # Errors
    /// What the storage says, or a segment that is not one.
    pub async fn done(&self, tasks: usize) -> Result<BTreeMap<usize, Vec<Output>>, EngineError> {
        let listed = self.prefix.list(&self.key("tasks")).await?;
        futures::stream::iter(listed)
            .map(|object| async move {
                let Some(found) = self.prefix.get(&object.key).await? else {
                    return Err(EngineError::JournalDamaged {
                        at: self.prefix.url().at().node(object.key.clone()),
                        what: "was listed and is gone".to_owned(),
                    });
                };
                let segment: Segment = self.read(&object.key, &found.bytes)?;
                if segment.task >= tasks {
                    return Err(EngineError::JournalDamaged {
                        at: self.prefix.url().at().node(object.key.clone()),
                        what: format!("names task {} of {tasks}", segment.task),
                    });
                }
                Ok((segment.task, segment.outputs))
            })
            .buffer_unordered(REQUESTS)
            .try_collect()
            .await
    }

    /// Records a task whose outputs are durable.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn record_task(&self, task: usize, outputs: &[Output]) -> Result<(), EngineError> {
        let segment = Segment { schema: "firn/segment/1".to_owned(), task, outputs: outputs.to_vec() };
        let key = self.key(&format!("tasks/{task:08}.json"));
        self.prefix.put(&key, json(&segment)?, Precondition::None).await?;
        Ok(())
    }

    /// Marks the run finished: its store is published, and named where it has a name. Whoever reads the mark writes nothing
    /// for this run any more, so it is the last write; only then may [`Journal::remove`] take away what would be needed to go
    /// on.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn finish(&self) -> Result<(), EngineError> {
        self.prefix.put(RUN_KEY, json(&self.record(true))?, Precondition::None).await?;
        Ok(())
    }

    /// Gives the target up, as if no run had ever claimed it.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn disclaim(prefix: &Prefix) -> Result<(), EngineError> {
        Ok(prefix.delete(RUN_KEY).await?)
    }

    /// Removes what the run recorded, not whose the target is; says whether there was anything.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn remove(&self) -> Result<bool, EngineError> {
        let folder = format!(".firn/runs/{}", self.record.run);
        let found = remove_below(&self.prefix, &folder).await?;
        // Who was stopped while it took its lease left half of it.
        self.prefix.child(&folder)?.sweep(usize::MAX).await?;
        Ok(found)
    }
}

/// Removes every object below a key, side by side; says whether there was any.
///
/// # Errors
/// What the storage says.
pub async fn remove_below(prefix: &Prefix, key: &str) -> Result<bool, EngineError> {
    let listed = prefix.list(key).await?;
    let found = !listed.is_empty();
    remove(prefix, listed).await?;
    Ok(found)
}

/// Removes everything but the record that says whose run it is.
///
/// # Errors
/// What the storage says.
pub async fn remove_all_but_record(prefix: &Prefix) -> Result<(), EngineError> {
    let mut listed = prefix.list("").await?;
    listed.retain(|object| object.key != RUN_KEY);
    remove(prefix, listed).await
}

async fn remove(prefix: &Prefix, listed: Vec<ListedObject>) -> Result<(), EngineError> {
    futures::stream::iter(listed)
        .map(|object| async move { prefix.delete(&object.key).await.map_err(EngineError::from) })
        .buffer_unordered(REQUESTS)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(())
}

fn json(value: &impl serde::Serialize) -> Result<Bytes, EngineError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|error| EngineError::bug(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_storage::{ObjectUrl, Storage, StorageSettings};

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_of_the_journal_stays_not_even_half_of_a_lease() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::new(StorageSettings::default(), tokio::runtime::Handle::current()).unwrap();
        let prefix = storage.prefix(&ObjectUrl::local(folder.path())).unwrap();
        let leases = folder.path().join(".firn/runs/abc/leases/all");
        std::fs::create_dir_all(&leases).unwrap();
        std::fs::write(leases.join(".firn-tmp-0"), "half").unwrap();
        std::fs::write(folder.path().join(".firn/runs/abc/plan.json"), "{}").unwrap();
        let journal = Journal::new(prefix, RunRecord::new("abc", "", 1));
        assert!(journal.remove().await.unwrap());
        assert!(!leases.exists() && !folder.path().join(".firn/runs/abc/plan.json").exists());
    }
}
