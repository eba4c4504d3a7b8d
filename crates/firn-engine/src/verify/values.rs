//! Chunks decode, have the digest that the ledger says, and hold what the sources hold.
//!
//! Of a chunk that was drawn, what one source chunk holds is compared: a chunk that was gathered from thirty files would
//! otherwise cost thirty times as much to check as to read. Where everything is verified, every element is compared.

mod memory;

use super::{Checked, Finding, Severity, StoreView, VerifyOptions, chunks};
use crate::error::EngineError;
use crate::execute::part_of;
use crate::progress::TaskProgress;
use crate::reading::part_in_one_source_chunk;
use crate::settings::Engine;
use crate::target::ledger::LedgerEntry;
use crate::verbs::requests::VerifyDepth;
use firn_formats::TextEncoding;
use firn_model::array::chunk_grid::{from_linear, product};
use firn_model::array::{Array, ArraySubset, ChunkGrid, ChunkIndices, ChunkManifest, CodecMetadata};
use firn_model::combine::compare_values;
use firn_model::dataset::NodePath;
use firn_model::diagnose::{At, Category, Diagnose};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Findings that are listed; more of them are counted in the last one.
const SHOWN: usize = 50;

/// A chunk to look at: the smallest part of an array that decodes by itself.
pub(super) struct Sample<'a> {
    pub(super) path: &'a NodePath,
    pub(super) array: &'a Array,
    pub(super) subset: ArraySubset,
    /// Position of the object that holds it, to compare its digest.
    unit: ChunkIndices,
    /// Says which part of it is compared.
    draw: u64,
}

pub(super) fn check(
    engine: &Engine,
    store: &StoreView,
    options: VerifyOptions<'_>,
    progress: &TaskProgress,
    checked: &mut Checked,
    findings: &mut Vec<Finding>,
) -> Result<(), EngineError> {
    let samples = samples(store, options.depth);
    let full = options.depth == VerifyDepth::Full;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(memory::threads(engine, &samples, options))
        .build()
        .map_err(|error| EngineError::bug(format!("no threads: {error}")))?;
    let look = |sample: &Sample| {
        engine.cancel.check()?;
        let looked = look(store, options, sample, full);
        progress.advance(1);
        looked
    };
    let results: Vec<Result<Looked, EngineError>> = pool.install(|| samples.par_iter().map(look).collect());
    let mut found = Vec::new();
    let mut unsupported = BTreeSet::new();
    for (sample, result) in samples.iter().zip(results) {
        let looked = result?;
        checked.decoded += u64::from(looked.is_decoded);
        checked.compared += looked.compared;
        // What cannot be read in one chunk cannot be in any of its array.
        if !looked.is_unsupported || unsupported.insert(sample.path) {
            found.extend(looked.findings);
        }
    }
    let more = found.len().saturating_sub(SHOWN);
    found.truncate(SHOWN);
    findings.append(&mut found);
    if more > 0 {
        let at = At::url(&store.url);
        let found = format!("{more} more like these");
        findings.push(Finding { rule: "values", severity: Severity::Error, at, expected: "no".to_owned(), found });
    }
    Ok(())
}

/// All chunks, or some drawn evenly over each array: the first and the last, and between them every so many.
pub(super) fn samples(store: &StoreView, depth: VerifyDepth) -> Vec<Sample<'_>> {
    let arrays: Vec<(&NodePath, &Array, ChunkGrid, u64)> = store
        .dataset
        .arrays()
        .filter_map(|(path, array)| {
            let grid = inner_grid(array);
            let count = grid.num_chunks(&array.metadata.shape).filter(|n| *n > 0)?;
            Some((path, array, grid, count))
        })
        .collect();
    let total: u64 = arrays.iter().map(|(.., count)| *count).fold(0, u64::saturating_add);
    let mut samples = Vec::new();
    for (path, array, grid, count) in arrays {
        let wanted = match depth {
            VerifyDepth::Full => count,
            // Each array gets its share, and at least one.
            VerifyDepth::Sample(n) => {
                ((u128::from(n) * u128::from(count)).div_ceil(u128::from(total.max(1))) as u64).clamp(1, count)
            }
        };
        let chosen: BTreeSet<u64> = (0..wanted)
            .map(|i| {
                if wanted == 1 {
                    count / 2
                } else {
                    (u128::from(i) * u128::from(count - 1) / u128::from(wanted - 1)) as u64
                }
            })
            .collect();
        let grid_shape = grid.grid_shape(&array.metadata.shape);
        for linear in chosen {
            let indices = from_linear(linear, &grid_shape);
            let Some(subset) = grid.chunk_subset(&indices, &array.metadata.shape) else { continue };
            let outer = array.metadata.chunk_grid.chunk_shape().unwrap_or(&[]);
            let unit = ChunkIndices(subset.start.iter().zip(outer).map(|(s, c)| s / c).collect());
            // Spread over all of 64 bits, so that the remainders by any number of files are.
            let draw = (samples.len() as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16;
            samples.push(Sample { path, array, subset, unit, draw });
        }
    }
    samples
}

