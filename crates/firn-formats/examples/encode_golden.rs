//! Prints the inputs of `tests/golden` as firn encodes them, one JSON object a line: `tests/golden/check_encoded.py` decodes
//! them with numcodecs.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use base64::Engine;
use firn_formats::chunk_codec::{ChunkSpec, encode};
use firn_formats::zarr::codecs_from_json;
use firn_model::diagnose::At;
use serde_json::{Value, json};

fn main() {
    let folder = format!("{}/tests/golden", env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read(format!("{folder}/{name}")).unwrap();
    let mut cases = Vec::new();
    for (input, size) in [("smooth_f4", 4), ("counts_i2", 2), ("noise", 1), ("noise", 3), ("ramp_f8", 8), ("zeros", 1)]
    {
        for cname in ["lz4", "zstd"] {
            for shuffle in ["noshuffle", "shuffle", "bitshuffle"] {
                for blocksize in [0, 600, 2048, 1 << 20] {
                    for clevel in [0, 1, 5] {
                        cases.push((input, json!({ "name": "blosc", "configuration": {
                            "cname": cname, "clevel": clevel, "shuffle": shuffle, "typesize": size, "blocksize": blocksize } })));
                    }
                }
            }
        }
        for level in [0, 1, 6, 9] {
            cases.push((input, json!({ "name": "gzip", "configuration": { "level": level } })));
            cases.push((input, json!({ "name": "numcodecs.zlib", "configuration": { "level": level } })));
            cases.push((input, json!({ "name": "zstd", "configuration": { "level": level, "checksum": level == 1 } })));
        }
    }
    for (input, codec) in cases {
        let data = read(&format!("{input}.bin"));
        let codecs = codecs_from_json(&Value::Array(vec![codec.clone()]), &At::nowhere()).unwrap();
        let shape = [data.len() as u64];
        let spec = ChunkSpec { shape: &shape, element_size: 1, fill_value: &[] };
        let encoded = encode(&data, &codecs, spec, &At::nowhere()).unwrap();
        let encoded = base64::engine::general_purpose::STANDARD.encode(encoded);
        println!("{}", json!({ "input": input, "codec": codec, "encoded": encoded }));
    }
}
