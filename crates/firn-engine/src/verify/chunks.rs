//! Every chunk is accounted for: there with the length that the ledger says, or known to be empty.

use super::{Checked, Finding, Severity, StoreView};
use crate::error::EngineError;
use crate::progress::Unit;
use crate::settings::Engine;
use crate::target::ledger::LedgerEntry;
use firn_model::array::chunk_grid::indices_of;
use firn_model::array::{Array, ChunkEntry, ChunkManifest, ChunkTable, CodecMetadata, KeyedChunks};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use firn_model::source::SourceError;
use rayon::prelude::*;
use std::collections::HashMap;

/// Findings of one rule that are listed one by one; more of them are counted.
const SHOWN: u64 = 20;

/// Objects that are asked for at once, where nothing lists them.
const AT_ONCE: usize = 24;

pub(super) fn check(
    engine: &Engine,
    store: &StoreView,
    checked: &mut Checked,
    findings: &mut Vec<Finding>,
) -> Result<(), EngineError> {
    let mut sizes: Option<HashMap<String, u64>> = None;
    for (path, array) in store.dataset.arrays() {
        match &array.manifest {
            ChunkManifest::Table(table) => check_table(store, path, table, checked, findings),
            ChunkManifest::Keyed(keyed) => {
                if sizes.is_none() {
                    sizes = Some(sizes_of(engine, store)?);
                }
                let sizes = sizes.get_or_insert_with(HashMap::new);
                check_keyed(store, path, array, keyed, sizes, checked, findings);
            }
            _ => {}
        }
    }
    Ok(())
}

/// What is there of the store: by a listing, else by asking for every chunk, as of a web server.
fn sizes_of(engine: &Engine, store: &StoreView) -> Result<HashMap<String, u64>, EngineError> {
    match store.source.list("") {
        Ok(listed) => Ok(listed.into_iter().map(|object| (object.key, object.version.size)).collect()),
        Err(SourceError::NotListable { .. }) => asked_sizes(engine, store),
        Err(error) => Err(error.into()),
    }
}

fn asked_sizes(engine: &Engine, store: &StoreView) -> Result<HashMap<String, u64>, EngineError> {
    let mut keys = Vec::new();
    for (_, array) in store.dataset.arrays() {
        if let ChunkManifest::Keyed(keyed) = &array.manifest {
            keys.extend(indices_of(&unit_grid(array)).map(|indices| keyed.key(&indices)));
        }
    }
    let progress = engine.progress.task("ask for chunks", Some(keys.len() as u64), Unit::Chunks);
    let ask = |key: String| -> Result<Option<(String, u64)>, EngineError> {
        engine.cancel.check()?;
        let size = store.source.object(&key).and_then(|found| found.map(|object| object.size()).transpose());
        progress.advance(1);
        match size {
            Ok(size) => Ok(size.map(|size| (key, size))),
            Err(SourceError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(AT_ONCE).build();
    let pool = pool.map_err(|error| EngineError::bug(format!("no threads: {error}")))?;
    pool.install(|| keys.into_par_iter().filter_map(|key| ask(key).transpose()).collect())
}

/// The shape of what is stored as one object.
fn unit_grid(array: &Array) -> Vec<u64> {
    array.metadata.chunk_grid.grid_shape(&array.metadata.shape)
}

fn check_keyed(
    store: &StoreView,
    path: &NodePath,
    array: &Array,
    keyed: &KeyedChunks,
    sizes: &HashMap<String, u64>,
    checked: &mut Checked,
    findings: &mut Vec<Finding>,
) {
    let mut wrong = 0u64;
    let mut report = |at: At, expected: String, found: String| {
        wrong += 1;
        if wrong <= SHOWN {
            findings.push(Finding { rule: "chunks", severity: Severity::Error, at, expected, found });
        }
    };
    for indices in indices_of(&unit_grid(array)) {
        let key = keyed.key(&indices);
        let at = At::url(&store.url).node(key.clone()).index(indices.0);
        checked.chunks += 1;
        let size = sizes.get(&key).copied();
        checked.bytes += size.unwrap_or(0);
        let Some(ledger) = &store.ledger else {
            checked.absent += u64::from(size.is_none());
            continue;
        };
        match (ledger.entries.get(&key), size) {
            (None, _) => report(at, "an entry in the ledger".to_owned(), "none".to_owned()),
            (Some(LedgerEntry::KnownEmpty), None) => checked.known_empty += 1,
            (Some(LedgerEntry::KnownEmpty), Some(_)) => {
                report(at, "no object: the chunk is known to be empty".to_owned(), "an object".to_owned());
            }
            (Some(LedgerEntry::Stored { length, .. }), None) => {
                report(at, format!("an object of {length} bytes"), "no object".to_owned());
            }
            (Some(LedgerEntry::Stored { length, .. }), Some(size)) if *length != size => {
                report(at, format!("{length} bytes"), format!("{size} bytes"));
            }
            (Some(LedgerEntry::Stored { .. }), Some(_)) => {}
        }
    }
    if wrong > SHOWN {
        let at = At::url(&store.url).node(path.as_str());
        let found = format!("{} more like these", wrong - SHOWN);
        findings.push(Finding { rule: "chunks", severity: Severity::Error, at, expected: "no".to_owned(), found });
    }
}

fn check_table(
    store: &StoreView,
    path: &NodePath,
    table: &ChunkTable,
    checked: &mut Checked,
    findings: &mut Vec<Finding>,
) {
    let mut wrong = 0u64;
    for linear in 0..table.len() as u64 {
        checked.chunks += 1;
        let found = match table.entry(linear) {
            ChunkEntry::Stored { object, offset, length, .. } => {
                checked.bytes += length;
                let end = offset.checked_add(length);
                let known = object.version.size > 0;
                let inside = end.is_some_and(|end| !known || end <= object.version.size);
                if inside && length > 0 {
                    continue;
                }
                format!(
                    "bytes {offset}..{} of {}, which has {} bytes",
                    end.unwrap_or(u64::MAX),
                    object.url,
                    object.version.size
                )
            }
            ChunkEntry::Inline(bytes) => {
                checked.bytes += bytes.len() as u64;
                continue;
            }
            ChunkEntry::KnownEmpty => {
                checked.known_empty += 1;
                continue;
            }
            ChunkEntry::Unknown => "nothing is known of it".to_owned(),
        };
        wrong += 1;
        if wrong <= SHOWN {
            let at = At::url(&store.url).node(path.as_str()).index(vec![linear]);
            let expected = "bytes within their object".to_owned();
            findings.push(Finding { rule: "chunks", severity: Severity::Error, at, expected, found });
        }
    }
}

/// Whether the array is stored in shards.
pub(super) fn is_sharded(array: &Array) -> bool {
    array.metadata.codecs.iter().any(|codec| matches!(codec, CodecMetadata::ShardingIndexed { .. }))
}
