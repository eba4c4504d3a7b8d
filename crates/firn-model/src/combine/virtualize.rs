//! Can an array be references only, and then which: the smallest common chunk grid of all pieces.

use super::{Combined, CombinedArray, CombinedContent, Piece, Rule};
use crate::array::chunk_grid::{indices_of, product, to_linear};
use crate::array::codec::{self, is_uncompressed};
use crate::array::{
    Array, ArraySubset, ChunkEntry, ChunkGrid, ChunkIndices, ChunkManifest, ChunkTable, CodecMetadata, StoredAs,
};

/// Most references that are written for one array.
pub const MAX_REFERENCES: u64 = 10_000_000;
/// Smaller pieces of a contiguous array than this are not worth a request each.
pub const MIN_SPLIT_BYTES: u64 = 64 << 10;
/// Larger pieces of a contiguous array than this are split where that is possible.
pub const MAX_SPLIT_BYTES: u64 = 16 << 20;

/// The references of one array.
#[derive(Debug, Clone, PartialEq)]
pub struct VirtualArray {
    /// Shape of the chunks in the combined array.
    pub chunk_shape: Vec<u64>,
    /// Their codecs, in encoding order.
    pub codecs: Vec<CodecMetadata>,
    /// Where each chunk is.
    pub table: ChunkTable,
}

/// Why an array cannot be references only, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotVirtual {
    /// Stable code.
    pub code: &'static str,
    /// Why, in one sentence.
    pub what: String,
    /// The file that is the obstacle, where it is one file.
    pub file: Option<String>,
    /// Whether files disagree with each other (else the format or layout is the obstacle).
    pub drift: Option<Rule>,
    /// What to do.
    pub fix: &'static str,
}

const COPY: &str = "copy it: firn transform, or `strategy: transform`";

fn not_virtual(code: &'static str, what: String) -> NotVirtual {
    NotVirtual { code, what, file: None, drift: None, fix: COPY }
}

fn drift(rule: Rule, file: &str, what: String) -> NotVirtual {
    NotVirtual { code: rule.code(), what, file: Some(file.to_owned()), drift: Some(rule), fix: rule.help() }
}

/// Whether the chunks of one array of the file or store at this address can be referred to.
///
/// # Errors
/// [`NotVirtual`] with the reason.
fn referable(url: &str, array: &Array) -> Result<(), NotVirtual> {
    if array.stored_as != StoredAs::Elements {
        return Err(not_virtual("virtual-text", "text is stored in a way that no Zarr codec reads".to_owned()));
    }
    let ChunkManifest::Table(table) = &array.manifest else {
        return Err(not_virtual("virtual-zarr", "references into Zarr stores are not written".to_owned()));
    };
    let own_chunks = format!("{}/chunks/", url.trim_end_matches('/'));
    if table.objects().iter().any(|object| object.url.starts_with(&own_chunks)) {
        return Err(not_virtual(
            "virtual-icechunk-native",
            "its chunks belong to an Icechunk repository, whose garbage collection may remove them".to_owned(),
        ));
    }
    if table.has_filter_masks() {
        return Err(not_virtual("virtual-filter-mask", "some chunks skip a filter that others have".to_owned()));
    }
    if array.metadata.chunk_grid.chunk_shape().is_none() {
        return Err(not_virtual("virtual-grid", "the chunks differ in shape".to_owned()));
    }
    let known = |codec: &CodecMetadata| {
        matches!(
            codec,
            CodecMetadata::Bytes { .. }
                | CodecMetadata::Zlib { .. }
                | CodecMetadata::Gzip { .. }
                | CodecMetadata::Zstd { .. }
                | CodecMetadata::Blosc { .. }
                | CodecMetadata::Shuffle { .. }
                | CodecMetadata::Fletcher32
                | CodecMetadata::Crc32c
        )
    };
    if let Some(codec) = array.metadata.codecs.iter().find(|codec| !known(codec)) {
        return Err(not_virtual("virtual-codec", format!("no Zarr reader has the codec {:?}", codec.name())));
    }
    shuffle_is_whole(array)
}

