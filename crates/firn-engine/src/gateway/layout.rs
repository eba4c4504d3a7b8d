//! How an array is served: its metadata in words that every Zarr v3 client knows, and how the bytes of a chunk come about.
//! Pure: looks at metadata only.

use firn_formats::chunk_codec::inner_grid;
use firn_model::array::chunk_grid::product;
use firn_model::array::codec::{BloscCompressor, is_uncompressed, list};
use firn_model::array::{
    Array, ArrayMetadata, ChunkGrid, ChunkManifest, CodecMetadata, DataType, Endian, FillValue, StoredAs,
};
use firn_model::dataset::Refusal;
use firn_model::diagnose::At;

/// Level of the zstd that chunks are encoded with which cannot be passed on: somebody waits for each.
const LEVEL: i32 = 1;

/// An uncompressed chunk above this is served in parts, bytes: contiguous arrays of files have one chunk, of any size.
const LARGEST_WHOLE: u64 = 16 << 20;

/// About the size of such a part, bytes.
const PART: u64 = 4 << 20;

/// Chunks of at most this many bytes, of which there are at least so many, are joined into ones of about that size.
const TINY: u64 = 4 << 10;
const MANY: u64 = 64;
const JOINED: u64 = 128 << 10;

/// Chunks that are joined may lie in so many files.
const FEW_OBJECTS: u64 = 4;

/// How the bytes of a chunk come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The stored chunk, as it is.
    AsStored,
    /// An inner chunk of a stored shard, as it is.
    Inner,
    /// The box of the chunk is read, decoded, and encoded again.
    Encoded,
}

/// An array as it is served.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedArray {
    /// What clients see: a regular grid without shards, codecs that all of them have.
    pub metadata: ArrayMetadata,
    /// Shape of a chunk.
    pub chunk_shape: Vec<u64>,
    /// How the bytes of a chunk come about.
    pub way: Way,
}

/// How this array is served.
///
/// # Errors
/// What stands in the way, where it cannot be.
pub fn served(array: &Array, at: &At) -> Result<ServedArray, Refusal> {
    let source = &array.metadata;
    let refuse = |code, what: String| Refusal { code, what };
    let Some(stored) = source.chunk_grid.chunk_shape() else {
        return Err(refuse(
            "unsupported-chunk-grid",
            "its chunks differ in shape, which Zarr v3 cannot say".to_owned(),
        ));
    };
    if let Some(unknown) = unknown(&source.codecs) {
        return Err(refuse("unsupported-codec", format!("its codec {unknown} is not read yet")));
    }
    let is_plain = array.stored_as == StoredAs::Elements && !has_masks(array);
    let joined = joined(array, stored);
    let (way, chunk_shape, codecs) = match source.codecs.as_slice() {
        codecs if is_plain && is_core(codecs, source.data_type) && !is_too_large(array, stored) && joined.is_none() => {
            (Way::AsStored, stored.to_vec(), codecs.to_vec())
        }
        [CodecMetadata::ShardingIndexed { chunk_shape, codecs, .. }] if inner_grid(stored, chunk_shape, at).is_ok() => {
            if is_plain && is_core(codecs, source.data_type) {
                (Way::Inner, chunk_shape.clone(), codecs.clone())
            } else {
                (Way::Encoded, chunk_shape.clone(), own_codecs(source.data_type))
            }
        }
        codecs if is_uncompressed(codecs) && is_too_large(array, stored) => {
            (Way::Encoded, part(stored, element_size(source)), own_codecs(source.data_type))
        }
        _ => (Way::Encoded, joined.unwrap_or_else(|| stored.to_vec()), own_codecs(source.data_type)),
    };
    let metadata = ArrayMetadata {
        chunk_grid: ChunkGrid::regular(&chunk_shape),
        fill_value: Some(source.fill_value.clone().unwrap_or_else(|| FillValue::zero(source.data_type))),
        codecs,
        ..source.clone()
    };
    Ok(ServedArray { metadata, chunk_shape, way })
}

/// The codecs of chunks that are encoded here.
fn own_codecs(data_type: DataType) -> Vec<CodecMetadata> {
    let first = match data_type {
        DataType::String => CodecMetadata::VlenUtf8,
        _ => CodecMetadata::Bytes { endian: Endian::Little },
    };
    vec![first, CodecMetadata::Zstd { level: LEVEL, checksum: false }]
}

