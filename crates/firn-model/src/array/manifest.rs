//! Where each chunk's bytes are.

use super::chunk_grid::{ChunkIndices, to_linear};
use crate::source::SourceVersion;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Most chunks a manifest may have: a bound against shapes that a hostile file only claims.
pub const MAX_CHUNKS: u64 = 100_000_000;

const EMPTY: u32 = u32::MAX;
const UNKNOWN: u32 = u32::MAX - 1;
const INLINE: u32 = u32::MAX - 2;

/// An object that chunks point into.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct SourceObject {
    /// URL, without credentials.
    pub url: String,
    /// The version whose bytes the offsets are of.
    pub version: SourceVersion,
}

/// The state of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkEntry<'a> {
    /// At these bytes of an object.
    Stored {
        /// The object.
        object: &'a SourceObject,
        /// First byte.
        offset: u64,
        /// Number of bytes.
        length: u64,
        /// Bit `i` set: filter `i` of the pipeline (in encoding order, without the `bytes` codec) was skipped.
        filter_mask: u32,
    },
    /// The encoded bytes themselves.
    Inline(&'a Bytes),
    /// Never written: all elements are the fill value, and that is known.
    KnownEmpty,
    /// Nothing is known of it.
    Unknown,
}

/// The chunks of one array, dense over its grid in C order: about 20 bytes a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkTable {
    grid_shape: Vec<u64>,
    objects: Vec<SourceObject>,
    object: Vec<u32>,
    offset: Vec<u64>,
    length: Vec<u64>,
    filter_masks: BTreeMap<u64, u32>,
    inline: BTreeMap<u64, Bytes>,
}

impl ChunkTable {
    /// A table over this grid with every chunk in the state `KnownEmpty`; `None` for more than [`MAX_CHUNKS`] chunks.
    pub fn known_empty(grid_shape: &[u64]) -> Option<Self> {
        Self::filled(grid_shape, EMPTY)
    }

    /// A table over this grid with every chunk in the state `Unknown`; `None` for more than [`MAX_CHUNKS`] chunks.
    pub fn unknown(grid_shape: &[u64]) -> Option<Self> {
        Self::filled(grid_shape, UNKNOWN)
    }

    fn filled(grid_shape: &[u64], state: u32) -> Option<Self> {
        let count = super::chunk_grid::product(grid_shape).filter(|n| *n <= MAX_CHUNKS)?;
        let count = usize::try_from(count).ok()?;
        Some(Self {
            grid_shape: grid_shape.to_vec(),
            objects: Vec::new(),
            object: vec![state; count],
            offset: vec![0; count],
            length: vec![0; count],
            filter_masks: BTreeMap::new(),
            inline: BTreeMap::new(),
        })
    }

    /// Number of chunks along each dimension.
    pub fn grid_shape(&self) -> &[u64] {
        &self.grid_shape
    }

    /// Number of chunks.
    pub fn len(&self) -> usize {
        self.object.len()
    }

    /// Whether the grid has no chunk.
    pub fn is_empty(&self) -> bool {
        self.object.is_empty()
    }

    /// The objects that chunks point into.
    pub fn objects(&self) -> &[SourceObject] {
        &self.objects
    }

    /// Replaces every object that chunks point into by what this says of it.
    ///
    /// # Errors
    /// The first error of `to`.
    pub fn map_objects<E>(&mut self, to: impl FnMut(&SourceObject) -> Result<SourceObject, E>) -> Result<(), E> {
        self.objects = self.objects.iter().map(to).collect::<Result<_, E>>()?;
        Ok(())
    }

    /// The number of this object in the table, added where it is new.
    pub fn intern(&mut self, object: &SourceObject) -> u32 {
        if let Some(at) = self.objects.iter().rposition(|o| o == object) {
            return at as u32;
        }
        self.objects.push(object.clone());
        (self.objects.len() - 1) as u32
    }

    /// Adds an object without looking whether it is there already, for callers that know: a search for each of a million
    /// objects would not end.
    pub fn push_object(&mut self, object: SourceObject) -> u32 {
        self.objects.push(object);
        (self.objects.len() - 1) as u32
    }

