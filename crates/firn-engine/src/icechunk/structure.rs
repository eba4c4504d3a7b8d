//! The hierarchy to write, as Zarr v3 metadata documents.

use super::IcechunkError;
use bytes::Bytes;
use firn_model::array::ChunkIndices;
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use icechunk::format::snapshot::{ArrayShape, DimensionName};
use indexmap::IndexMap;
use serde::Deserialize;

/// A group or array: where it is, and its whole `zarr.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetNode {
    /// Where it is.
    pub path: NodePath,
    /// Its Zarr v3 metadata document, without consolidated metadata (Icechunk holds all metadata in one object anyway).
    pub zarr_json: Bytes,
}

/// A hierarchy: the root group and everything below it, parents before children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetStructure {
    /// The nodes.
    pub nodes: Vec<TargetNode>,
}

/// What Icechunk has to know of an array.
#[derive(Debug, Clone)]
pub(super) struct ArrayLayout {
    pub(super) shape: ArrayShape,
    pub(super) grid_shape: Vec<u64>,
    pub(super) dimension_names: Option<Vec<DimensionName>>,
}

/// A node, read.
#[derive(Debug, Clone)]
pub(super) enum NodeLayout {
    Group,
    Array(ArrayLayout),
}

#[derive(Deserialize)]
struct Document {
    zarr_format: u64,
    node_type: String,
    shape: Option<Vec<u64>>,
    chunk_grid: Option<Named<GridConfiguration>>,
    chunk_key_encoding: Option<Named<KeyConfiguration>>,
    dimension_names: Option<Vec<Option<String>>>,
}

#[derive(Deserialize)]
struct Named<T> {
    name: String,
    configuration: Option<T>,
}

#[derive(Deserialize)]
struct GridConfiguration {
    chunk_shape: Option<Vec<u64>>,
}

#[derive(Deserialize)]
struct KeyConfiguration {
    separator: Option<String>,
}

impl TargetStructure {
    /// Reads every document, so that nothing is written where one of them cannot be.
    pub(super) fn layouts(&self, at: &At) -> Result<IndexMap<NodePath, NodeLayout>, IcechunkError> {
        let mut layouts: IndexMap<NodePath, NodeLayout> = IndexMap::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let at = at.node(node.path.as_str());
            let bad = |what: String| IcechunkError::BadMetadata { at: at.clone(), what };
            if !node.path.is_root() && !matches!(layouts.get(&node.path.parent()), Some(NodeLayout::Group)) {
                return Err(bad("its parent is not a group that comes before it".to_owned()));
            }
            if layouts.contains_key(&node.path) {
                return Err(bad("it is named twice".to_owned()));
            }
            layouts.insert(node.path.clone(), layout(&at, &node.zarr_json)?);
        }
        match layouts.get(&NodePath::root()) {
            Some(NodeLayout::Group) => Ok(layouts),
            _ => Err(IcechunkError::BadMetadata { at: at.node("/"), what: "there is no root group".to_owned() }),
        }
    }
}

fn layout(at: &At, zarr_json: &[u8]) -> Result<NodeLayout, IcechunkError> {
    let bad = |what: &str| IcechunkError::BadMetadata { at: at.clone(), what: what.to_owned() };
    let document: Document = serde_json::from_slice(zarr_json).map_err(|error| bad(&error.to_string()))?;
    if document.zarr_format != 3 {
        return Err(bad("it is not of Zarr format 3"));
    }
    match document.node_type.as_str() {
        "group" => Ok(NodeLayout::Group),
        "array" => array_layout(at, document).map(NodeLayout::Array),
        other => Err(bad(&format!("its node type is {other:?}"))),
    }
}

fn array_layout(at: &At, document: Document) -> Result<ArrayLayout, IcechunkError> {
    let bad = |what: &str| IcechunkError::BadMetadata { at: at.clone(), what: what.to_owned() };
    let shape = document.shape.ok_or_else(|| bad("it has no shape"))?;
    let chunk_shape = match document.chunk_grid {
        Some(Named { name, configuration: Some(GridConfiguration { chunk_shape: Some(chunk_shape) }) })
            if name == "regular" =>
        {
            chunk_shape
        }
        _ => return Err(bad("its chunk grid is not regular")),
    };
    if chunk_shape.len() != shape.len() || chunk_shape.contains(&0) {
        return Err(bad("its chunk shape does not fit its shape"));
    }
    // Icechunk resolves chunk keys itself and knows only `c/0/0`.
    let separator = match &document.chunk_key_encoding {
        Some(Named { name, configuration }) if name == "default" => {
            configuration.as_ref().and_then(|c| c.separator.as_deref()).unwrap_or("/")
        }
        _ => "",
    };
    if separator != "/" {
        return Err(bad("its chunk key encoding is not \"default\" with \"/\""));
    }
    if document.dimension_names.as_ref().is_some_and(|names| names.len() != shape.len()) {
        return Err(bad("it has not one dimension name a dimension"));
    }
    let grid_shape: Vec<u64> = shape.iter().zip(&chunk_shape).map(|(extent, chunk)| extent.div_ceil(*chunk)).collect();
    let counts =
        grid_shape.iter().map(|n| u32::try_from(*n)).collect::<Result<Vec<u32>, _>>().map_err(|_| {
            IcechunkError::TooLarge { at: at.clone(), what: format!("its chunk grid is {grid_shape:?}") }
        })?;
    let shape = ArrayShape::new(shape.into_iter().zip(counts)).ok_or_else(|| bad("its shape is not valid"))?;
    let dimension_names =
        document.dimension_names.map(|names| names.iter().map(|name| DimensionName::from(name.as_deref())).collect());
    Ok(ArrayLayout { shape, grid_shape, dimension_names })
}

impl ArrayLayout {
    /// The position as Icechunk counts it. Icechunk itself checks neither the rank nor all extents.
    pub(super) fn indices(
        &self,
        at: &At,
        indices: &ChunkIndices,
    ) -> Result<icechunk::format::ChunkIndices, IcechunkError> {
        let outside =
            || IcechunkError::OutsideGrid { at: at.index(indices.0.clone()), grid_shape: self.grid_shape.clone() };
        if indices.0.len() != self.grid_shape.len() {
            return Err(outside());
        }
        indices
            .0
            .iter()
            .zip(&self.grid_shape)
            .map(|(index, extent)| u32::try_from(*index).ok().filter(|_| index < extent).ok_or_else(outside))
            .collect::<Result<_, _>>()
            .map(icechunk::format::ChunkIndices)
    }

    /// Chunks a manifest holds along each dimension, so that none holds many more than `most`: whole trailing
    /// dimensions, a part of the one before them. `None` where one manifest holds all.
    pub(super) fn manifest_split(&self, most: u64) -> Option<Vec<u32>> {
        let total = self.grid_shape.iter().try_fold(1u64, |n, extent| n.checked_mul(*extent));
        if total.is_some_and(|total| total <= most) {
            return None;
        }
        let mut room = most.max(1);
        let mut split = vec![1u32; self.grid_shape.len()];
        for (axis, extent) in self.grid_shape.iter().enumerate().rev() {
            let along = (*extent).max(1).min(room);
            split[axis] = u32::try_from(along).unwrap_or(u32::MAX);
            room /= along;
        }
        Some(split)
    }
}
