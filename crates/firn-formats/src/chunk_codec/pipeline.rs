//! The codecs of an array, applied in order.

use super::deflate::Container;
use super::{Bound, ShardIndex, blosc, byte_order, crc32c, deflate, fletcher32, scratch, sharding, shuffle};
use super::{transpose, vlen_utf8, zeroed, zstandard};
use crate::box_copy::{self, BoxCopy};
use crate::error::FormatError;
use bytes::Bytes;
use firn_model::array::chunk_grid::{indices_of, product};
use firn_model::array::{CodecMetadata, Endian};
use firn_model::diagnose::At;

/// The largest chunk once decoded, bytes: also HDF5's own bound.
pub const MAX_CHUNK_BYTES: u64 = 1 << 32;

/// The largest text chunk once decoded, bytes: text has no size that follows from its shape.
const MAX_TEXT_BYTES: usize = 1 << 30;

/// What a chunk is once decoded.
#[derive(Debug, Clone, Copy)]
pub struct ChunkSpec<'a> {
    /// Extent of each dimension: the chunk shape of the grid, also at the end of the array.
    pub shape: &'a [u64],
    /// Bytes of an element.
    pub element_size: usize,
    /// Little-endian bytes of one element: what inner chunks that a shard does not hold consist of.
    pub fill_value: &'a [u8],
}

impl ChunkSpec<'_> {
    fn num_elements(&self, at: &At) -> Result<usize, FormatError> {
        let count = product(self.shape).unwrap_or(u64::MAX);
        let bytes = count.saturating_mul(self.element_size.max(1) as u64);
        if bytes > MAX_CHUNK_BYTES {
            return Err(FormatError::limit(at, "the size of a decoded chunk in bytes", bytes, MAX_CHUNK_BYTES));
        }
        Ok(count as usize)
    }

    /// Bytes of all elements, checked against [`MAX_CHUNK_BYTES`].
    pub(crate) fn len(&self, at: &At) -> Result<usize, FormatError> {
        Ok(self.num_elements(at)? * self.element_size)
    }
}

/// The codecs of an array by what they work on.
struct Pipeline<'a> {
    transposes: Vec<&'a [usize]>,
    array_to_bytes: &'a CodecMetadata,
    bytes_to_bytes: Vec<&'a CodecMetadata>,
}

/// HDF5 elements without a byte order (opaque bytes, text) come without a `bytes` codec.
const PLAIN: CodecMetadata = CodecMetadata::Bytes { endian: Endian::Little };

impl<'a> Pipeline<'a> {
    fn new(codecs: &'a [CodecMetadata], filter_mask: u32, at: &At) -> Result<Self, FormatError> {
        let mut pipeline = Self { transposes: Vec::new(), array_to_bytes: &PLAIN, bytes_to_bytes: Vec::new() };
        let (mut serialized, mut filter) = (false, 0u32);
        for codec in codecs {
            match codec {
                CodecMetadata::Transpose { order } if !serialized => pipeline.transposes.push(order),
                CodecMetadata::Bytes { .. } | CodecMetadata::VlenUtf8 | CodecMetadata::ShardingIndexed { .. }
                    if !serialized && pipeline.bytes_to_bytes.is_empty() =>
                {
                    pipeline.array_to_bytes = codec;
                    serialized = true;
                }
                CodecMetadata::Unknown { name, configuration } => {
                    let what = format!("the codec {name} ({configuration}) is not read yet");
                    return Err(FormatError::unsupported("unsupported-codec", at, what));
                }
                CodecMetadata::Zlib { .. }
                | CodecMetadata::Gzip { .. }
                | CodecMetadata::Zstd { .. }
                | CodecMetadata::Blosc { .. }
                | CodecMetadata::Shuffle { .. }
                | CodecMetadata::Fletcher32
                | CodecMetadata::Crc32c => {
                    if filter_mask.checked_shr(filter).unwrap_or(0) & 1 == 0 {
                        pipeline.bytes_to_bytes.push(codec);
                    }
                    filter += 1;
                }
                misplaced => {
                    let what = format!("the codec {} stands at a place where it cannot work", misplaced.name());
                    return Err(FormatError::corrupt(at, what));
                }
            }
        }
        Ok(pipeline)
    }

