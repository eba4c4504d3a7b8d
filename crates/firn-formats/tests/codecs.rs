//! Chunks as numcodecs and zarr-python encode them (`golden/make_golden.py`), decoded; and what is written, read again.
#![allow(clippy::unwrap_used, clippy::panic)]

use base64::Engine;
use bytes::Bytes;
use firn_formats::chunk_codec::{ChunkSpec, decode, decode_text, encode, encode_text};
use firn_formats::zarr::codecs_from_json;
use firn_model::array::CodecMetadata;
use firn_model::array::codec::{BloscCompressor, BloscShuffle};
use firn_model::diagnose::At;
use proptest::prelude::*;
use serde_json::Value;

fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

struct Case {
    label: String,
    codecs: Vec<CodecMetadata>,
    shape: Vec<u64>,
    element_size: usize,
    encoded: Bytes,
    decoded: Vec<u8>,
}

/// Zarr's cases fill absent inner chunks with -1.5.
const FILL: [u8; 4] = (-1.5f32).to_le_bytes();

impl Case {
    fn spec(&self) -> ChunkSpec<'_> {
        let fill_value: &[u8] = if self.element_size == 4 { &FILL } else { &[] };
        ChunkSpec { shape: &self.shape, element_size: self.element_size, fill_value }
    }
}

fn cases() -> Vec<Case> {
    let all: Vec<Value> = serde_json::from_slice(&golden("codecs.json")).unwrap();
    let numbers = all.iter().filter(|case| case.get("input").is_some());
    numbers
        .map(|case| {
            let length = case["length"].as_u64().unwrap();
            let mut decoded = golden(&format!("{}.bin", case["input"].as_str().unwrap()));
            decoded.truncate(length as usize);
            let shape = case.get("shape").map(|s| serde_json::from_value(s.clone()).unwrap());
            Case {
                label: format!("{} {}", case["input"], case["codecs"]),
                codecs: codecs_from_json(&case["codecs"], &At::nowhere()).unwrap(),
                element_size: case.get("element_size").and_then(Value::as_u64).unwrap_or(1) as usize,
                shape: shape.unwrap_or_else(|| vec![length]),
                encoded: base64::engine::general_purpose::STANDARD
                    .decode(case["encoded"].as_str().unwrap())
                    .unwrap()
                    .into(),
                decoded,
            }
        })
        .collect()
}

#[test]
fn chunks_of_numcodecs_and_zarr_python_decode_to_their_input() {
    let cases = cases();
    assert!(cases.len() > 90);
    for case in &cases {
        let decoded = decode(case.encoded.clone(), &case.codecs, 0, case.spec(), &At::nowhere());
        assert!(decoded.is_ok_and(|d| d == case.decoded), "{}", case.label);
    }
}

#[test]
fn text_of_numcodecs_decodes_and_encodes_to_the_same_bytes() {
    let all: Vec<Value> = serde_json::from_slice(&golden("codecs.json")).unwrap();
    let case = all.iter().find(|case| case.get("texts").is_some()).unwrap();
    let texts: Vec<String> = serde_json::from_value(case["texts"].clone()).unwrap();
    let encoded = base64::engine::general_purpose::STANDARD.decode(case["encoded"].as_str().unwrap()).unwrap();
    let at = At::nowhere();
    let decoded = decode_text(encoded.clone().into(), &[CodecMetadata::VlenUtf8], &[5], "", &at).unwrap();
    assert_eq!(decoded, texts);
    assert_eq!(encode_text(&texts, &[CodecMetadata::VlenUtf8], &at).unwrap(), encoded);
    assert!(decode_text(encoded.into(), &[CodecMetadata::VlenUtf8], &[6], "", &at).is_err());
}

fn can_encode(codecs: &[CodecMetadata]) -> bool {
    codecs.iter().all(|codec| match codec {
        CodecMetadata::Blosc { compressor, .. } => matches!(compressor, BloscCompressor::Lz4 | BloscCompressor::Zstd),
        _ => true,
    })
}