    /// Says that the chunk with this C-order number is stored here. `object` is a number from [`ChunkTable::intern`] or
    /// [`ChunkTable::push_object`].
    pub fn set_stored(&mut self, linear: u64, object: u32, offset: u64, length: u64, filter_mask: u32) {
        let at = linear as usize;
        self.object[at] = object;
        self.offset[at] = offset;
        self.length[at] = length;
        self.inline.remove(&linear);
        if filter_mask == 0 {
            self.filter_masks.remove(&linear);
        } else {
            self.filter_masks.insert(linear, filter_mask);
        }
    }

    /// Says that these are the encoded bytes of the chunk with this C-order number.
    pub fn set_inline(&mut self, linear: u64, bytes: Bytes) {
        self.object[linear as usize] = INLINE;
        self.length[linear as usize] = bytes.len() as u64;
        self.filter_masks.remove(&linear);
        self.inline.insert(linear, bytes);
    }

    /// The chunk with this C-order number; `Unknown` outside of the grid.
    pub fn entry(&self, linear: u64) -> ChunkEntry<'_> {
        let Some(at) = usize::try_from(linear).ok().filter(|at| *at < self.object.len()) else {
            return ChunkEntry::Unknown;
        };
        match self.object[at] {
            EMPTY => ChunkEntry::KnownEmpty,
            UNKNOWN => ChunkEntry::Unknown,
            INLINE => self.inline.get(&linear).map_or(ChunkEntry::Unknown, ChunkEntry::Inline),
            number => match self.objects.get(number as usize) {
                Some(object) => ChunkEntry::Stored {
                    object,
                    offset: self.offset[at],
                    length: self.length[at],
                    filter_mask: self.filter_masks.get(&linear).copied().unwrap_or(0),
                },
                None => ChunkEntry::Unknown,
            },
        }
    }

    /// The chunk at this position.
    pub fn get(&self, indices: &ChunkIndices) -> ChunkEntry<'_> {
        to_linear(indices, &self.grid_shape).map_or(ChunkEntry::Unknown, |linear| self.entry(linear))
    }

    /// Whether some chunk skipped a filter, so that no single codec list decodes all chunks.
    pub fn has_filter_masks(&self) -> bool {
        !self.filter_masks.is_empty()
    }

    /// Bytes of all stored and inline chunks.
    pub fn stored_bytes(&self) -> u64 {
        (0..self.len())
            .filter(|at| self.object[*at] != EMPTY && self.object[*at] != UNKNOWN)
            .fold(0u64, |sum, at| sum.saturating_add(self.length[at]))
    }

    /// Number of chunks that are stored or inline.
    pub fn num_stored(&self) -> u64 {
        self.object.iter().filter(|o| **o != EMPTY && **o != UNKNOWN).count() as u64
    }

    /// Copies one chunk's entry from another table.
    pub fn copy_entry(&mut self, linear: u64, from: &Self, from_linear: u64) {
        match from.entry(from_linear) {
            ChunkEntry::Stored { object, offset, length, filter_mask } => {
                let number = self.intern(object);
                self.set_stored(linear, number, offset, length, filter_mask);
            }
            ChunkEntry::Inline(bytes) => self.set_inline(linear, bytes.clone()),
            ChunkEntry::KnownEmpty => self.object[linear as usize] = EMPTY,
            ChunkEntry::Unknown => self.object[linear as usize] = UNKNOWN,
        }
    }
}

/// How the chunks of a Zarr array are named below its store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedChunks {
    /// Prefix of every chunk key, relative to the root of the store: `var/c/` (v3 default) or `var/` (v2).
    pub prefix: String,
    /// Between two indices: `/` or `.`.
    pub separator: char,
    /// The key of the one chunk of a scalar array, relative to the root of the store.
    pub scalar_key: String,
}

impl KeyedChunks {
    /// The key of the chunk at this position, relative to the root of the store.
    pub fn key(&self, indices: &ChunkIndices) -> String {
        if indices.0.is_empty() {
            return self.scalar_key.clone();
        }
        let mut key = self.prefix.clone();
        for (axis, index) in indices.0.iter().enumerate() {
            if axis > 0 {
                key.push(self.separator);
            }
            key.push_str(&index.to_string());
        }
        key
    }
}

/// Where the chunks of an array are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChunkManifest {
    /// Each chunk has its own place.
    Table(ChunkTable),
    /// Each chunk is an object whose key follows from its position (Zarr); absent keys are empty chunks, except where a
    /// ledger says otherwise.
    Keyed(KeyedChunks),
}
