//! Plain Zarr v3 below a prefix: chunks first, array and group documents next, the consolidated root document last.

use super::ledger::{LEDGER_KEY, Ledger, LedgerEntry};
use super::structure::Structure;
use crate::error::EngineError;
use crate::execute::{ChunkSink, Output, OutputState, Written};
use bytes::Bytes;
use firn_model::array::{ChunkIndices, KeyedChunks};
use firn_model::dataset::NodePath;
use firn_model::plan::Plan;
use firn_storage::{Precondition, Prefix};
use std::collections::BTreeMap;
use tokio::runtime::Handle;

/// The document whose existence makes a store exist.
pub const ROOT_KEY: &str = "zarr.json";

/// Writes chunks of a store that is not published yet.
#[derive(Clone)]
pub struct Zarr3Target {
    prefix: Prefix,
    runtime: Handle,
}

/// How the chunks of an array are named: Zarr v3's default encoding, with `/`.
pub fn keyed_chunks(path: &NodePath) -> KeyedChunks {
    let array = path.as_key();
    KeyedChunks { prefix: format!("{array}/c/"), separator: '/', scalar_key: format!("{array}/c") }
}

impl Zarr3Target {
    /// A target at this prefix; its requests run on this runtime.
    pub fn new(prefix: Prefix, runtime: Handle) -> Self {
        Self { prefix, runtime }
    }

    /// Whether a store, of Zarr v3 or v2, is there already.
    ///
    /// # Errors
    /// What the storage says.
    pub async fn exists(prefix: &Prefix) -> Result<bool, EngineError> {
        for key in [ROOT_KEY, ".zgroup", ".zarray"] {
            if prefix.head(key).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Publishes: the ledger, the documents of arrays and child groups, and the root by conditional create.
    ///
    /// # Errors
    /// [`EngineError::TargetExists`] where another writer published first.
    pub async fn publish(
        &self,
        structure: &Structure,
        ledger: &Ledger,
        run: &str,
        consolidated: bool,
    ) -> Result<(), EngineError> {
        // A process of this run may have been stopped right after the last step. What is published is not written again.
        if self.published_by(run).await?.is_some_and(|ours| ours) {
            return Ok(());
        }
        self.prefix.put(LEDGER_KEY, Bytes::from(ledger.to_text()), Precondition::None).await?;
        for (path, document) in structure.documents() {
            let key = format!("{}/{ROOT_KEY}", path.as_key());
            self.prefix.put(&key, document.clone(), Precondition::None).await?;
        }
        match self.prefix.put(ROOT_KEY, structure.root(consolidated).clone(), Precondition::Create).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() => match self.published_by(run).await? {
                Some(true) => Ok(()),
                _ => Err(EngineError::TargetExists { at: self.prefix.url().at() }),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the root document is of this run; `None` where there is none.
    async fn published_by(&self, run: &str) -> Result<Option<bool>, EngineError> {
        let root = self.prefix.get(ROOT_KEY).await?;
        Ok(root.map(|found| run_of(&found.bytes).as_deref() == Some(run)))
    }
}

/// The run that wrote a root document.
fn run_of(root: &[u8]) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(root).ok()?;
    document.get("attributes")?.get("firn:run")?.as_str().map(str::to_owned)
}

impl ChunkSink for Zarr3Target {
    fn write(&self, array: &NodePath, indices: &ChunkIndices, encoded: Bytes) -> Result<Written, EngineError> {
        let key = keyed_chunks(array).key(indices);
        let written = Written {
            length: encoded.len() as u64,
            blake3: blake3::hash(&encoded).to_hex().to_string(),
            payload: None,
        };
        self.runtime.block_on(self.prefix.put_deferred(&key, encoded))?;
        Ok(written)
    }

    fn make_durable(&self, written: &[(&NodePath, &Output)]) -> Result<(), EngineError> {
        let is_written = |output: &Output| matches!(output.state, OutputState::Written(_));
        let written = written.iter().filter(|(_, output)| is_written(output));
        let keys = written.map(|(path, output)| keyed_chunks(path).key(&output.indices)).collect();
        Ok(self.runtime.block_on(self.prefix.make_durable(keys))?)
    }
}

/// The ledger of what all tasks wrote.
pub fn ledger(plan: &Plan, outputs: &BTreeMap<usize, Vec<Output>>) -> Ledger {
    let mut ledger = Ledger::default();
    for output in outputs.values().flatten() {
        let key = keyed_chunks(&plan.arrays[output.array as usize].path).key(&output.indices);
        let entry = match &output.state {
            OutputState::KnownEmpty => LedgerEntry::KnownEmpty,
            OutputState::Written(written) => {
                LedgerEntry::Stored { length: written.length, blake3: Some(written.blake3.clone()) }
            }
        };
        ledger.entries.insert(key, entry);
    }
    ledger
}