#[test]
fn what_is_encoded_decodes_to_the_same() {
    for case in cases().iter().filter(|case| can_encode(&case.codecs)) {
        let encoded = encode(&case.decoded, &case.codecs, case.spec(), &At::nowhere()).unwrap();
        let decoded = decode(encoded.into(), &case.codecs, 0, case.spec(), &At::nowhere()).unwrap();
        assert!(decoded == case.decoded, "{}", case.label);
    }
}

#[test]
fn checksums_shuffles_and_shards_are_written_as_the_others_write_them() {
    for case in cases() {
        let exact = case.codecs.iter().all(|codec| {
            use CodecMetadata as C;
            match codec {
                C::Bytes { .. } | C::Transpose { .. } | C::Shuffle { .. } | C::Fletcher32 | C::Crc32c => true,
                // zarr-python orders inner chunks by Morton code: the bytes differ, the content does not.
                _ => false,
            }
        });
        if exact {
            let encoded = encode(&case.decoded, &case.codecs, case.spec(), &At::nowhere()).unwrap();
            assert!(encoded == case.encoded, "{}", case.label);
        }
    }
}

/// A chunk cut anywhere must be an error: only then is a short read never taken for data.
#[test]
fn a_chunk_that_is_cut_short_is_refused() {
    for case in cases() {
        let step = (case.encoded.len() / 50).max(1);
        for cut in (0..case.encoded.len()).step_by(step) {
            let short = case.encoded.slice(..cut);
            let decoded = decode(short, &case.codecs, 0, case.spec(), &At::nowhere());
            assert!(decoded.is_err(), "{} cut at {cut}", case.label);
        }
    }
}

/// Damage may go unnoticed where there is no checksum, but never panics and never gives another length.
#[test]
fn a_damaged_chunk_gives_an_error_or_the_right_length() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for case in cases() {
        for _ in 0..200 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let mut bytes = case.encoded.to_vec();
            let place = if seed & 1 == 0 { seed as usize >> 8 } else { (seed as usize >> 8) % 64 } % bytes.len();
            bytes[place] ^= (seed >> 56) as u8 | 1;
            if let Ok(decoded) = decode(bytes.into(), &case.codecs, 0, case.spec(), &At::nowhere()) {
                assert_eq!(decoded.len(), case.decoded.len(), "{}", case.label);
            }
        }
    }
}

fn plain(shape: &[u64]) -> ChunkSpec<'_> {
    ChunkSpec { shape, element_size: 1, fill_value: &[] }
}

#[test]
fn a_chunk_that_inflates_beyond_its_size_is_refused() {
    let at = At::nowhere();
    let zeros = vec![0u8; 1 << 20];
    for codec in [
        CodecMetadata::Zlib { level: 9 },
        CodecMetadata::Gzip { level: 9 },
        CodecMetadata::Zstd { level: 9, checksum: false },
        CodecMetadata::Blosc {
            compressor: BloscCompressor::Lz4,
            level: 5,
            shuffle: BloscShuffle::NoShuffle,
            typesize: 1,
            blocksize: 0,
        },
    ] {
        let codecs = [codec];
        let bomb: Bytes = encode(&zeros, &codecs, plain(&[1 << 20]), &at).unwrap().into();
        for claimed in [0, 1, 1000, (1 << 20) - 1, (1 << 20) + 1, 1 << 30] {
            assert!(decode(bomb.clone(), &codecs, 0, plain(&[claimed]), &at).is_err(), "{codecs:?} as {claimed} bytes");
        }
    }
}

#[test]
fn a_skipped_filter_is_not_undone() {
    let at = At::nowhere();
    let codecs = [
        CodecMetadata::Bytes { endian: firn_model::array::Endian::Little },
        CodecMetadata::Shuffle { element_size: 4 },
        CodecMetadata::Zlib { level: 3 },
    ];
    let data: Vec<u8> = (0..64).collect();
    let spec = ChunkSpec { shape: &[16], element_size: 4, fill_value: &[] };
    let only_shuffled = encode(&data, &codecs[..2], spec, &at).unwrap();
    assert_eq!(decode(only_shuffled.into(), &codecs, 0b10, spec, &at).unwrap(), data);
    assert_eq!(decode(data.clone().into(), &codecs, 0b11, spec, &at).unwrap(), data);
}