    /// The shape that the array → bytes codec sees, after each transposition.
    fn stored_shape(&self, shape: &[u64], at: &At) -> Result<Vec<u64>, FormatError> {
        self.transposes.iter().try_fold(shape.to_vec(), |shape, order| transpose::stored_shape(&shape, order, at))
    }
}

/// Bytes on their way through the pipeline: those of the source as long as nothing changed them.
enum Data {
    Shared(Bytes),
    Owned(Vec<u8>),
}

impl Data {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Self::Shared(bytes) => bytes.truncate(len),
            Self::Owned(bytes) => bytes.truncate(len),
        }
    }

    fn recycle(self) {
        if let Self::Owned(bytes) = self {
            scratch::put(bytes);
        }
    }

    fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Shared(bytes) => bytes.into(),
            Self::Owned(bytes) => bytes,
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Owned(bytes) => bytes.into(),
        }
    }
}

/// Decodes one chunk of elements of fixed size: little-endian bytes in C order, exactly the size of the chunk. Bytes that
/// no codec changed are those given, not a copy.
///
/// Bit `i` of `filter_mask` says that bytes → bytes codec `i` was skipped when this chunk was encoded (HDF5).
///
/// # Errors
/// [`FormatError::Corrupt`] for damaged bytes or another size, [`FormatError::Unsupported`] for an unknown codec,
/// [`FormatError::Limit`] for more than [`MAX_CHUNK_BYTES`].
pub fn decode(
    encoded: Bytes,
    codecs: &[CodecMetadata],
    filter_mask: u32,
    chunk: ChunkSpec,
    at: &At,
) -> Result<Bytes, FormatError> {
    Ok(decode_into(encoded, codecs, filter_mask, chunk, at, Vec::new)?.into_bytes())
}

/// As [`decode`], but lends the decoded bytes: the memory that holds them serves the next chunk of this thread.
///
/// # Errors
/// As [`decode`].
pub fn decode_with<T>(
    encoded: Bytes,
    codecs: &[CodecMetadata],
    filter_mask: u32,
    chunk: ChunkSpec,
    at: &At,
    work: impl FnOnce(&[u8]) -> T,
) -> Result<T, FormatError> {
    let decoded = decode_into(encoded, codecs, filter_mask, chunk, at, scratch::take)?;
    let result = work(decoded.as_slice());
    decoded.recycle();
    Ok(result)
}

/// `last` gives the buffer for what the last codec puts out.
fn decode_into(
    encoded: Bytes,
    codecs: &[CodecMetadata],
    filter_mask: u32,
    chunk: ChunkSpec,
    at: &At,
    last: fn() -> Vec<u8>,
) -> Result<Data, FormatError> {
    let pipeline = Pipeline::new(codecs, filter_mask, at)?;
    let len = chunk.len(at)?;
    let shape = pipeline.stored_shape(chunk.shape, at)?;
    let mut data = match pipeline.array_to_bytes {
        CodecMetadata::Bytes { endian } => {
            let data = decode_bytes(encoded, &pipeline.bytes_to_bytes, Bound::Exactly(len), at, last)?;
            if *endian == Endian::Big && chunk.element_size > 1 {
                let mut bytes = data.into_vec();
                byte_order::swap_bytes(&mut bytes, chunk.element_size);
                Data::Owned(bytes)
            } else {
                data
            }
        }
        CodecMetadata::ShardingIndexed { .. } => {
            let bound = Bound::Exactly(len).compressed().plus(product(&shape).unwrap_or(0) as usize * 16);
            let shard = decode_bytes(encoded, &pipeline.bytes_to_bytes, bound, at, Vec::new)?.into_bytes();
            let spec = ChunkSpec { shape: &shape, ..chunk };
            Data::Owned(decode_shard(&shard, pipeline.array_to_bytes, spec, len, at)?)
        }
        other => return Err(FormatError::bug(at, format!("{} does not give elements of fixed size", other.name()))),
    };
    let mut shape = shape;
    for order in pipeline.transposes.iter().rev() {
        let inverse = transpose::inverse(order);
        let mut out = zeroed(len, at)?;
        transpose::permute(data.as_slice(), &shape, &inverse, chunk.element_size, &mut out);
        shape = inverse.iter().map(|axis| shape[*axis]).collect();
        data.recycle();
        data = Data::Owned(out);
    }
    Ok(data)
}

