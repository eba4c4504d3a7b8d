//! Is a store what its readers need: does it open, are its chunks where its metadata say, are its coordinates there?

use super::report::{AbsentChunks, Problem};
use crate::error::EngineError;
use crate::inbox::checked::{stale, verified};
use crate::settings::Engine;
use crate::store::{Opened, open_any};
use crate::target::ledger::{Ledger, LedgerEntry};
use crate::verbs::catalog_entry::StoreDetails;
use crate::verbs::link::entry::protocol;
use crate::verify::{Finding, Severity, StoreView};
use firn_formats::zarr::is_consolidated;
use firn_model::adopt::FindKind;
use firn_model::array::chunk_grid::{indices_of, product};
use firn_model::array::{Array, ChunkManifest};
use firn_model::dataset::{Dataset, NodePath};
use firn_model::diagnose::{Category, shell_word};
use firn_model::feedstock::store_entry::{KerchunkDetails, KerchunkFormat};
use firn_model::source::ListedObject;
use firn_model::upload::{StoreFormat, StoreRoot};
use firn_storage::ObjectUrl;
use std::collections::{BTreeMap, BTreeSet};

/// Chunks of one store that are looked at for its ledger.
const MOST_CHUNKS: u64 = 1 << 24;
/// Documents of Zarr.
const DOCUMENTS: [&str; 5] = ["zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs"];

/// What was seen of a store.
pub(super) struct Judged {
    /// What its entry says of it.
    pub details: StoreDetails,
    /// The snapshot of a repository.
    pub snapshot: Option<String>,
    /// Its structure: for titles and licences.
    pub dataset: Dataset,
    /// Its variables.
    pub variables: u64,
    /// Arrays with chunks that are not there.
    pub absent: Vec<AbsentChunks>,
    /// Chunks that are not there, to be known as such; `None` where no ledger is to be written.
    pub empty: Option<Vec<String>>,
    /// What the store's own ledger says of its chunks, where firn wrote it.
    pub written: BTreeMap<String, LedgerEntry>,
    /// What is worth knowing.
    pub findings: Vec<Finding>,
}

/// Looks at a store.
///
/// # Errors
/// Why it must be left alone, or the user's stop.
pub(super) fn judge(
    engine: &Engine,
    url: &ObjectUrl,
    kind: FindKind,
    objects: &[ListedObject],
    again: bool,
) -> Result<Judged, EngineError> {
    let Opened { mut view, snapshot, containers, .. } = open_any(engine, url)?;
    if again {
        // What it says of the chunks is what is to be replaced.
        view.ledger = None;
    }
    let variables = (view.dataset.arrays().count() + view.dataset.refusals().count()) as u64;
    if variables == 0 {
        return Err(broken(
            Broken::Empty,
            url,
            "it opens with no variable at all",
            "remove it, or write it again with the tool that made it",
        ));
    }
    let keys: BTreeSet<&str> = objects.iter().map(|object| object.key.as_str()).collect();
    if let FindKind::Zarr2 | FindKind::Zarr3 = kind {
        root_is_a_group(&view.dataset, url)?;
        let format = if kind == FindKind::Zarr3 { StoreFormat::Zarr3 } else { StoreFormat::Zarr2 };
        let root = StoreRoot { key: String::new(), format, has_zmetadata: keys.contains(".zmetadata") };
        if let Some(what) = stale(engine, &view, &root, keys.iter().copied())? {
            let what = format!("its consolidated metadata are not those of its nodes: {what}");
            let store = engine.storage.physical(url)?;
            let next =
                format!("consolidate them again: python -c \"import zarr; zarr.consolidate_metadata('{store}')\"");
            return Err(broken(Broken::ConsolidatedStale, url, what, next));
        }
    }
    let mut findings = Vec::new();
    let (absent, empty) = chunks(&view, url, &keys, &mut findings)?;
    let report = verified(engine, &view)?;
    findings.extend(report.findings.iter().filter(|finding| finding.severity != Severity::Error).cloned());
    report.into_result()?;
    findings.retain(|finding| finding.severity != Severity::Info);
    let details = match kind {
        FindKind::Icechunk => {
            let spec = snapshot.as_ref().map_or(1, |(_, spec)| if spec.to_string() == "2" { 2 } else { 1 });
            StoreDetails::Icechunk { spec, containers }
        }
        FindKind::KerchunkJson => StoreDetails::Kerchunk(KerchunkDetails {
            format: Some(KerchunkFormat::Json),
            remote_protocol: protocol(&view.dataset),
            ..KerchunkDetails::default()
        }),
        _ => {
            let consolidated = is_consolidated(view.source.as_ref(), view.dataset.format)?;
            if !consolidated {
                findings.push(not_consolidated(url));
            }
            StoreDetails::Zarr { format: if kind == FindKind::Zarr3 { 3 } else { 2 }, consolidated }
        }
    };
    let written = view.ledger.as_ref().map(|ledger| ledger.entries.clone()).unwrap_or_default();
    let empty = empty.filter(|_| view.ledger.is_none());
    let snapshot = snapshot.map(|(id, _)| id);
    Ok(Judged { details, snapshot, dataset: view.dataset, variables, absent, empty, written, findings })
}