#[test]
fn gzip_members_in_a_row_are_one_chunk() {
    let at = At::nowhere();
    let codecs = [CodecMetadata::Gzip { level: 1 }];
    let mut members = encode(b"snow turns ", &codecs, plain(&[11]), &at).unwrap();
    members.extend(encode(b"to firn", &codecs, plain(&[7]), &at).unwrap());
    assert_eq!(decode(members.into(), &codecs, 0, plain(&[18]), &at).unwrap(), &b"snow turns to firn"[..]);
}

#[test]
fn compressors_after_one_another_are_undone() {
    let at = At::nowhere();
    let codecs =
        [CodecMetadata::Zlib { level: 6 }, CodecMetadata::Zstd { level: 3, checksum: true }, CodecMetadata::Crc32c];
    let data: Vec<u8> = (0..100_000u32).map(|i| (i / 100) as u8).collect();
    let spec = ChunkSpec { shape: &[100_000], element_size: 1, fill_value: &[] };
    let encoded = encode(&data, &codecs, spec, &at).unwrap();
    assert_eq!(decode(encoded.into(), &codecs, 0, spec, &at).unwrap(), data);
}

#[test]
fn bytes_that_no_codec_changed_are_not_copied() {
    let stored = Bytes::from(vec![7u8; 4096]);
    let spec = ChunkSpec { shape: &[1024], element_size: 4, fill_value: &[] };
    let codecs = [CodecMetadata::Bytes { endian: firn_model::array::Endian::Little }];
    let decoded = decode(stored.clone(), &codecs, 0, spec, &At::nowhere()).unwrap();
    assert_eq!(decoded.as_ptr(), stored.as_ptr());
}

fn any_blosc() -> impl Strategy<Value = CodecMetadata> {
    let compressor = prop_oneof![Just(BloscCompressor::Lz4), Just(BloscCompressor::Zstd)];
    let shuffle =
        prop_oneof![Just(BloscShuffle::NoShuffle), Just(BloscShuffle::Shuffle), Just(BloscShuffle::BitShuffle)];
    (compressor, shuffle, 0u8..6, 1usize..20, 0usize..3000).prop_map(
        |(compressor, shuffle, level, typesize, blocksize)| CodecMetadata::Blosc {
            compressor,
            level,
            shuffle,
            typesize,
            blocksize,
        },
    )
}

fn any_codecs() -> impl Strategy<Value = Vec<CodecMetadata>> {
    let one = prop_oneof![
        (0u8..10).prop_map(|level| CodecMetadata::Zlib { level }),
        (0u8..10).prop_map(|level| CodecMetadata::Gzip { level }),
        (-5i32..8, any::<bool>()).prop_map(|(level, checksum)| CodecMetadata::Zstd { level, checksum }),
        any_blosc(),
        (0usize..20).prop_map(|element_size| CodecMetadata::Shuffle { element_size }),
        Just(CodecMetadata::Fletcher32),
        Just(CodecMetadata::Crc32c),
    ];
    prop::collection::vec(one, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_codecs_round_trip(
        codecs in any_codecs(),
        data in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..5000),
            (0usize..20000, 1usize..300).prop_map(|(n, k)| (0..n).map(|i| (i / k) as u8).collect()),
        ],
    ) {
        let shape = [data.len() as u64];
        let spec = ChunkSpec { shape: &shape, element_size: 1, fill_value: &[] };
        let encoded = encode(&data, &codecs, spec, &At::nowhere()).unwrap();
        let decoded = decode(encoded.into(), &codecs, 0, spec, &At::nowhere()).unwrap();
        prop_assert_eq!(&decoded[..], &data[..]);
    }
}