/// Decodes one chunk of text.
///
/// # Errors
/// As [`decode`], and [`FormatError::InvalidText`] for text that is not UTF-8.
pub fn decode_text(
    encoded: Bytes,
    codecs: &[CodecMetadata],
    shape: &[u64],
    fill_value: &str,
    at: &At,
) -> Result<Vec<String>, FormatError> {
    let pipeline = Pipeline::new(codecs, 0, at)?;
    if !pipeline.transposes.is_empty() {
        return Err(FormatError::unsupported("unsupported-codec", at, "transposed text is not read yet"));
    }
    let count = ChunkSpec { shape, element_size: size_of::<String>(), fill_value: &[] }.num_elements(at)?;
    let bound = Bound::AtMost(MAX_TEXT_BYTES);
    let data = decode_bytes(encoded, &pipeline.bytes_to_bytes, bound, at, Vec::new)?;
    match pipeline.array_to_bytes {
        CodecMetadata::VlenUtf8 => vlen_utf8::decode(data.as_slice(), count, at),
        CodecMetadata::ShardingIndexed { chunk_shape, codecs, index_codecs, index_at_end } => {
            let shard = data.into_bytes();
            let index = shard_index(&shard, shape, chunk_shape, index_codecs, *index_at_end, at)?;
            let mut out = vec![String::new(); count];
            out.fill(fill_value.to_owned());
            for position in indices_of(index.grid_shape()) {
                let Some(inner) = index.get(&position, shard.len() as u64, at)? else { continue };
                let bytes = shard.slice(inner.offset as usize..(inner.offset + inner.length) as usize);
                let mut texts = decode_text(bytes, codecs, chunk_shape, fill_value, at)?;
                let start: Vec<u64> = position.0.iter().zip(chunk_shape).map(|(i, extent)| i * extent).collect();
                inner_box(chunk_shape, shape, &start, &vec![0; start.len()])
                    .take(&mut texts, &mut out)
                    .ok_or_else(|| FormatError::bug(at, "an inner chunk does not fit its shard"))?;
            }
            Ok(out)
        }
        other => Err(FormatError::bug(at, format!("{} does not give text", other.name()))),
    }
}

/// Undoes the bytes → bytes codecs, the last first; the result is in a buffer of `last`, where any of them did something.
fn decode_bytes(
    encoded: Bytes,
    codecs: &[&CodecMetadata],
    bound: Bound,
    at: &At,
    last: fn() -> Vec<u8>,
) -> Result<Data, FormatError> {
    let mut bounds = vec![bound];
    for codec in codecs {
        let before = bounds.last().copied().unwrap_or(bound);
        bounds.push(match codec {
            CodecMetadata::Shuffle { .. } => before,
            CodecMetadata::Fletcher32 => before.plus(fletcher32::LENGTH),
            CodecMetadata::Crc32c => before.plus(crc32c::LENGTH),
            _ => before.compressed(),
        });
    }
    let mut data = Data::Shared(encoded);
    for (position, codec) in codecs.iter().enumerate().rev() {
        let bound = bounds[position];
        let out = || if position == 0 { last() } else { scratch::take() };
        let next = match codec {
            CodecMetadata::Fletcher32 | CodecMetadata::Crc32c => {
                let kept = match codec {
                    CodecMetadata::Crc32c => crc32c::check(data.as_slice(), at)?.len(),
                    _ => fletcher32::check(data.as_slice(), at)?.len(),
                };
                data.truncate(kept);
                continue;
            }
            CodecMetadata::Shuffle { element_size } => {
                let mut out = out();
                bound.check(data.as_slice().len(), "shuffle", at)?;
                if out.capacity() < data.as_slice().len() {
                    out = super::with_capacity(data.as_slice().len(), at)?;
                }
                out.resize(data.as_slice().len(), 0);
                shuffle::unshuffle(data.as_slice(), *element_size, &mut out);
                out
            }
            compressor => {
                let mut out = out();
                decompress(compressor, data.as_slice(), bound, &mut out, at)?;
                out
            }
        };
        std::mem::replace(&mut data, Data::Owned(next)).recycle();
    }
    bound.check(data.as_slice().len(), "bytes", at)?;
    Ok(data)
}