/// Why a store or file is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// A store opens with no variable.
    Empty,
    /// Consolidated metadata are not those of the nodes.
    ConsolidatedStale,
    /// The root of a store is an array.
    NoGroup,
    /// Chunks of a coordinate are not there.
    CoordinateAbsent,
    /// Chunks are not where the metadata say.
    ChunkKeys,
    /// The root document of a store is not there.
    NoRoot,
    /// An object does not have the bytes that firn wrote.
    NotAsWritten,
    /// References lead to what is not there.
    ReferencesLost,
    /// An object is a symbolic link.
    Link,
}

impl Broken {
    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "adopt-empty",
            Self::ConsolidatedStale => "adopt-consolidated-stale",
            Self::NoGroup => "adopt-no-group",
            Self::CoordinateAbsent => "adopt-coordinate-absent",
            Self::ChunkKeys => "adopt-chunk-keys",
            Self::NoRoot => "adopt-no-root",
            Self::NotAsWritten => "adopt-not-as-written",
            Self::ReferencesLost => "adopt-references-lost",
            Self::Link => "adopt-link",
        }
    }
}

/// An error of a store that is left alone.
pub(super) fn broken(why: Broken, url: &ObjectUrl, what: impl Into<String>, next: impl Into<String>) -> EngineError {
    EngineError::Document {
        code: why.code(),
        at: url.at(),
        what: what.into(),
        category: Category::Corrupt,
        next: next.into(),
    }
}

/// An array at the root opens in no client that expects a dataset.
fn root_is_a_group(dataset: &Dataset, url: &ObjectUrl) -> Result<(), EngineError> {
    if dataset.group(&NodePath::root()).is_some() {
        return Ok(());
    }
    let what = "its root is an array and no group: it is a part of a store, or was written without xarray";
    Err(broken(Broken::NoGroup, url, what, "write it into a group with the tool that made it"))
}

fn not_consolidated(url: &ObjectUrl) -> Finding {
    Finding {
        rule: "not-consolidated",
        severity: Severity::Warning,
        at: url.at(),
        expected: "its metadata in one document".to_owned(),
        found: "none: over plain HTTP readers see an empty dataset".to_owned(),
    }
}

/// Chunks that are not there, and objects that are no chunks.
fn chunks(
    view: &StoreView,
    url: &ObjectUrl,
    keys: &BTreeSet<&str>,
    findings: &mut Vec<Finding>,
) -> Result<(Vec<AbsentChunks>, Option<Vec<String>>), EngineError> {
    let (mut absent, mut empty, mut known, mut looked) = (Vec::new(), Vec::new(), BTreeSet::new(), 0u64);
    for (path, array) in view.dataset.arrays() {
        let ChunkManifest::Keyed(keyed) = &array.manifest else { continue };
        let grid = array.metadata.chunk_grid.grid_shape(&array.metadata.shape);
        let all = product(&grid).unwrap_or(u64::MAX);
        looked = looked.saturating_add(all);
        if looked > MOST_CHUNKS {
            let found = format!("more than {MOST_CHUNKS} chunks: which of them are not there was not looked at");
            findings.push(Finding {
                rule: "chunks",
                severity: Severity::Warning,
                at: url.at(),
                expected: "fewer".to_owned(),
                found,
            });
            return Ok((Vec::new(), None));
        }
        let before = empty.len();
        for indices in indices_of(&grid) {
            let key = keyed.key(&indices);
            if keys.contains(key.as_str()) {
                known.insert(key);
            } else {
                empty.push(key);
            }
        }
        let Some(first) = empty.get(before).cloned() else { continue };
        let of_array =
            AbsentChunks { path: path.as_str().to_owned(), absent: (empty.len() - before) as u64, chunks: all, first };
        // What the store's own ledger knows to be empty is as it was written.
        if view.ledger.is_none() {
            of_coordinate(path, array, &of_array, url)?;
            absent.push(of_array);
        }
    }
    strays(view, url, keys, &known, &absent, findings)?;
    Ok((absent, Some(empty)))
}

