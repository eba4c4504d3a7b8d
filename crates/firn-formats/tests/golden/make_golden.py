#!/usr/bin/env python3
"""Writes codecs.json: chunks as numcodecs and zarr-python encode them, for tests/codecs.rs.

Inputs are `<name>.bin` beside it: little-endian elements. Needs numcodecs 0.16 and zarr 3.1.
"""
import asyncio
import base64
import json
import pathlib

import numcodecs
import numpy as np
import zarr
from zarr.storage import MemoryStore

HERE = pathlib.Path(__file__).resolve().parent
SHAPE = (20, 20, 5)


def inputs():
    rng = np.random.default_rng(20150101)
    i = np.arange(np.prod(SHAPE))
    smooth = (280 + 10 * np.sin(i / 50)).astype("<f4").round(2)
    return {
        "smooth_f4": smooth.tobytes(),                                     # 8000 bytes, compresses well
        "counts_i2": (i % 311).astype("<i2").tobytes(),                    # 4000 bytes
        "noise": rng.integers(0, 256, 1203, dtype="u1").tobytes(),         # does not compress, odd length
        "ramp_f8": np.linspace(0, 1, 900).astype("<f8").tobytes(),        # 7200 bytes
        "zeros": bytes(9001),
    }


def codec_cases(data):
    yield "noise", {"name": "numcodecs.zlib", "configuration": {"level": 4}}, numcodecs.Zlib(4)
    yield "smooth_f4", {"name": "numcodecs.zlib", "configuration": {"level": 1}}, numcodecs.Zlib(1)
    yield "counts_i2", {"name": "gzip", "configuration": {"level": 5}}, numcodecs.GZip(5)
    yield "zeros", {"name": "gzip", "configuration": {"level": 9}}, numcodecs.GZip(9)
    for checksum in (False, True):
        for name in ("smooth_f4", "noise", "zeros"):
            yield name, {"name": "zstd", "configuration": {"level": 3, "checksum": checksum}}, numcodecs.Zstd(3, checksum)
    for name, size in (("smooth_f4", 4), ("ramp_f8", 8), ("counts_i2", 2), ("noise", 3)):
        yield name, {"name": "numcodecs.shuffle", "configuration": {"elementsize": size}}, numcodecs.Shuffle(size)
    for name in ("noise", "smooth_f4", "zeros"):
        yield name, {"name": "numcodecs.fletcher32"}, numcodecs.Fletcher32()
    shuffles = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}
    for cname in ("blosclz", "lz4", "lz4hc", "zlib", "zstd"):
        for shuffle, number in shuffles.items():
            for name, size, block in (("smooth_f4", 4, 0), ("smooth_f4", 4, 2048), ("counts_i2", 2, 1000),
                                      ("noise", 4, 0), ("ramp_f8", 8, 2048), ("zeros", 1, 0), ("noise", 3, 512)):
                if cname in ("lz4hc", "zlib") and block != 2048:
                    continue
                # numcodecs takes the element size from the buffer: give it elements of that size.
                raw = np.frombuffer(data[name][:len(data[name]) // size * size], dtype=f"V{size}" if size == 3 else f"u{size}")
                codec = numcodecs.Blosc(cname=cname, clevel=5, shuffle=number, blocksize=block)
                config = {"cname": cname, "clevel": 5, "shuffle": shuffle, "typesize": size, "blocksize": block}
                yield (name, len(raw.tobytes())), {"name": "blosc", "configuration": config}, (codec, raw)


def zarr_cases(data):
    values = np.frombuffer(data["smooth_f4"], "<f4").reshape(SHAPE)
    big = {"name": "bytes", "configuration": {"endian": "big"}}
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    crc = {"name": "crc32c"}
    zstd = {"name": "zstd", "configuration": {"level": 0, "checksum": False}}
    transpose = {"name": "transpose", "configuration": {"order": [2, 0, 1]}}

    def sharding(location, codecs, shape=(10, 10, 5)):
        return {"name": "sharding_indexed", "configuration": {
            "chunk_shape": list(shape), "codecs": codecs, "index_codecs": [little, crc], "index_location": location}}

    for name, codecs, empty in (
        ("big-endian", [big], False),
        ("crc32c", [little, crc], False),
        ("transpose", [transpose, little, zstd], False),
        ("transpose-big", [transpose, big], False),
        ("shards-index-at-end", [sharding("end", [little, zstd])], False),
        ("shards-index-at-start", [sharding("start", [little, zstd, crc])], False),
        ("shards-with-empty-inner-chunks", [sharding("end", [big])], True),
        ("shards-of-transposed-chunks", [sharding("end", [transpose, little])], False),
        ("shards-in-shards", [sharding("end", [sharding("start", [little], (5, 10, 5))])], False),
    ):
        written = values.copy()
        if empty:
            written[10:20, :10] = -1.5
        store = MemoryStore()
        meta = {"zarr_format": 3, "node_type": "array", "shape": SHAPE, "data_type": "float32", "fill_value": -1.5,
                "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": SHAPE}}, "codecs": codecs,
                "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "attributes": {}}
        asyncio.run(put(store, "zarr.json", json.dumps(meta).encode()))
        with zarr.config.set({"array.write_empty_chunks": False}):
            zarr.open_array(store, mode="r+")[...] = written
        yield name, codecs, bytes(store._store_dict["c/0/0/0"].to_bytes()), "smooth_f4" if not empty else None, written


async def put(store, key, value):
    from zarr.core.buffer import default_buffer_prototype
    await store.set(key, default_buffer_prototype().buffer.from_bytes(value))


def main():
    data = inputs()
    for name, raw in data.items():
        (HERE / f"{name}.bin").write_bytes(raw)
    bytes_codec = {"name": "bytes", "configuration": {"endian": "little"}}
    cases = []
    for name, config, codec in codec_cases(data):
        if isinstance(name, tuple):
            name, length = name
            codec, raw = codec
            encoded = codec.encode(raw)
        else:
            length = len(data[name])
            encoded = codec.encode(data[name])
        cases.append({"input": name, "length": length, "codecs": [bytes_codec, config],
                      "encoded": base64.b64encode(bytes(encoded)).decode()})
    for name, codecs, encoded, source, written in zarr_cases(data):
        case = {"name": name, "input": source, "length": written.nbytes, "codecs": codecs, "shape": SHAPE, "element_size": 4,
                "encoded": base64.b64encode(encoded).decode()}
        if source is None:
            case["input"] = "smooth_f4_with_fill"
            (HERE / "smooth_f4_with_fill.bin").write_bytes(written.tobytes())
        cases.append(case)
    texts = np.array(["", "snow", "Schnee ❄", "a\nb", "x" * 300], dtype=object)
    cases.append({"texts": list(texts), "codecs": [{"name": "vlen-utf8"}],
                  "encoded": base64.b64encode(bytes(numcodecs.VLenUTF8().encode(texts))).decode()})
    (HERE / "codecs.json").write_text("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")
    print(len(cases), "cases,", (HERE / "codecs.json").stat().st_size, "bytes")


if __name__ == "__main__":
    main()