/// Whether every shuffle of the chain gets whole elements. HDF5 leaves a rest where it lies (its Fletcher32 before its
/// shuffle appends four bytes to elements of eight); the shuffle of Zarr readers refuses it.
fn shuffle_is_whole(array: &Array) -> Result<(), NotVirtual> {
    let elements = array.metadata.chunk_grid.chunk_shape().and_then(product);
    let element_size = array.metadata.data_type.size().and_then(|size| u64::try_from(size).ok());
    // Bytes of a chunk at this place of the chain; unknown behind a compressor.
    let mut length = elements.zip(element_size).and_then(|(count, size)| count.checked_mul(size));
    for codec in &array.metadata.codecs {
        match codec {
            CodecMetadata::Bytes { .. } => {}
            CodecMetadata::Fletcher32 | CodecMetadata::Crc32c => length = length.and_then(|bytes| bytes.checked_add(4)),
            CodecMetadata::Shuffle { element_size } => {
                let size = u64::try_from(*element_size).unwrap_or(u64::MAX).max(1);
                if size > 1 && length.is_none_or(|bytes| bytes % size != 0) {
                    return Err(not_virtual(
                        "virtual-shuffle-rest",
                        format!(
                            "what is shuffled is no whole number of elements of {size} bytes, which Zarr readers refuse"
                        ),
                    ));
                }
            }
            _ => length = None,
        }
    }
    Ok(())
}

/// Codecs that decode alike: levels only matter to who encodes.
fn same_decoding(a: &[CodecMetadata], b: &[CodecMetadata]) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(x, y)| match (x, y) {
            (CodecMetadata::Zlib { .. }, CodecMetadata::Zlib { .. })
            | (CodecMetadata::Gzip { .. }, CodecMetadata::Gzip { .. })
            | (CodecMetadata::Zstd { .. }, CodecMetadata::Zstd { .. })
            | (CodecMetadata::Blosc { .. }, CodecMetadata::Blosc { .. }) => true,
            _ => x == y,
        })
}

/// The references of a combined array.
///
/// # Errors
/// [`NotVirtual`] with the first obstacle.
pub(super) fn references(combined: &Combined, array: &CombinedArray) -> Result<VirtualArray, NotVirtual> {
    let CombinedContent::Pieces(pieces) = &array.content else {
        return Err(not_virtual("virtual-values", "its values were encoded anew".to_owned()));
    };
    references_of(array, pieces, &sources(combined, array, pieces)?)
}

/// The references of a combined array whose pieces come from these arrays at these addresses.
///
/// # Errors
/// [`NotVirtual`] with the first obstacle.
pub(super) fn references_of(
    array: &CombinedArray,
    pieces: &[Piece],
    sources: &[(&str, &Array)],
) -> Result<VirtualArray, NotVirtual> {
    for (url, source) in sources {
        referable(url, source)?;
    }
    let Some((first_url, first)) = sources.first().copied() else {
        let table = ChunkTable::known_empty(&array.metadata.chunk_grid.grid_shape(&array.metadata.shape));
        return Ok(VirtualArray {
            chunk_shape: array.metadata.chunk_grid.chunk_shape().unwrap_or(&[]).to_vec(),
            codecs: array.metadata.codecs.clone(),
            table: table.ok_or_else(|| too_many(&array.metadata.shape))?,
        });
    };
    let mut contiguous = is_uncompressed(&first.metadata.codecs);
    for (url, source) in sources {
        if !same_decoding(&source.metadata.codecs, &first.metadata.codecs) {
            let names = |array: &Array| codec::list(&array.metadata.codecs);
            return Err(drift(
                Rule::Codecs,
                url,
                format!("its chunks are encoded as [{}], those of {first_url} as [{}]", names(source), names(first)),
            ));
        }
        contiguous &= is_one_chunk(source);
    }
    let chunk_shape =
        if contiguous { contiguous_chunk_shape(array, pieces, sources)? } else { common_chunk_shape(array, sources)? };
    let grid = ChunkGrid::regular(&chunk_shape);
    let count = grid.num_chunks(&array.metadata.shape).unwrap_or(u64::MAX);
    if count > MAX_REFERENCES {
        return Err(too_many(&grid.grid_shape(&array.metadata.shape)));
    }
    let mut table = ChunkTable::known_empty(&grid.grid_shape(&array.metadata.shape))
        .ok_or_else(|| too_many(&grid.grid_shape(&array.metadata.shape)))?;
    for (piece, (url, source)) in pieces.iter().zip(sources) {
        add_piece(&mut table, &chunk_shape, array, piece, url, source, contiguous)?;
    }
    Ok(VirtualArray { chunk_shape, codecs: first.metadata.codecs.clone(), table })
}

