//! Chunks of every codec: what was encoded decodes to the same bytes, what was damaged after that is an error or bytes.
//!
//! The input is: codec, element size, number of damages, three bytes for each damage (two of position, one of content), data.
//! A first byte above 127 takes the data for an encoded chunk as it is.
#![no_main]

use bytes::Bytes;
use firn_formats::chunk_codec::{ChunkSpec, decode, decode_text, encode};
use firn_fuzz::{at, expect_no_bug};
use firn_model::array::codec::{BloscCompressor, BloscShuffle};
use firn_model::array::{CodecMetadata, Endian};

const COMPRESSORS: [BloscCompressor; 6] = [
    BloscCompressor::Lz4,
    BloscCompressor::Lz4hc,
    BloscCompressor::Blosclz,
    BloscCompressor::Zstd,
    BloscCompressor::Zlib,
    BloscCompressor::Snappy,
];
const SHUFFLES: [BloscShuffle; 3] = [BloscShuffle::NoShuffle, BloscShuffle::Shuffle, BloscShuffle::BitShuffle];

fn codecs(selector: u8, element_size: usize, elements: u64) -> Vec<CodecMetadata> {
    let big = CodecMetadata::Bytes { endian: Endian::Big };
    let little = CodecMetadata::Bytes { endian: Endian::Little };
    let zstd = CodecMetadata::Zstd { level: 1, checksum: selector & 1 == 0 };
    match selector % 28 {
        0 => vec![little, CodecMetadata::Zlib { level: 1 }],
        1 => vec![little, CodecMetadata::Gzip { level: 1 }],
        2 | 3 => vec![big, zstd],
        4 => vec![
            big,
            CodecMetadata::Shuffle { element_size },
            CodecMetadata::Zlib { level: 6 },
            CodecMetadata::Fletcher32,
        ],
        5 => vec![little, CodecMetadata::Crc32c],
        6 => vec![big],
        7 | 8 => {
            let inner = vec![little.clone(), zstd];
            let index_codecs = vec![little, CodecMetadata::Crc32c];
            let chunk_shape = vec![elements.div_ceil(2).max(1)];
            vec![CodecMetadata::ShardingIndexed {
                chunk_shape,
                codecs: inner,
                index_codecs,
                index_at_end: selector % 28 == 7,
            }]
        }
        9 => vec![CodecMetadata::Transpose { order: vec![0] }, little],
        other => {
            let choice = usize::from(other - 10);
            let (compressor, shuffle) = (COMPRESSORS[choice / 3], SHUFFLES[choice % 3]);
            vec![little, CodecMetadata::Blosc { compressor, level: 1, shuffle, typesize: element_size, blocksize: 0 }]
        }
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [selector, size, damages, rest @ ..] = data else { return };
    let element_size = [1usize, 2, 4, 8][usize::from(size % 4)];
    let damages = usize::from(damages % 8).min(rest.len() / 3);
    let (damage, payload) = rest.split_at(damages * 3);
    let payload = &payload[..payload.len() / element_size * element_size];
    let elements = (payload.len() / element_size) as u64;
    let mut shape = [elements];
    let fill_value = vec![7; element_size];
    let codecs = codecs(*selector & 127, element_size, elements);
    if selector & 128 != 0 {
        // How long it should be is in the input too, so that a size that lies can be told from one that does not.
        shape[0] = u64::from(data[2]) * 16;
        let spec = ChunkSpec { shape: &shape, element_size, fill_value: &fill_value };
        if let Err(error) = decode(Bytes::copy_from_slice(payload), &codecs, 0, spec, &at()) {
            expect_no_bug(&error);
        }
        if let Err(error) = decode_text(Bytes::copy_from_slice(payload), &[CodecMetadata::VlenUtf8], &shape, "", &at())
        {
            expect_no_bug(&error);
        }
        return;
    }
    if codecs.iter().any(
        |codec| matches!(codec, CodecMetadata::ShardingIndexed { chunk_shape, .. } if !elements.is_multiple_of(chunk_shape[0])),
    ) {
        return;
    }
    let spec = ChunkSpec { shape: &shape, element_size, fill_value: &fill_value };
    let mut encoded = match encode(payload, &codecs, spec, &at()) {
        Ok(encoded) => encoded,
        Err(error) => return expect_no_bug(&error),
    };
    for place in damage.as_chunks::<3>().0 {
        let position = usize::from(u16::from_le_bytes([place[0], place[1]]));
        if let Some(byte) = encoded.get_mut(position) {
            *byte = place[2];
        }
    }
    match decode(encoded.into(), &codecs, 0, spec, &at()) {
        Ok(decoded) => assert!(decoded.len() == payload.len() && (!damage.is_empty() || decoded == payload)),
        Err(error) if damage.is_empty() => panic!("what was encoded does not decode: {error}"),
        Err(error) => expect_no_bug(&error),
    }
});
