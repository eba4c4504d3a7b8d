//! How an array is stored: chunk shape, shard shape, codecs, fill value.

use crate::array::chunk_grid::product;
use crate::array::codec::{BloscCompressor, BloscShuffle, is_uncompressed};
use crate::array::{AttributeValue, CodecMetadata, DataType, Endian, FillValue};
use crate::combine::CombinedArray;
use crate::dataset::NodePath;
use crate::diagnose::{At, Category, Diagnose};
use indexmap::IndexMap;
use std::num::NonZeroU64;

/// Length of a chunk or shard along one dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChunkLength {
    /// This many elements.
    Of(NonZeroU64),
    /// The whole dimension; also what a dimension that is not named gets.
    Whole,
    /// Firn chooses.
    Auto,
}

/// How chunks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecChoice {
    /// Not at all.
    None,
    /// Zstandard.
    Zstd {
        /// Level, 1 to 22.
        level: i32,
    },
    /// Gzip.
    Gzip {
        /// Level, 0 to 9.
        level: u8,
    },
    /// Blosc with a filter.
    Blosc {
        /// Inner compressor.
        compressor: BloscCompressor,
        /// Level, 0 to 9.
        level: u8,
        /// Inner filter.
        shuffle: BloscShuffle,
    },
}

impl Default for CodecChoice {
    /// What every Zarr v3 client reads and what was measured to pay: zstd, level 3.
    fn default() -> Self {
        Self::Zstd { level: 3 }
    }
}

impl CodecChoice {
    /// From the words of a recipe: `none`, `zstd:N`, `gzip:N`, `blosc-lz4:N:shuffle`, `blosc-zstd:N:shuffle|bitshuffle`.
    ///
    /// # Errors
    /// [`LayoutError::BadCodec`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, LayoutError> {
        let bad = |why: &str| LayoutError::BadCodec { text: text.to_owned(), why: why.to_owned() };
        let parts: Vec<&str> = text.split(':').collect();
        let level = |most: i32, default: i32| -> Result<i32, LayoutError> {
            let Some(level) = parts.get(1) else { return Ok(default) };
            let level: i32 = level.parse().map_err(|_| bad("the level is not a number"))?;
            if (0..=most).contains(&level) {
                Ok(level)
            } else {
                Err(bad(&format!("the level is not within 0 to {most}")))
            }
        };
        let at_most = |n: usize| if parts.len() > n { Err(bad("there is something after the level")) } else { Ok(()) };
        match parts[0] {
            "none" => at_most(1).map(|()| Self::None),
            "zstd" => at_most(2).and_then(|()| Ok(Self::Zstd { level: level(22, 3)? })),
            "gzip" => at_most(2).and_then(|()| Ok(Self::Gzip { level: level(9, 5)? as u8 })),
            "blosc-lz4" | "blosc-zstd" => {
                let compressor = if parts[0] == "blosc-lz4" { BloscCompressor::Lz4 } else { BloscCompressor::Zstd };
                let shuffle = match parts.get(2).copied() {
                    None | Some("shuffle") => BloscShuffle::Shuffle,
                    Some("bitshuffle") => BloscShuffle::BitShuffle,
                    Some("noshuffle") => BloscShuffle::NoShuffle,
                    Some(_) => return Err(bad("the filter is none of shuffle, bitshuffle, noshuffle")),
                };
                at_most(3)?;
                Ok(Self::Blosc { compressor, level: level(9, 5)? as u8, shuffle })
            }
            _ => Err(bad("it is none of none, zstd, gzip, blosc-lz4, blosc-zstd")),
        }
    }

    /// The codecs of elements of this type, in encoding order.
    pub fn codecs(self, data_type: DataType) -> Vec<CodecMetadata> {
        let first = match data_type {
            DataType::String => CodecMetadata::VlenUtf8,
            _ => CodecMetadata::Bytes { endian: Endian::Little },
        };
        let second = match self {
            Self::None => None,
            Self::Zstd { level } => Some(CodecMetadata::Zstd { level, checksum: false }),
            Self::Gzip { level } => Some(CodecMetadata::Gzip { level }),
            Self::Blosc { compressor, level, shuffle } => Some(CodecMetadata::Blosc {
                compressor,
                level,
                // Text has no element size that a shuffle could work on.
                shuffle: if data_type == DataType::String { BloscShuffle::NoShuffle } else { shuffle },
                typesize: data_type.size().unwrap_or(1),
                blocksize: 0,
            }),
        };
        std::iter::once(first).chain(second).collect()
    }
}