fn too_many(grid: &[u64]) -> NotVirtual {
    not_virtual("virtual-too-many", format!("a grid of {grid:?} chunks would need more than 10 million references"))
}

/// The source array of each piece.
fn sources<'a>(
    combined: &'a Combined,
    array: &CombinedArray,
    pieces: &[Piece],
) -> Result<Vec<(&'a str, &'a Array)>, NotVirtual> {
    let mut sources = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let file = &combined.files[piece.file as usize];
        let source = file
            .dataset
            .array(&array.source_path)
            .ok_or_else(|| not_virtual("virtual-values", format!("{} does not hold it", file.url)))?;
        sources.push((file.url.as_str(), source));
    }
    Ok(sources)
}

fn is_one_chunk(array: &Array) -> bool {
    is_uncompressed(&array.metadata.codecs)
        && array.metadata.chunk_grid.num_chunks(&array.metadata.shape).is_some_and(|n| n <= 1)
        && array
            .metadata
            .chunk_grid
            .chunk_shape()
            .is_some_and(|c| c.iter().zip(&array.metadata.shape).all(|(chunk, extent)| chunk == extent || *extent == 0))
}

/// In the combined array's axes: the chunk shape that every file has.
fn common_chunk_shape(array: &CombinedArray, sources: &[(&str, &Array)]) -> Result<Vec<u64>, NotVirtual> {
    let mut wanted: Option<(&str, Vec<u64>)> = None;
    for (url, source) in sources {
        let chunk = source.metadata.chunk_grid.chunk_shape().unwrap_or(&[]);
        let mut shape = vec![1; array.metadata.shape.len()];
        for (axis, mapped) in array.axes.iter().enumerate() {
            match mapped {
                Some(target) => shape[*target] = chunk[axis],
                None if chunk[axis] != 1 => {
                    return Err(not_virtual(
                        "virtual-dropped-dimension",
                        format!("a dimension that is dropped has chunks of length {}", chunk[axis]),
                    ));
                }
                None => {}
            }
        }
        match &wanted {
            None => wanted = Some((url, shape)),
            Some((first, known)) if known != &shape => {
                return Err(drift(
                    Rule::ChunkShape,
                    url,
                    format!("its chunks have the shape {shape:?}, those of {first} {known:?}"),
                ));
            }
            Some(_) => {}
        }
    }
    Ok(wanted.map(|(_, shape)| shape).unwrap_or_default())
}