fn decompress(
    codec: &CodecMetadata,
    encoded: &[u8],
    bound: Bound,
    out: &mut Vec<u8>,
    at: &At,
) -> Result<(), FormatError> {
    match codec {
        CodecMetadata::Zlib { .. } => deflate::decode(Container::Zlib, encoded, bound, out, at),
        CodecMetadata::Gzip { .. } => deflate::decode(Container::Gzip, encoded, bound, out, at),
        CodecMetadata::Zstd { .. } => zstandard::decode(encoded, bound, out, at),
        CodecMetadata::Blosc { .. } => blosc::decode(encoded, bound, out, at),
        other => Err(FormatError::bug(at, format!("{} is not a compressor", other.name()))),
    }
}

fn shard_index(
    shard: &[u8],
    shape: &[u64],
    inner_shape: &[u64],
    index_codecs: &[CodecMetadata],
    index_at_end: bool,
    at: &At,
) -> Result<ShardIndex, FormatError> {
    let grid = sharding::inner_grid(shape, inner_shape, at)?;
    let length = sharding::index_length(&grid, index_codecs, at)? as usize;
    let Some(rest) = shard.len().checked_sub(length) else {
        return Err(FormatError::corrupt(at, format!("the shard has {} bytes, its index {length}", shard.len())));
    };
    let index = if index_at_end { &shard[rest..] } else { &shard[..length] };
    ShardIndex::decode(index, &grid, index_codecs, at)
}

fn decode_shard(
    shard: &Bytes,
    codec: &CodecMetadata,
    chunk: ChunkSpec,
    len: usize,
    at: &At,
) -> Result<Vec<u8>, FormatError> {
    let CodecMetadata::ShardingIndexed { chunk_shape, codecs, index_codecs, index_at_end } = codec else {
        return Err(FormatError::bug(at, "a shard without the sharding codec"));
    };
    let index = shard_index(shard, chunk.shape, chunk_shape, index_codecs, *index_at_end, at)?;
    let mut out = zeroed(len, at)?;
    if chunk.fill_value.iter().any(|byte| *byte != 0) {
        box_copy::fill(&mut out, chunk.fill_value);
    }
    let spec = ChunkSpec { shape: chunk_shape, ..chunk };
    for position in indices_of(index.grid_shape()) {
        let Some(inner) = index.get(&position, shard.len() as u64, at)? else { continue };
        let bytes = shard.slice(inner.offset as usize..(inner.offset + inner.length) as usize);
        let decoded = decode(bytes, codecs, 0, spec, at)?;
        let start: Vec<u64> = position.0.iter().zip(chunk_shape).map(|(i, extent)| i * extent).collect();
        inner_box(chunk_shape, chunk.shape, &start, &vec![0; start.len()])
            .copy_bytes(&decoded, &mut out, chunk.element_size)
            .ok_or_else(|| FormatError::bug(at, "an inner chunk does not fit its shard"))?;
    }
    Ok(out)
}

fn inner_box<'a>(inner_shape: &'a [u64], shape: &'a [u64], start: &'a [u64], origin: &'a [u64]) -> BoxCopy<'a> {
    BoxCopy { src_shape: inner_shape, src_start: origin, dst_shape: shape, dst_start: start, shape: inner_shape }
}

/// Encodes one chunk of elements of fixed size, given as little-endian bytes in C order. Inner chunks that consist of the
/// fill value alone are left out of their shard.
///
/// # Errors
/// [`FormatError::Unsupported`] for codecs that are read only, [`FormatError::Bug`] for elements that do not have the size
/// of the chunk.
pub fn encode(decoded: &[u8], codecs: &[CodecMetadata], chunk: ChunkSpec, at: &At) -> Result<Vec<u8>, FormatError> {
    let pipeline = Pipeline::new(codecs, 0, at)?;
    let len = chunk.len(at)?;
    if decoded.len() != len {
        return Err(FormatError::bug(at, format!("a chunk of {len} bytes was given {}", decoded.len())));
    }
    let mut data = std::borrow::Cow::Borrowed(decoded);
    let mut shape = chunk.shape.to_vec();
    for order in &pipeline.transposes {
        let stored = transpose::stored_shape(&shape, order, at)?;
        let mut out = zeroed(len, at)?;
        transpose::permute(&data, &shape, order, chunk.element_size, &mut out);
        (data, shape) = (out.into(), stored);
    }
    match pipeline.array_to_bytes {
        CodecMetadata::Bytes { endian } => {
            if *endian == Endian::Big && chunk.element_size > 1 {
                byte_order::swap_bytes(data.to_mut(), chunk.element_size);
            }
        }
        sharding @ CodecMetadata::ShardingIndexed { .. } => {
            data = encode_inner_chunks(&data, sharding, ChunkSpec { shape: &shape, ..chunk }, at)?.into();
        }
        other => return Err(FormatError::bug(at, format!("{} does not take elements of fixed size", other.name()))),
    }
    encode_bytes(data, &pipeline.bytes_to_bytes, at)
}