/// What the recipe or the command line says of the target's layout.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TargetOptions {
    /// Chunk lengths by dimension; `None` keeps the source's chunks.
    pub chunks: Option<IndexMap<String, ChunkLength>>,
    /// Shard lengths by dimension; `None` writes no shards.
    pub shards: Option<IndexMap<String, ChunkLength>>,
    /// Codec of variables that are not named in `codec_of`.
    pub codec: CodecChoice,
    /// Codec by variable.
    pub codec_of: IndexMap<String, CodecChoice>,
}

/// How one array is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayLayout {
    /// Type of the stored elements.
    pub data_type: DataType,
    /// Shape of a chunk (of an inner chunk, where there are shards).
    pub chunk_shape: Vec<u64>,
    /// Shape of a shard, multiples of the chunk.
    pub shard_shape: Option<Vec<u64>>,
    /// Codecs of a chunk, in encoding order.
    pub codecs: Vec<CodecMetadata>,
    /// What elements of chunks that are not written read as.
    pub fill_value: FillValue,
}

impl ArrayLayout {
    /// Shape of what is written as one object: the shard, else the chunk.
    pub fn unit_shape(&self) -> &[u64] {
        self.shard_shape.as_deref().unwrap_or(&self.chunk_shape)
    }

    /// Bytes of an element in memory; for text an estimate: some tens of characters, as they were read and where they go.
    pub fn element_size(&self) -> u64 {
        self.data_type.size().map_or(128, |size| size as u64)
    }
}

/// The layout that was asked for is impossible.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A dimension that no array has.
    #[error("there is no dimension {dim:?}; there are: {available}")]
    UnknownDimension {
        /// The name.
        dim: String,
        /// The dimensions.
        available: String,
    },
    /// A codec that is not understood.
    #[error("the codec {text:?} is not understood: {why}")]
    BadCodec {
        /// The codec, as written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// A shard that is no multiple of its chunks.
    #[error("along {dim:?} the shard length {shard} of {path} is no multiple of the chunk length {chunk}")]
    ShardNotMultiple {
        /// The array.
        path: NodePath,
        /// The dimension.
        dim: String,
        /// Shard length.
        shard: u64,
        /// Chunk length.
        chunk: u64,
    },
    /// More chunks than anyone meant.
    #[error("{path} would have {count} chunks or more, above the {limit} that firn writes")]
    TooManyChunks {
        /// The array.
        path: NodePath,
        /// Number of chunks.
        count: u64,
        /// The bound.
        limit: u64,
    },
}

impl LayoutError {
    /// How to mend it where a recipe asked for it.
    pub fn next_in_recipe(&self) -> String {
        match self {
            Self::UnknownDimension { .. } => "write one of these names (firn inspect FILE)".to_owned(),
            Self::ShardNotMultiple { dim, chunk, shard, .. } => {
                format!("say `target: {{shards: {{{dim}: {}}}}}`", chunk * shard.div_ceil(*chunk))
            }
            Self::TooManyChunks { .. } => "say larger `target: {chunks: …}`".to_owned(),
            Self::BadCodec { .. } => self.next(),
        }
    }
}

impl Diagnose for LayoutError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownDimension { .. } => "layout-unknown-dimension",
            Self::BadCodec { .. } => "layout-bad-codec",
            Self::ShardNotMultiple { .. } => "layout-shard-not-multiple",
            Self::TooManyChunks { .. } => "layout-too-many-chunks",
        }
    }

    fn category(&self) -> Category {
        Category::Usage
    }

    fn at(&self) -> At {
        match self {
            Self::ShardNotMultiple { path, .. } | Self::TooManyChunks { path, .. } => At::nowhere().node(path.as_str()),
            Self::UnknownDimension { dim, .. } => At::nowhere().node(dim.as_str()),
            Self::BadCodec { .. } => At::nowhere(),
        }
    }

    fn why(&self) -> String {
        match self {
            Self::UnknownDimension { .. } => "the store would not have the chunks that were asked for",
            Self::BadCodec { .. } => "no reader could decode the chunks",
            Self::ShardNotMultiple { .. } => "Zarr shards hold whole chunks only",
            Self::TooManyChunks { .. } => "that many objects are slow to write, to list and to read",
        }
        .to_owned()
    }

    fn next(&self) -> String {
        match self {
            Self::UnknownDimension { .. } => "see the dimensions: firn inspect URL".to_owned(),
            Self::BadCodec { .. } => {
                "use none, zstd:3, gzip:5, blosc-lz4:5:shuffle or blosc-zstd:5:bitshuffle".to_owned()
            }
            Self::ShardNotMultiple { dim, chunk, shard, .. } => {
                format!("use --shards {dim}={}", chunk * shard.div_ceil(*chunk))
            }
            Self::TooManyChunks { .. } => "ask for larger --chunks".to_owned(),
        }
    }
}

