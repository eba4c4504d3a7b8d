//! The chunk table of a variable.

use super::Opened;
use crate::error::EngineError;
use firn_model::array::chunk_grid::from_linear;
use firn_model::array::{Array, ChunkEntry, ChunkManifest};
use firn_model::dataset::NodePath;
use firn_model::diagnose::At;
use firn_model::source::SourceError;
use schemars::JsonSchema;
use serde::Serialize;

/// The chunks of one variable. Rows are made when they are asked for: there may be millions.
#[derive(Debug, Clone)]
pub struct ChunkListing {
    /// The URL, without credentials.
    pub url: String,
    /// The variable.
    pub path: NodePath,
    array: Array,
    grid_shape: Vec<u64>,
    count: u64,
}

/// One chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChunkRow {
    /// Its position in the grid.
    pub index: Vec<u64>,
    /// `stored`, `inline`, `empty`, `unknown`; `keyed` where it is an object of its own that was not asked for.
    pub state: &'static str,
    /// The object that holds its bytes; absent where that is the inspected object itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its key below the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// First byte.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Number of bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Filters that were skipped, one bit each; absent where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter_mask: Option<u32>,
}

impl ChunkListing {
    pub(super) fn of(mut opened: Opened, variable: &str) -> Result<Self, EngineError> {
        let path = super::variable_path(&opened.dataset, &opened.url, variable)?;
        let Some(firn_model::dataset::Node::Array(array)) = opened.dataset.nodes.shift_remove(&path) else {
            return Err(SourceError::NotFound { at: At::url(&opened.url).node(path.as_str()) }.into());
        };
        let array = *array;
        let grid_shape = match &array.manifest {
            ChunkManifest::Table(table) => table.grid_shape().to_vec(),
            _ => array.metadata.chunk_grid.grid_shape(&array.metadata.shape),
        };
        // A shape that only a hostile file claims has no table; a keyed one lists as many as can be counted.
        let count = firn_model::array::chunk_grid::product(&grid_shape).unwrap_or(u64::MAX);
        Ok(Self { url: opened.url, path, array, grid_shape, count })
    }

    /// Number of chunks along each dimension.
    pub fn grid_shape(&self) -> &[u64] {
        &self.grid_shape
    }

    /// Number of chunks.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The chunks, in C order.
    pub fn rows(&self) -> impl Iterator<Item = ChunkRow> {
        (0..self.count).map(|linear| self.row(linear))
    }

    fn row(&self, linear: u64) -> ChunkRow {
        let index = from_linear(linear, &self.grid_shape);
        let bare = ChunkRow {
            index: index.0.clone(),
            state: "unknown",
            url: None,
            key: None,
            offset: None,
            length: None,
            filter_mask: None,
        };
        match &self.array.manifest {
            ChunkManifest::Table(table) => match table.entry(linear) {
                ChunkEntry::Stored { object, offset, length, filter_mask } => ChunkRow {
                    state: "stored",
                    url: (object.url != self.url).then(|| object.url.clone()),
                    offset: Some(offset),
                    length: Some(length),
                    filter_mask: (filter_mask != 0).then_some(filter_mask),
                    ..bare
                },
                ChunkEntry::Inline(bytes) => ChunkRow { state: "inline", length: Some(bytes.len() as u64), ..bare },
                ChunkEntry::KnownEmpty => ChunkRow { state: "empty", ..bare },
                ChunkEntry::Unknown => bare,
            },
            ChunkManifest::Keyed(keys) => ChunkRow { state: "keyed", key: Some(keys.key(&index)), ..bare },
            _ => bare,
        }
    }
}