/// The grid of what decodes by itself: inner chunks where there are shards.
fn inner_grid(array: &Array) -> ChunkGrid {
    let inner = array.metadata.codecs.iter().find_map(|codec| match codec {
        CodecMetadata::ShardingIndexed { chunk_shape, .. } => Some(ChunkGrid::regular(chunk_shape)),
        _ => None,
    });
    inner.unwrap_or_else(|| array.metadata.chunk_grid.clone())
}

/// What was seen of a sample.
#[derive(Default)]
struct Looked {
    is_decoded: bool,
    /// Not decoded because firn cannot.
    is_unsupported: bool,
    /// Values.
    compared: u64,
    findings: Vec<Finding>,
}

fn look(store: &StoreView, options: VerifyOptions<'_>, sample: &Sample<'_>, full: bool) -> Result<Looked, EngineError> {
    let at = At::url(&store.url).node(sample.path.as_str()).index(sample.subset.start.clone());
    let mut findings = Vec::new();
    let mut error = |rule, at: At, expected: String, found: String| {
        findings.push(Finding { rule, severity: Severity::Error, at, expected, found });
    };
    if let Some((expected, found)) = digest_differs(store, sample, full) {
        error("digest", at.clone(), expected, found);
    }
    let read = firn_formats::read_subset(store.source.as_ref(), sample.array, &sample.subset, TextEncoding::Utf8, &at);
    let values = match read {
        Ok(values) => values,
        Err(failure) => {
            error("decodes", at, "a chunk that can be decoded".to_owned(), format!("[{}] {failure}", failure.code()));
            let is_unsupported = failure.category() == Category::Unsupported;
            return Ok(Looked { is_unsupported, findings, ..Looked::default() });
        }
    };
    let looked = |compared, findings| Looked { is_decoded: true, compared, findings, ..Looked::default() };
    let Some(prepared) = options.against.filter(|p| p.combined.arrays.contains_key(sample.path)) else {
        return Ok(looked(0, findings));
    };
    let part = if full {
        sample.subset.clone()
    } else {
        part_in_one_source_chunk(&prepared.combined, sample.path, &sample.subset, sample.draw)
    };
    let expected = prepared.read(sample.path, &part)?;
    let values = part_of(&values, &part.relative_to(&sample.subset.start))?;
    if let Some(difference) = compare_values(&expected, &values) {
        let index: Vec<u64> = difference.index.iter().zip(&part.start).map(|(i, s)| i + s).collect();
        error("values", at.index(index), difference.expected.clone(), difference.to_string());
    }
    Ok(looked(product(&part.shape).unwrap_or(0), findings))
}

/// The digest of an object against the ledger: of whole objects that are small, or of all where everything is verified.
fn digest_differs(store: &StoreView, sample: &Sample<'_>, full: bool) -> Option<(String, String)> {
    const SMALL: u64 = 16 << 20;
    let ChunkManifest::Keyed(keyed) = &sample.array.manifest else { return None };
    let key = keyed.key(&sample.unit);
    let LedgerEntry::Stored { length, blake3: Some(blake3) } = store.ledger.as_ref()?.entries.get(&key)? else {
        return None;
    };
    // Of a shard the first of its inner chunks speaks for all.
    let first = !chunks::is_sharded(sample.array) || is_first_inner(sample);
    if !first || (!full && *length > SMALL) {
        return None;
    }
    let read = store.source.object(&key).ok().flatten().and_then(|object| object.read(0..*length).ok());
    let found = read
        .map_or_else(|| "an object that cannot be read".to_owned(), |bytes| blake3::hash(&bytes).to_hex().to_string());
    (found != *blake3).then(|| (blake3.clone(), found))
}

fn is_first_inner(sample: &Sample<'_>) -> bool {
    let outer = sample.array.metadata.chunk_grid.chunk_shape().unwrap_or(&[]);
    sample.subset.start.iter().zip(outer).all(|(start, extent)| start % extent == 0)
}