/// A codec, also of inner chunks, that cannot be decoded.
fn unknown(codecs: &[CodecMetadata]) -> Option<String> {
    codecs.iter().find_map(|codec| match codec {
        CodecMetadata::Unknown { .. } => Some(list(std::slice::from_ref(codec))),
        CodecMetadata::ShardingIndexed { codecs, index_codecs, .. } => {
            unknown(codecs).or_else(|| unknown(index_codecs))
        }
        _ => None,
    })
}

fn has_masks(array: &Array) -> bool {
    matches!(&array.manifest, ChunkManifest::Table(table) if table.has_filter_masks())
}

/// Whether every client of Zarr v3 decodes this chain: transpositions, one codec from elements to bytes, compressors and
/// checksums of the specification.
fn is_core(codecs: &[CodecMetadata], data_type: DataType) -> bool {
    let transposes = codecs.iter().take_while(|codec| matches!(codec, CodecMetadata::Transpose { .. })).count();
    let Some((serializer, rest)) = codecs.get(transposes..).and_then(<[_]>::split_first) else { return false };
    let serializes = match serializer {
        CodecMetadata::Bytes { .. } => data_type != DataType::String,
        CodecMetadata::VlenUtf8 => data_type == DataType::String,
        _ => false,
    };
    let is_known = |codec: &CodecMetadata| match codec {
        CodecMetadata::Gzip { .. } | CodecMetadata::Zstd { .. } | CodecMetadata::Crc32c => true,
        // Snappy is left out of most builds of blosc.
        CodecMetadata::Blosc { compressor, typesize, level, .. } => {
            *compressor != BloscCompressor::Snappy && (1..=255).contains(typesize) && *level <= 9
        }
        _ => false,
    };
    serializes && rest.iter().all(is_known)
}

fn element_size(metadata: &ArrayMetadata) -> u64 {
    metadata.data_type.size().unwrap_or(size_of::<String>()) as u64
}

fn is_too_large(array: &Array, chunk_shape: &[u64]) -> bool {
    let bytes = product(chunk_shape).and_then(|count| count.checked_mul(element_size(&array.metadata)));
    is_uncompressed(&array.metadata.codecs) && bytes.is_none_or(|bytes| bytes > LARGEST_WHOLE)
}

/// The shape of several chunks together, where an array is cut into many tiny ones that lie in few files: the time axis of a
/// file with unlimited time has one a step, and readers would ask for each.
fn joined(array: &Array, chunk_shape: &[u64]) -> Option<Vec<u64>> {
    let ChunkManifest::Table(table) = &array.manifest else { return None };
    let count = table.len() as u64;
    let mut bytes = product(chunk_shape)?.checked_mul(element_size(&array.metadata))?;
    let is_sharded = matches!(array.metadata.codecs.as_slice(), [CodecMetadata::ShardingIndexed { .. }]);
    let are_scattered = table.objects().len() as u64 > FEW_OBJECTS.max(count / 16);
    if count < MANY || bytes > TINY || are_scattered || is_sharded {
        return None;
    }
    let grid = array.metadata.chunk_grid.grid_shape(&array.metadata.shape);
    let mut shape = chunk_shape.to_vec();
    for axis in (0..shape.len()).rev() {
        let factor = (JOINED / bytes.max(1)).clamp(1, grid[axis].max(1));
        shape[axis] = shape[axis].checked_mul(factor)?;
        bytes = bytes.checked_mul(factor)?;
    }
    (shape != chunk_shape).then_some(shape)
}

/// The shape of a part: whole inner dimensions, so that its elements lie close together in the file.
fn part(chunk_shape: &[u64], element_size: u64) -> Vec<u64> {
    let mut shape = chunk_shape.to_vec();
    for axis in 0..shape.len() {
        let inner = product(&shape[axis + 1..]).and_then(|count| count.checked_mul(element_size)).unwrap_or(u64::MAX);
        shape[axis] = (PART / inner.max(1)).clamp(1, shape[axis].max(1));
        if inner <= PART {
            break;
        }
    }
    shape
}

#[cfg(test)]
mod tests;
