//! How the bytes of a chunk become elements, in Zarr v3's words and order (as encoded: array → bytes → bytes).

use std::fmt;

/// Byte order of stored elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// The compressor inside blosc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BloscCompressor {
    /// LZ4.
    Lz4,
    /// LZ4 HC.
    Lz4hc,
    /// BloscLZ.
    Blosclz,
    /// Zstandard.
    Zstd,
    /// Zlib.
    Zlib,
    /// Snappy.
    Snappy,
}

/// The filter inside blosc.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BloscShuffle {
    /// None.
    NoShuffle,
    /// By bytes.
    Shuffle,
    /// By bits.
    BitShuffle,
}

/// One step of the codec pipeline of an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodecMetadata {
    /// Elements ↔ bytes (Zarr v3 `bytes`). One-byte elements carry `Little`, which means nothing for them.
    Bytes {
        /// Byte order.
        endian: Endian,
    },
    /// Text ↔ bytes (`vlen-utf8`).
    VlenUtf8,
    /// Order of the dimensions (`transpose`).
    Transpose {
        /// Stored dimension `i` is dimension `order[i]` of the array.
        order: Vec<usize>,
    },
    /// Zlib stream (HDF5 deflate; Zarr v2 `zlib`; Zarr v3 `numcodecs.zlib`).
    Zlib {
        /// Level 0 to 9; says nothing about decoding.
        level: u8,
    },
    /// Gzip stream (`gzip`).
    Gzip {
        /// Level 0 to 9.
        level: u8,
    },
    /// Zstandard frame (`zstd`).
    Zstd {
        /// Level.
        level: i32,
        /// Whether a content checksum is written.
        checksum: bool,
    },
    /// Blosc 1 frame (`blosc`).
    Blosc {
        /// Inner compressor.
        compressor: BloscCompressor,
        /// Level 0 to 9.
        level: u8,
        /// Inner filter.
        shuffle: BloscShuffle,
        /// Element size that the filter works on, bytes.
        typesize: usize,
        /// Block size, 0 for automatic.
        blocksize: usize,
    },
    /// Byte shuffle (HDF5 shuffle; `numcodecs.shuffle`).
    Shuffle {
        /// Element size, bytes.
        element_size: usize,
    },
    /// HDF5 Fletcher32 checksum, 4 bytes appended (`numcodecs.fletcher32`).
    Fletcher32,
    /// CRC-32C, 4 bytes appended (`crc32c`).
    Crc32c,
    /// Several inner chunks and an index in one object (`sharding_indexed`).
    ShardingIndexed {
        /// Shape of an inner chunk; divides the shape of the shard.
        chunk_shape: Vec<u64>,
        /// Codecs of each inner chunk.
        codecs: Vec<CodecMetadata>,
        /// Codecs of the index.
        index_codecs: Vec<CodecMetadata>,
        /// Whether the index is at the end of the shard (else at its start).
        index_at_end: bool,
    },
    /// A codec that this version cannot decode; kept so that it can be named.
    Unknown {
        /// Its name, as its format says it.
        name: String,
        /// Its configuration, as text.
        configuration: String,
    },
}

impl fmt::Display for Endian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Little => "little",
            Self::Big => "big",
        })
    }
}

impl fmt::Display for BloscCompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lz4 => "lz4",
            Self::Lz4hc => "lz4hc",
            Self::Blosclz => "blosclz",
            Self::Zstd => "zstd",
            Self::Zlib => "zlib",
            Self::Snappy => "snappy",
        })
    }
}

impl fmt::Display for BloscShuffle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoShuffle => "noshuffle",
            Self::Shuffle => "shuffle",
            Self::BitShuffle => "bitshuffle",
        })
    }
}

/// The name, and what of the configuration decides how bytes are decoded: levels do not.
impl fmt::Display for CodecMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Bytes { endian } => write!(f, "({endian})"),
            Self::Transpose { order } => {
                write!(f, "({})", order.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
            }
            Self::Blosc { compressor, shuffle, typesize, .. } => write!(f, "({compressor}, {shuffle}, {typesize})"),
            Self::Shuffle { element_size } => write!(f, "({element_size})"),
            Self::ShardingIndexed { chunk_shape, codecs, .. } => {
                let shape = chunk_shape.iter().map(u64::to_string).collect::<Vec<_>>().join("×");
                write!(f, "({shape}: {})", list(codecs))
            }
            _ => Ok(()),
        }
    }
}

/// The codecs of a chain in encoding order: `numcodecs.shuffle(4), numcodecs.zlib`.
pub fn list(codecs: &[CodecMetadata]) -> String {
    codecs.iter().map(CodecMetadata::to_string).collect::<Vec<_>>().join(", ")
}

impl CodecMetadata {
    /// The name in Zarr v3 metadata (`numcodecs.*` where Zarr v3 has no core codec).
    pub fn name(&self) -> &str {
        match self {
            Self::Bytes { .. } => "bytes",
            Self::VlenUtf8 => "vlen-utf8",
            Self::Transpose { .. } => "transpose",
            Self::Zlib { .. } => "numcodecs.zlib",
            Self::Gzip { .. } => "gzip",
            Self::Zstd { .. } => "zstd",
            Self::Blosc { .. } => "blosc",
            Self::Shuffle { .. } => "numcodecs.shuffle",
            Self::Fletcher32 => "numcodecs.fletcher32",
            Self::Crc32c => "crc32c",
            Self::ShardingIndexed { .. } => "sharding_indexed",
            Self::Unknown { name, .. } => name,
        }
    }
}

/// Whether every element lies uncompressed at its place, so that parts of a chunk can be read by byte ranges.
pub fn is_uncompressed(codecs: &[CodecMetadata]) -> bool {
    matches!(codecs, [CodecMetadata::Bytes { .. }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_told_by_their_names_in_zarr_and_what_decides_decoding() {
        let blosc = CodecMetadata::Blosc {
            compressor: BloscCompressor::Zstd,
            level: 5,
            shuffle: BloscShuffle::BitShuffle,
            typesize: 4,
            blocksize: 0,
        };
        let shard = CodecMetadata::ShardingIndexed {
            chunk_shape: vec![2, 3],
            codecs: vec![CodecMetadata::Bytes { endian: Endian::Big }, blosc],
            index_codecs: vec![],
            index_at_end: true,
        };
        assert_eq!(shard.to_string(), "sharding_indexed(2×3: bytes(big), blosc(zstd, bitshuffle, 4))");
        let chain =
            [CodecMetadata::Shuffle { element_size: 4 }, CodecMetadata::Zlib { level: 1 }, CodecMetadata::Fletcher32];
        assert_eq!(list(&chain), "numcodecs.shuffle(4), numcodecs.zlib, numcodecs.fletcher32");
        let unknown = CodecMetadata::Unknown { name: "zfp".to_owned(), configuration: "{}".to_owned() };
        assert_eq!(list(&[CodecMetadata::Transpose { order: vec![1, 0] }, unknown]), "transpose(1, 0), zfp");
    }
}