/// A coordinate that increases or decreases cannot have a chunk of equal values.
fn of_coordinate(path: &NodePath, array: &Array, absent: &AbsentChunks, url: &ObjectUrl) -> Result<(), EngineError> {
    let [dimension] = array.metadata.dimension_names.as_slice() else { return Ok(()) };
    let length = array.metadata.chunk_grid.chunk_shape().and_then(|shape| shape.first().copied()).unwrap_or(1);
    if dimension != path.name() || length.min(array.metadata.shape.first().copied().unwrap_or(0)) < 2 {
        return Ok(());
    }
    let what = format!(
        "{} of the {} chunks of the coordinate {} are not there ({}): its values would be fill values",
        absent.absent,
        absent.chunks,
        path.name(),
        absent.first
    );
    Err(broken(Broken::CoordinateAbsent, url, what, "copy the missing objects again from where the store was made"))
}

/// Objects that are neither documents nor chunks: where an array has nothing else, its chunks are stored under other keys than
/// its metadata say.
fn strays(
    view: &StoreView,
    url: &ObjectUrl,
    keys: &BTreeSet<&str>,
    known: &BTreeSet<String>,
    absent: &[AbsentChunks],
    findings: &mut Vec<Finding>,
) -> Result<(), EngineError> {
    let is_keyed = view.dataset.arrays().any(|(_, array)| matches!(array.manifest, ChunkManifest::Keyed(_)));
    if !is_keyed {
        return Ok(());
    }
    let refused: Vec<String> =
        view.dataset.refusals().map(|(path, _)| format!("{}/", path.as_str().trim_start_matches('/'))).collect();
    let is_stray = |key: &&&str| {
        let name = key.rsplit('/').next().unwrap_or_default();
        !known.contains(**key) && !DOCUMENTS.contains(&name) && !refused.iter().any(|path| key.starts_with(path))
    };
    let strays: Vec<&str> = keys.iter().filter(is_stray).copied().collect();
    for array in absent.iter().filter(|array| array.absent == array.chunks) {
        let folder = format!("{}/", array.path.trim_start_matches('/'));
        if let Some(stray) = strays.iter().find(|key| key.starts_with(&folder)) {
            let what = format!(
                "none of the {} chunks of {} is where its metadata say ({}), and {stray} lies there: it reads as fill values alone",
                array.chunks, array.path, array.first
            );
            let next = "mend the chunk key encoding (v2: dimension_separator) in the document of the array";
            return Err(broken(Broken::ChunkKeys, url, what, next));
        }
    }
    if let Some(first) = strays.first() {
        findings.push(Finding {
            rule: "strays",
            severity: Severity::Warning,
            at: url.at(),
            expected: "documents and chunks of its arrays".to_owned(),
            found: format!("{} objects that no reader looks at, the first {first}", strays.len()),
        });
    }
    Ok(())
}

/// The ledger of a store: what is there and what is known not to be.
pub(super) fn ledger(objects: &[(String, u64, Option<String>)], empty: &[String]) -> Ledger {
    let is_chunk = |key: &str| !DOCUMENTS.contains(&key.rsplit('/').next().unwrap_or_default());
    let stored = objects
        .iter()
        .filter(|(key, ..)| is_chunk(key))
        .map(|(key, length, blake3)| (key.clone(), LedgerEntry::Stored { length: *length, blake3: blake3.clone() }));
    Ledger { entries: stored.chain(empty.iter().map(|key| (key.clone(), LedgerEntry::KnownEmpty))).collect() }
}

/// What is said of a store that is left alone.
pub(super) fn problem(error: &EngineError, url: &ObjectUrl) -> Problem {
    let problem = Problem::of(error);
    // Advice about a command that was never given helps nobody.
    let next =
        if problem.next.is_empty() { format!("firn inspect {}", shell_word(&url.to_string())) } else { problem.next };
    Problem { next, ..problem }
}