/// A contiguous array may be cut, but only into byte ranges of equal length, because Zarr has no short last chunk on disk.
fn contiguous_chunk_shape(
    array: &CombinedArray,
    pieces: &[Piece],
    sources: &[(&str, &Array)],
) -> Result<Vec<u64>, NotVirtual> {
    let shape = &sources[0].1.metadata.shape;
    let rank = shape.len();
    // The outermost axis along which pieces differ from the whole array.
    let cut = (0..rank).find(|axis| {
        pieces.iter().zip(sources).any(|(p, (_, s))| {
            p.source.shape[*axis] != s.metadata.shape[*axis]
                || array.axes[*axis].is_some_and(|t| p.target.shape[t] != array.metadata.shape[t])
        })
    });
    let mut chunk = shape.clone();
    if let Some(axis) = cut {
        for extent in &mut chunk[..axis] {
            *extent = (*extent).min(1);
        }
        let lengths = pieces.iter().flat_map(|p| {
            let target = array.axes[axis].map_or(0, |t| p.target.start[t]);
            [p.source.shape[axis], p.source.start[axis], target]
        });
        chunk[axis] = lengths.fold(0, gcd).max(1);
    }
    let size = array.metadata.data_type.size().unwrap_or(1) as u64;
    let bytes = |chunk: &[u64]| product(chunk).and_then(|n| n.checked_mul(size)).unwrap_or(u64::MAX);
    let first_splittable = cut.unwrap_or(0);
    for axis in first_splittable..rank {
        if bytes(&chunk) <= MAX_SPLIT_BYTES {
            break;
        }
        let inner: u64 = bytes(&chunk) / chunk[axis].max(1);
        let most = (MAX_SPLIT_BYTES / inner.max(1)).max(1);
        chunk[axis] = largest_divisor(chunk[axis], most);
    }
    let whole = bytes(shape);
    if chunk != *shape && bytes(&chunk) < MIN_SPLIT_BYTES && whole > MIN_SPLIT_BYTES {
        return Err(not_virtual(
            "virtual-small-pieces",
            format!("it is contiguous and only divides into pieces of {} bytes", bytes(&chunk)),
        ));
    }
    let mut target = vec![1; array.metadata.shape.len()];
    for (axis, mapped) in array.axes.iter().enumerate() {
        match mapped {
            Some(t) => target[*t] = chunk[axis].max(1),
            None if chunk[axis] > 1 => {
                return Err(not_virtual(
                    "virtual-dropped-dimension",
                    "a dimension that is dropped cuts the bytes".to_owned(),
                ));
            }
            None => {}
        }
    }
    Ok(target)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn largest_divisor(n: u64, most: u64) -> u64 {
    (1..=n.isqrt()).filter(|d| n.is_multiple_of(*d)).flat_map(|d| [d, n / d]).filter(|d| *d <= most).max().unwrap_or(1)
}

fn add_piece(
    table: &mut ChunkTable,
    chunk_shape: &[u64],
    array: &CombinedArray,
    piece: &Piece,
    url: &str,
    source: &Array,
    contiguous: bool,
) -> Result<(), NotVirtual> {
    let unaligned = |what: String| NotVirtual { file: Some(url.to_owned()), ..not_virtual("virtual-unaligned", what) };
    for (axis, chunk) in chunk_shape.iter().enumerate() {
        let (start, end) = (piece.target.start[axis], piece.target.end(axis));
        if start % chunk != 0 || (end % chunk != 0 && (end != array.metadata.shape[axis] || contiguous)) {
            return Err(unaligned(format!(
                "steps {start}..{end} of {:?} do not begin and end at chunks of length {chunk}",
                array.metadata.dimension_names[axis]
            )));
        }
    }
    let ChunkManifest::Table(from) = &source.manifest else { return Ok(()) };
    let fills_differ = source.metadata.fill_value.is_some() && source.metadata.fill_value != array.metadata.fill_value;
    if fills_differ && (0..from.len() as u64).any(|linear| matches!(from.entry(linear), ChunkEntry::KnownEmpty)) {
        return Err(unaligned(
            "its unwritten chunks read as another value than those of the combined array".to_owned(),
        ));
    }
    let source_chunk: Vec<u64> = (0..array.axes.len()).map(|a| array.axes[a].map_or(1, |t| chunk_shape[t])).collect();
    for (axis, chunk) in source_chunk.iter().enumerate() {
        let (start, end) = (piece.source.start[axis], piece.source.end(axis));
        let at_end = end == source.metadata.shape[axis];
        if start % chunk != 0 || (end % chunk != 0 && !at_end) {
            return Err(unaligned(format!(
                "the part {start}..{end} does not begin and end at chunks of length {chunk}"
            )));
        }
    }
    let counts: Vec<u64> =
        piece.source.shape.iter().zip(&source_chunk).map(|(extent, chunk)| extent.div_ceil(*chunk)).collect();
    let target_grid = table.grid_shape().to_vec();
    for relative in indices_of(&counts) {
        let source_indices: Vec<u64> =
            (0..counts.len()).map(|a| piece.source.start[a] / source_chunk[a] + relative.0[a]).collect();
        let mut target_indices: Vec<u64> =
            piece.target.start.iter().zip(chunk_shape).map(|(start, chunk)| start / chunk).collect();
        for (axis, mapped) in array.axes.iter().enumerate() {
            if let Some(t) = mapped {
                target_indices[*t] += relative.0[axis];
            }
        }
        let Some(linear) = to_linear(&ChunkIndices(target_indices), &target_grid) else {
            return Err(unaligned("its chunks reach beyond the combined array".to_owned()));
        };
        if contiguous {
            set_part(table, linear, from, source, &source_chunk, &source_indices);
        } else if let Some(source_linear) = to_linear(&ChunkIndices(source_indices), from.grid_shape()) {
            table.copy_entry(linear, from, source_linear);
        }
    }
    Ok(())
}

/// A part of an array that lies in one piece.
fn set_part(table: &mut ChunkTable, linear: u64, from: &ChunkTable, source: &Array, chunk: &[u64], indices: &[u64]) {
    let shape = &source.metadata.shape;
    let size = source.metadata.data_type.size().unwrap_or(1) as u64;
    let mut first = 0u64;
    for axis in 0..shape.len() {
        first = first * shape[axis] + indices[axis] * chunk[axis];
    }
    let length = product(chunk).unwrap_or(0) * size;
    match from.entry(0) {
        ChunkEntry::Stored { object, offset, .. } => {
            let number = table.intern(object);
            table.set_stored(linear, number, offset + first * size, length, 0);
        }
        ChunkEntry::Inline(bytes) => {
            let (start, end) = ((first * size) as usize, (first * size + length) as usize);
            if end <= bytes.len() {
                table.set_inline(linear, bytes.slice(start..end));
            }
        }
        ChunkEntry::KnownEmpty | ChunkEntry::Unknown => {
            let whole = ArraySubset::whole(shape);
            if whole.num_elements() != Some(0) {
                table.copy_entry(linear, from, 0);
            }
        }
    }
}

/// An uncompressed array in one piece with its chunk cut along its outer dimensions, for reading parts of it: each new
/// chunk is a byte range of at most about `bytes`. Other arrays are left as they are.
pub fn split_uncompressed(array: &mut Array, bytes: u64) {
    let ChunkManifest::Table(table) = &array.manifest else { return };
    if array.stored_as != StoredAs::Elements || !is_one_chunk(array) || table.len() != 1 {
        return;
    }
    let size = array.metadata.data_type.size().unwrap_or(1) as u64;
    let mut chunk = array.metadata.shape.clone();
    for axis in 0..chunk.len() {
        let now = product(&chunk).and_then(|n| n.checked_mul(size)).unwrap_or(u64::MAX);
        if now <= bytes {
            break;
        }
        let inner = now / chunk[axis].max(1);
        chunk[axis] = largest_divisor(chunk[axis], (bytes / inner.max(1)).max(1));
    }
    if chunk == array.metadata.shape {
        return;
    }
    let grid = ChunkGrid::regular(&chunk);
    let Some(mut split) = ChunkTable::known_empty(&grid.grid_shape(&array.metadata.shape)) else { return };
    for (linear, indices) in indices_of(&grid.grid_shape(&array.metadata.shape)).enumerate() {
        set_part(&mut split, linear as u64, table, array, &chunk, &indices.0);
    }
    array.metadata.chunk_grid = grid;
    array.manifest = ChunkManifest::Table(split);
}
