//! How many chunks are compared at once, so that they fit into memory.

use super::{Sample, VerifyOptions};
use crate::pipeline::Prepared;
use crate::settings::Engine;
use firn_model::array::chunk_grid::product;
use firn_model::combine::CombinedContent;
use firn_model::dataset::NodePath;
use std::collections::BTreeMap;

/// The program and what it knows of store and sources.
const BASE: u64 = 64 << 20;
/// A chunk as stored, as decoded, as its sources have it, and as each of these is gathered.
const COPIES: u64 = 5;
/// A source chunk as stored, half decoded and decoded.
const SOURCE_COPIES: u64 = 3;

/// Threads that compare side by side: as many as there are jobs, fewer where chunks are large; always one.
pub(super) fn threads(engine: &Engine, samples: &[Sample<'_>], options: VerifyOptions<'_>) -> usize {
    let mut of_array: BTreeMap<&NodePath, u64> = BTreeMap::new();
    for sample in samples {
        of_array.entry(sample.path).or_insert_with(|| {
            let element = sample.array.metadata.data_type.size().unwrap_or(128) as u64;
            let chunk = product(&sample.subset.shape).unwrap_or(u64::MAX).saturating_mul(element);
            let source = options.against.map_or(0, |prepared| source_chunk(prepared, sample.path));
            chunk.saturating_mul(COPIES).saturating_add(source.saturating_mul(SOURCE_COPIES))
        });
    }
    let largest = of_array.into_values().max().unwrap_or(0).max(1);
    (engine.settings.memory.saturating_sub(BASE) / largest).clamp(1, engine.settings.jobs.max(1) as u64) as usize
}

/// Bytes of the largest decoded chunk that feeds an array.
fn source_chunk(prepared: &Prepared, path: &NodePath) -> u64 {
    let Some(array) = prepared.combined.arrays.get(path) else { return 0 };
    let CombinedContent::Pieces(pieces) = &array.content else { return 0 };
    let element = array.metadata.data_type.size().unwrap_or(128) as u64;
    let of_file = |file: u32| {
        let source = prepared.combined.files[file as usize].dataset.array(&array.source_path)?;
        product(source.metadata.chunk_grid.chunk_shape()?)?.checked_mul(element)
    };
    pieces.iter().filter_map(|piece| of_file(piece.file)).max().unwrap_or(0)
}