/// Larger chunks than this are cut where firn chooses: about what a reader likes to fetch at once.
const CHOSEN_CHUNK_BYTES: u64 = 8 << 20;
/// Uncompressed source chunks smaller than this are joined: one object for each would cost more than it holds.
const SMALL_UNCOMPRESSED: u64 = 64 << 10;
/// About the size that they are joined to.
const GROWN_CHUNK_BYTES: u64 = 1 << 20;
/// About the size of a shard where firn chooses.
const CHOSEN_SHARD_BYTES: u64 = 100 << 20;
/// A one-dimensional coordinate of up to this many elements is one chunk, whatever the data's chunks are: it is read whole.
const WHOLE_COORDINATE: u64 = 1 << 20;

/// The layout of one combined array.
///
/// # Errors
/// [`LayoutError::ShardNotMultiple`].
pub fn layout_of(path: &NodePath, array: &CombinedArray, options: &TargetOptions) -> Result<ArrayLayout, LayoutError> {
    let metadata = &array.metadata;
    let data_type = metadata.data_type;
    let shape = &metadata.shape;
    let element = data_type.size().unwrap_or(16) as u64;
    // A short list is one chunk: its readers read it whole.
    let is_list = options.chunks.is_none() && shape.len() == 1 && shape[0] <= WHOLE_COORDINATE;
    let is_coordinate = metadata.dimension_names.len() == 1
        && shape[0] <= WHOLE_COORDINATE
        && (metadata.dimension_names[0] == path.name()
            || matches!(array.content, crate::combine::CombinedContent::Values(_)));
    let source: Vec<u64> = metadata.chunk_grid.chunk_shape().map_or_else(|| shape.clone(), <[u64]>::to_vec);
    let mut chunk: Vec<u64> = match &options.chunks {
        _ if is_coordinate || is_list => shape.clone(),
        None => source.iter().zip(shape).map(|(c, s)| *c.min(s)).collect(),
        Some(lengths) => (0..shape.len())
            .map(|axis| match lengths.get(&metadata.dimension_names[axis]) {
                Some(ChunkLength::Of(n)) => n.get().min(shape[axis]),
                Some(ChunkLength::Auto) => source[axis].min(shape[axis]),
                Some(ChunkLength::Whole) | None => shape[axis],
            })
            .collect(),
    };
    if options.chunks.is_none() {
        if is_uncompressed(&metadata.codecs) {
            grow(&mut chunk, shape, element);
        }
        if chunk == *shape {
            cut(&mut chunk, element, CHOSEN_CHUNK_BYTES);
        }
    }
    for extent in &mut chunk {
        *extent = (*extent).max(1);
    }
    let name = path.name();
    let choice = options.codec_of.get(name).copied().unwrap_or(options.codec);
    let shard_shape = match &options.shards {
        Some(lengths) if !is_coordinate && chunk != *shape => {
            Some(shard_shape(path, &metadata.dimension_names, shape, &chunk, element, lengths)?)
        }
        _ => None,
    };
    Ok(ArrayLayout {
        data_type,
        codecs: choice.codecs(data_type),
        fill_value: fill_value_of(metadata),
        shard_shape: shard_shape.filter(|shard| *shard != chunk),
        chunk_shape: chunk,
    })
}

/// The value of unwritten cells: the format's own, else `_FillValue`, else zero.
pub fn fill_value_of(metadata: &crate::array::ArrayMetadata) -> FillValue {
    if let Some(fill) = &metadata.fill_value {
        return fill.clone();
    }
    match metadata.attributes.get("_FillValue") {
        Some(AttributeValue::Numbers(numbers)) if numbers.len() == 1 && numbers.data_type() == metadata.data_type => {
            FillValue::Fixed(numbers.to_le_bytes())
        }
        _ => FillValue::zero(metadata.data_type),
    }
}

/// Cuts a shape along its outer dimensions until it has at most about this many bytes.
fn cut(chunk: &mut [u64], element: u64, bytes: u64) {
    for axis in 0..chunk.len() {
        let now = product(chunk).and_then(|n| n.checked_mul(element)).unwrap_or(u64::MAX);
        if now <= bytes {
            return;
        }
        let inner = (now / chunk[axis].max(1)).max(1);
        chunk[axis] = (bytes / inner).clamp(1, chunk[axis].max(1));
    }
}