fn encode_inner_chunks(
    decoded: &[u8],
    codec: &CodecMetadata,
    chunk: ChunkSpec,
    at: &At,
) -> Result<Vec<u8>, FormatError> {
    let CodecMetadata::ShardingIndexed { chunk_shape, codecs, index_codecs, index_at_end } = codec else {
        return Err(FormatError::bug(at, "a shard without the sharding codec"));
    };
    let grid = sharding::inner_grid(chunk.shape, chunk_shape, at)?;
    let spec = ChunkSpec { shape: chunk_shape, ..chunk };
    let mut inner = zeroed(spec.len(at)?, at)?;
    let mut encoded = Vec::with_capacity(product(&grid).unwrap_or(0) as usize);
    for position in indices_of(&grid) {
        let start: Vec<u64> = position.0.iter().zip(chunk_shape).map(|(i, extent)| i * extent).collect();
        let origin = vec![0; start.len()];
        let copy = BoxCopy {
            src_shape: chunk.shape,
            src_start: &start,
            dst_shape: chunk_shape,
            dst_start: &origin,
            shape: chunk_shape,
        };
        copy.copy_bytes(decoded, &mut inner, chunk.element_size)
            .ok_or_else(|| FormatError::bug(at, "an inner chunk does not fit its shard"))?;
        let empty =
            !chunk.fill_value.is_empty() && inner.chunks_exact(chunk.element_size).all(|e| e == chunk.fill_value);
        encoded.push(if empty { None } else { Some(encode(&inner, codecs, spec, at)?) });
    }
    sharding::encode_shard(&encoded, index_codecs, *index_at_end, at)
}

/// Encodes one chunk of text.
///
/// # Errors
/// As [`encode`].
pub fn encode_text(texts: &[String], codecs: &[CodecMetadata], at: &At) -> Result<Vec<u8>, FormatError> {
    let pipeline = Pipeline::new(codecs, 0, at)?;
    if !matches!(pipeline.array_to_bytes, CodecMetadata::VlenUtf8) || !pipeline.transposes.is_empty() {
        let what = format!("text is written by vlen-utf8, not by {}", pipeline.array_to_bytes.name());
        return Err(FormatError::unsupported("unsupported-codec", at, what));
    }
    encode_bytes(vlen_utf8::encode(texts, at)?.into(), &pipeline.bytes_to_bytes, at)
}

fn encode_bytes(mut data: std::borrow::Cow<[u8]>, codecs: &[&CodecMetadata], at: &At) -> Result<Vec<u8>, FormatError> {
    for codec in codecs {
        data = match codec {
            CodecMetadata::Zlib { level } => deflate::encode(Container::Zlib, &data, *level, at)?,
            CodecMetadata::Gzip { level } => deflate::encode(Container::Gzip, &data, *level, at)?,
            CodecMetadata::Zstd { level, checksum } => zstandard::encode(&data, *level, *checksum, at)?,
            CodecMetadata::Blosc { compressor, level, shuffle, typesize, blocksize } => {
                let settings = blosc::Settings {
                    compressor: *compressor,
                    level: *level,
                    shuffle: *shuffle,
                    element_size: *typesize,
                    block_size: *blocksize,
                };
                blosc::encode(&data, settings, at)?
            }
            CodecMetadata::Shuffle { element_size } => {
                let mut out = zeroed(data.len(), at)?;
                shuffle::shuffle(&data, *element_size, &mut out);
                out
            }
            CodecMetadata::Fletcher32 => {
                let mut out = data.into_owned();
                fletcher32::append(&mut out);
                out
            }
            CodecMetadata::Crc32c => {
                let mut out = data.into_owned();
                crc32c::append(&mut out);
                out
            }
            other => return Err(FormatError::bug(at, format!("{} is not a bytes codec", other.name()))),
        }
        .into();
    }
    Ok(data.into_owned())
}
