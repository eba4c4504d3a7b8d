//! The chunks of each array, from references with their keys.

use super::document::{Reference, References};
use crate::error::FormatError;
use firn_model::array::chunk_grid::to_linear;
use firn_model::array::{Array, ChunkIndices, ChunkManifest, ChunkTable, KeyedChunks, SourceObject, StoredAs};
use firn_model::dataset::{Dataset, Node, NodePath};
use firn_model::diagnose::At;
use firn_model::source::{Source, SourceVersion};
use std::collections::HashMap;

/// Most chunks of all arrays: each takes some 20 bytes, also where there is no reference. A small file may not claim a large
/// grid: chunks without a reference may be this many, and so many times those with one.
const MAX_CHUNKS: u64 = 1 << 26;
const FREE_CHUNKS: u64 = 1 << 18;
const MAX_SPARSITY: u64 = 64;

/// Most objects that are referred to as a whole: the size of each has to be asked for.
const MAX_WHOLE: usize = 10_000;

/// A table that is being filled, and how its keys are made.
struct Filling {
    keys: KeyedChunks,
    grid: Vec<u64>,
    table: ChunkTable,
    /// Numbers in the table of the objects of the file.
    objects: HashMap<u32, u32>,
}

/// Gives each array the chunks that references name. A key without a reference is an empty chunk, as in all Zarr.
///
/// # Errors
/// [`FormatError::Corrupt`] for a reference outside of its array's grid; [`FormatError::Limit`] for too many chunks; for
/// URLs what [`resolved`] says.
pub(super) fn fill(
    dataset: &mut Dataset,
    references: References,
    source: &dyn Source,
    at: &At,
) -> Result<(), FormatError> {
    let most = FREE_CHUNKS.saturating_add(MAX_SPARSITY.saturating_mul(references.entries.len() as u64)).min(MAX_CHUNKS);
    let mut filling = tables(dataset, most, at)?;
    let mut lengths = Lengths { source, known: HashMap::new() };
    let References { entries, urls } = references;
    let urls: Vec<String> = urls.iter().map(|url| resolved(url, source, at)).collect::<Result<_, _>>()?;
    let mut unused = 0u64;
    for (key, reference) in entries {
        let Some((path, filling)) = owner(&mut filling, &key) else {
            unused += 1;
            continue;
        };
        let at = at.node(path.as_str());
        let Some(linear) = position(&key, filling) else {
            return Err(FormatError::corrupt(&at, format!("the reference {key} is no chunk of its array")));
        };
        match reference {
            Reference::Inline(bytes) => filling.table.set_inline(linear, bytes),
            Reference::Range { object, range } => {
                let url = &urls[object as usize];
                let (offset, length) = match range {
                    Some(range) => range,
                    None => (0, lengths.of(object, url, &at)?),
                };
                let number = *filling.objects.entry(object).or_insert_with(|| {
                    let version = SourceVersion::default();
                    filling.table.push_object(SourceObject { url: url.clone(), version })
                });
                filling.table.set_stored(linear, number, offset, length, 0);
            }
        }
    }
    if unused > 0 {
        dataset.notes.push(format!("{unused} references belong to no array and were left out"));
    }
    for (path, filling) in filling {
        if let Some(Node::Array(array)) = dataset.nodes.get_mut(&path) {
            array.manifest = ChunkManifest::Table(filling.table);
        }
    }
    Ok(())
}

/// Empty tables of all arrays, of this many chunks at most.
fn tables(dataset: &Dataset, most: u64, at: &At) -> Result<HashMap<NodePath, Filling>, FormatError> {
    let mut all = 0u64;
    let mut filling = HashMap::new();
    for (path, array) in dataset.arrays() {
        let ChunkManifest::Keyed(keys) = &array.manifest else { continue };
        let grid = stored_grid(array);
        let too_many = |count| FormatError::limit(&at.node(path.as_str()), "the number of chunks", count, most);
        let count = firn_model::array::chunk_grid::product(&grid).unwrap_or(u64::MAX);
        all = all.saturating_add(count);
        if all > most {
            return Err(too_many(all));
        }
        let table = ChunkTable::known_empty(&grid).ok_or_else(|| too_many(count))?;
        filling.insert(path.clone(), Filling { keys: keys.clone(), grid, table, objects: HashMap::new() });
    }
    Ok(filling)
}

/// The grid of the chunks as stored, which is that of the array for all that Zarr v2 can say.
fn stored_grid(array: &Array) -> Vec<u64> {
    debug_assert!(!matches!(array.stored_as, StoredAs::CharDimension { .. }));
    array.metadata.chunk_grid.grid_shape(&array.metadata.shape)
}

/// The array whose folder a key lies in.
fn owner<'a>(filling: &'a mut HashMap<NodePath, Filling>, key: &str) -> Option<(NodePath, &'a mut Filling)> {
    let ends = key.match_indices('/').map(|(end, _)| end);
    let path = ends.filter_map(|end| NodePath::parse(&key[..end]).ok()).find(|path| filling.contains_key(path))?;
    let filling = filling.get_mut(&path)?;
    Some((path, filling))
}

/// The C-order number of the chunk with this key.
fn position(key: &str, filling: &Filling) -> Option<u64> {
    if filling.grid.is_empty() {
        return (key == filling.keys.scalar_key).then_some(0);
    }
    let indices = key.strip_prefix(filling.keys.prefix.as_str())?.split(filling.keys.separator);
    let plain = |text: &str| text.parse::<u64>().ok().filter(|index| index.to_string() == text);
    let indices = ChunkIndices(indices.map(plain).collect::<Option<_>>()?);
    to_linear(&indices, &filling.grid)
}

/// The URL of an object: absolute, as references do not say what they are relative to. What follows `file://` is the path as
/// it is, without escapes: so kerchunk writes it and fsspec reads it.
///
/// # Errors
/// [`FormatError::Unsupported`] for a relative path.
fn resolved(url: &str, source: &dyn Source, at: &At) -> Result<String, FormatError> {
    if let Some(path) = url.strip_prefix("file://").filter(|path| path.starts_with('/')) {
        return Ok(path.to_owned());
    }
    if url.contains("://") {
        return Ok(url.to_owned());
    }
    let own = source.url();
    if url.starts_with('/') && (own.starts_with("file://") || !own.contains("://")) {
        return Ok(url.to_owned());
    }
    let what = format!("the reference to {url:?} is relative, and nothing says to what");
    Err(FormatError::unsupported("unsupported-kerchunk-relative", at, what))
}

/// Sizes of objects that are referred to as a whole.
struct Lengths<'a> {
    source: &'a dyn Source,
    known: HashMap<u32, u64>,
}

impl Lengths<'_> {
    fn of(&mut self, object: u32, url: &str, at: &At) -> Result<u64, FormatError> {
        if let Some(size) = self.known.get(&object) {
            return Ok(*size);
        }
        if self.known.len() >= MAX_WHOLE {
            let what = "the number of objects that are referred to as a whole";
            return Err(FormatError::limit(at, what, self.known.len() as u64 + 1, MAX_WHOLE as u64));
        }
        let reader = self.source.sibling(url)?.object("")?;
        let reader = reader.ok_or_else(|| firn_model::source::SourceError::NotFound { at: At::url(url) })?;
        let size = reader.size()?;
        self.known.insert(object, size);
        Ok(size)
    }
}