/// Records of classic NetCDF are no chunks that anybody chose: small ones are joined, along the innermost dimension that
/// is cut, to about [`GROWN_CHUNK_BYTES`].
fn grow(chunk: &mut [u64], shape: &[u64], element: u64) {
    let bytes = product(chunk).and_then(|n| n.checked_mul(element)).unwrap_or(u64::MAX).max(1);
    let cut = (0..shape.len()).rev().find(|axis| chunk[*axis] < shape[*axis]);
    if let (Some(axis), true) = (cut, bytes < SMALL_UNCOMPRESSED) {
        chunk[axis] = chunk[axis].saturating_mul((GROWN_CHUNK_BYTES / bytes).max(1)).min(shape[axis]);
    }
}

fn shard_shape(
    path: &NodePath,
    dims: &[String],
    shape: &[u64],
    chunk: &[u64],
    element: u64,
    lengths: &IndexMap<String, ChunkLength>,
) -> Result<Vec<u64>, LayoutError> {
    let mut shard = Vec::with_capacity(shape.len());
    let mut automatic = Vec::new();
    for axis in 0..shape.len() {
        let whole = shape[axis].div_ceil(chunk[axis]).max(1) * chunk[axis];
        shard.push(match lengths.get(&dims[axis]) {
            Some(ChunkLength::Of(n)) if n.get() % chunk[axis] == 0 => n.get().min(whole),
            Some(ChunkLength::Of(n)) if n.get() >= shape[axis] => whole,
            Some(ChunkLength::Of(n)) => {
                return Err(LayoutError::ShardNotMultiple {
                    path: path.clone(),
                    dim: dims[axis].clone(),
                    shard: n.get(),
                    chunk: chunk[axis],
                });
            }
            Some(ChunkLength::Auto) => {
                automatic.push(axis);
                chunk[axis]
            }
            Some(ChunkLength::Whole) | None => whole,
        });
    }
    // Dimensions left to firn grow from the innermost outwards.
    for axis in automatic.into_iter().rev() {
        let bytes = product(&shard).and_then(|n| n.checked_mul(element)).unwrap_or(u64::MAX).max(1);
        let whole = shape[axis].div_ceil(chunk[axis]).max(1);
        shard[axis] = chunk[axis] * (CHOSEN_SHARD_BYTES / bytes).clamp(1, whole);
    }
    Ok(shard)
}

/// Every dimension that the options name must exist somewhere.
///
/// # Errors
/// [`LayoutError::UnknownDimension`].
pub fn check_dimensions(
    arrays: &IndexMap<NodePath, CombinedArray>,
    options: &TargetOptions,
) -> Result<(), LayoutError> {
    let mut known: Vec<&str> =
        arrays.values().flat_map(|a| a.metadata.dimension_names.iter().map(String::as_str)).collect();
    known.sort_unstable();
    known.dedup();
    let named = options.chunks.iter().chain(&options.shards).flat_map(IndexMap::keys);
    for dim in named {
        if !known.contains(&dim.as_str()) {
            return Err(LayoutError::UnknownDimension { dim: dim.clone(), available: known.join(", ") });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_parsed_and_levels_checked() {
        assert_eq!(CodecChoice::parse("zstd:7").unwrap(), CodecChoice::Zstd { level: 7 });
        assert_eq!(CodecChoice::parse("none").unwrap(), CodecChoice::None);
        assert!(matches!(
            CodecChoice::parse("blosc-zstd:5:bitshuffle").unwrap(),
            CodecChoice::Blosc { shuffle: BloscShuffle::BitShuffle, level: 5, .. }
        ));
        for bad in ["", "zstd:99", "lzma", "none:1", "gzip:a", "blosc-lz4:5:twist", "zstd:1:x"] {
            assert!(CodecChoice::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn small_records_are_joined_and_chosen_chunks_are_not() {
        let mut records = vec![1, 30];
        grow(&mut records, &[1000, 30], 4);
        assert_eq!(records, vec![1000, 30]);
        let mut large = vec![1, 181, 360];
        grow(&mut large, &[1000, 181, 360], 4);
        assert_eq!(large, vec![1, 181, 360]);
    }

    #[test]
    fn a_large_chunk_is_cut_from_the_outside() {
        let mut chunk = vec![100, 1000, 1000];
        cut(&mut chunk, 4, 8 << 20);
        assert_eq!(chunk, vec![2, 1000, 1000]);
    }
}
