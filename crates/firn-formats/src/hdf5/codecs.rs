//! HDF5 filters in the model's words.

use super::message::filter::Filter;
use crate::FormatError;
use firn_model::array::codec::{BloscCompressor, BloscShuffle};
use firn_model::array::{CodecMetadata, Endian};
use firn_model::diagnose::At;

/// The codecs of a dataset: `bytes`, then its filters in the order of writing.
///
/// # Errors
/// `Unsupported`, with the name of the first filter that is not read.
pub(super) fn of_filters(
    at: &At,
    endian: Endian,
    filters: &[Filter],
    element_size: usize,
) -> Result<Vec<CodecMetadata>, FormatError> {
    let mut codecs = vec![CodecMetadata::Bytes { endian }];
    for filter in filters {
        codecs.push(of_filter(at, filter, element_size)?);
    }
    Ok(codecs)
}

fn of_filter(at: &At, filter: &Filter, element_size: usize) -> Result<CodecMetadata, FormatError> {
    let parameter = |number: usize| filter.parameters.get(number).copied();
    Ok(match filter.id {
        1 => CodecMetadata::Zlib { level: parameter(0).unwrap_or(0).min(9) as u8 },
        2 => CodecMetadata::Shuffle { element_size: parameter(0).map_or(element_size, |size| size as usize).max(1) },
        3 => CodecMetadata::Fletcher32,
        32015 => CodecMetadata::Zstd { level: parameter(0).unwrap_or(3) as i32, checksum: false },
        32001 => blosc(filter, element_size).ok_or_else(|| unknown(at, filter))?,
        _ => return Err(unknown(at, filter)),
    })
}

/// Parameters of blosc: two versions, element size, chunk size, level, shuffle, compressor. The frame itself repeats what
/// decoding needs.
fn blosc(filter: &Filter, element_size: usize) -> Option<CodecMetadata> {
    let parameter = |number: usize, default: u32| filter.parameters.get(number).copied().unwrap_or(default);
    Some(CodecMetadata::Blosc {
        compressor: match parameter(6, 0) {
            0 => BloscCompressor::Blosclz,
            1 => BloscCompressor::Lz4,
            2 => BloscCompressor::Lz4hc,
            4 => BloscCompressor::Zlib,
            5 => BloscCompressor::Zstd,
            _ => return None,
        },
        level: u8::try_from(parameter(4, 5)).ok().filter(|level| *level <= 9)?,
        shuffle: match parameter(5, 1) {
            0 => BloscShuffle::NoShuffle,
            1 => BloscShuffle::Shuffle,
            2 => BloscShuffle::BitShuffle,
            _ => return None,
        },
        typesize: match parameter(2, 0) {
            0 => element_size,
            size => size as usize,
        },
        blocksize: 0,
    })
}

fn unknown(at: &At, filter: &Filter) -> FormatError {
    let known = match filter.id {
        4 => "szip",
        5 => "nbit",
        6 => "scaleoffset",
        305 => "lzo",
        307 => "bzip2",
        32000 => "lzf",
        32001 => "blosc",
        32004 => "lz4",
        32008 => "bitshuffle",
        32013 => "zfp",
        32017 => "sz",
        32022 => "granular bitround",
        32026 => "blosc2",
        _ => filter.name.as_str(),
    };
    let name = if known.is_empty() { String::new() } else { format!(" ({known})") };
    let what = format!(
        "its chunks go through the filter {}{name} with parameters {:?}, which is not read",
        filter.id, filter.parameters
    );
    FormatError::unsupported("unsupported-hdf5-filter", at, what)
}
