//! What becomes of each variable, and how it would be laid out.

use super::cost::Layouts;
use super::report::{ArrayPlan, VariablePlan};
use crate::error::EngineError;
use crate::pipeline::Prepared;
use crate::verbs::inspect::{Verdict, undecodable as undecodable_codec};
use firn_model::array::chunk_grid::product;
use firn_model::array::{Array, ChunkManifest};
use firn_model::combine::{CombinedArray, CombinedContent, VirtualArray, VirtualVerdict, virtual_verdict};
use firn_model::dataset::NodePath;
use firn_model::diagnose::{At, Category, Diagnose};
use firn_model::plan::ArrayLayout;
use std::collections::BTreeMap;

/// What to do with a variable that this version cannot read.
const LEAVE_OUT: &str = "leave it out with `select: {variables: [...]}` in a recipe";

/// Variables that could not be opened, each once.
pub(super) fn refused(error: &EngineError) -> Vec<VariablePlan> {
    let mut refused: Vec<VariablePlan> = Vec::new();
    for error in error.single() {
        let (EngineError::Format(_), Category::Unsupported, Some(path)) = (error, error.category(), error.at().node)
        else {
            continue;
        };
        if refused.iter().any(|known| known.path == path) {
            continue;
        }
        let verdict =
            Verdict::Refused { code: error.code().to_owned(), reason: error.to_string(), fix: LEAVE_OUT.to_owned() };
        refused.push(VariablePlan { path, storage: "refused".to_owned(), verdict, because: None, array: None });
    }
    refused
}

/// All variables: native ones in these layouts, references, and why others are copied in a store of references.
pub(super) fn plan(
    prepared: &Prepared,
    native: &Layouts,
    references: &BTreeMap<NodePath, VirtualArray>,
    copied: &BTreeMap<NodePath, String>,
) -> Vec<VariablePlan> {
    let variable = |(path, array): (&NodePath, &CombinedArray)| {
        let layout = native.iter().find(|(other, _)| other == path).map(|(_, layout)| layout);
        let references = references.get(path);
        let verdict = verdict(prepared, array);
        let storage = match (&verdict, references) {
            (Verdict::Refused { .. }, _) => "refused",
            (_, Some(_)) => "virtual",
            (_, None) => "copied",
        };
        let chunk_shape = match (references, layout) {
            (Some(found), _) => found.chunk_shape.clone(),
            (None, Some(layout)) => layout.chunk_shape.clone(),
            (None, None) => Vec::new(),
        };
        VariablePlan {
            path: path.to_string(),
            storage: storage.to_owned(),
            verdict,
            because: copied.get(path).cloned(),
            array: Some(ArrayPlan {
                data_type: array.metadata.data_type.to_string(),
                dimensions: array.metadata.dimension_names.clone(),
                shape: array.metadata.shape.clone(),
                source_chunk_shape: array.metadata.chunk_grid.chunk_shape().map(<[u64]>::to_vec),
                chunk_shape,
                shard_shape: layout.and_then(|layout| layout.shard_shape.clone()),
                objects: layout.map_or(0, |layout| units(&array.metadata.shape, layout)),
                references: references.map_or(0, |found| found.table.num_stored()),
                decoded_bytes: array.metadata.decoded_bytes(),
                read_bytes: layout.map_or(0, |_| stored_bytes(prepared, array)),
                write_bytes: layout.map_or(0, |layout| written_bytes(prepared, array, layout)),
                read_amplification: None,
            }),
        }
    };
    prepared.combined.arrays.iter().map(variable).collect()
}

/// Verdicts where no layout can be told.
pub(super) fn verdicts_only(prepared: &Prepared) -> Vec<VariablePlan> {
    let variable = |(path, array): (&NodePath, &CombinedArray)| VariablePlan {
        path: path.to_string(),
        storage: "copied".to_owned(),
        verdict: verdict(prepared, array),
        because: None,
        array: None,
    };
    prepared.combined.arrays.iter().map(variable).collect()
}

/// The first variable whose chunks cannot be decoded, as the error that it would be.
pub(super) fn undecodable(variables: &[VariablePlan]) -> Option<EngineError> {
    variables.iter().find_map(|variable| match (&variable.verdict, &variable.array) {
        (Verdict::Refused { reason, fix, .. }, Some(_)) => Some(EngineError::Unsupported {
            code: "unsupported-codec",
            at: At::nowhere().node(variable.path.as_str()),
            what: reason.clone(),
            next: fix.clone(),
        }),
        _ => None,
    })
}

fn verdict(prepared: &Prepared, array: &CombinedArray) -> Verdict {
    let codec = sources(prepared, array).find_map(|(source, _)| undecodable_codec(&source.metadata));
    if let Some(codec) = codec {
        return Verdict::Refused {
            code: "unsupported-codec".to_owned(),
            reason: format!("firn does not decode the codec {codec:?}"),
            fix: LEAVE_OUT.to_owned(),
        };
    }
    match virtual_verdict(&prepared.combined, array) {
        VirtualVerdict::References(_) => Verdict::Virtual,
        VirtualVerdict::Copied(reason) => Verdict::Copied { reason },
        VirtualVerdict::Refused(barrier) => {
            let file = barrier.file.map(|file| format!(" ({file})")).unwrap_or_default();
            Verdict::Transformable {
                code: barrier.code.to_owned(),
                reason: format!("{}{file}", barrier.what),
                fix: barrier.fix.to_owned(),
            }
        }
    }
}

/// The arrays of files that feed a combined one, and which part of each does.
fn sources<'p>(prepared: &'p Prepared, array: &'p CombinedArray) -> impl Iterator<Item = (&'p Array, f64)> {
    let pieces = match &array.content {
        CombinedContent::Pieces(pieces) => pieces.as_slice(),
        CombinedContent::Values(_) => &[],
    };
    pieces.iter().filter_map(|piece| {
        let source = prepared.combined.files.get(piece.file as usize)?.dataset.array(&array.source_path)?;
        let (part, whole) = (product(&piece.source.shape)?, product(&source.metadata.shape)?);
        Some((source, if whole == 0 { 0.0 } else { part as f64 / whole as f64 }))
    })
}

/// Stored bytes that feed an array; of stores whose chunks were not asked for, the decoded ones.
fn stored_bytes(prepared: &Prepared, array: &CombinedArray) -> u64 {
    let of = |(source, part): (&Array, f64)| {
        let stored = match &source.manifest {
            ChunkManifest::Table(table) => table.stored_bytes(),
            _ => source.metadata.decoded_bytes(),
        };
        (stored as f64 * part).round() as u64
    };
    sources(prepared, array).map(of).fold(0, u64::saturating_add)
}

/// As well compressed as the source, where the target compresses at all.
fn written_bytes(prepared: &Prepared, array: &CombinedArray, layout: &ArrayLayout) -> u64 {
    let decoded = array.metadata.decoded_bytes();
    let compresses = layout.codecs.len() > 1;
    let is_new = matches!(array.content, CombinedContent::Values(_));
    if compresses && !is_new { stored_bytes(prepared, array).min(decoded) } else { decoded }
}

/// Chunks, or shards where there are some.
fn units(shape: &[u64], layout: &ArrayLayout) -> u64 {
    shape
        .iter()
        .zip(layout.unit_shape())
        .fold(1u64, |count, (extent, unit)| count.saturating_mul(extent.div_ceil((*unit).max(1))))
}
