#!/usr/bin/env python3
"""Writes store.json, the objects of a store made by zarr-python 3.1, and values.json, what it reads from it: for tests/zarr.rs."""
import base64
import hashlib
import json
import pathlib
import tempfile
import warnings

import numpy as np
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec
from zarr.codecs.numcodecs import Fletcher32, Shuffle, Zlib

HERE = pathlib.Path(__file__).resolve().parent
SHAPE, CHUNKS, SHARDS = (7, 10), (2, 5), (4, 10)


def main():
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        make(pathlib.Path(folder))


def make(store):
    root = zarr.create_group(store, attributes={
        "title": "Schnee ❄", "count": 3, "ratio": 1.0, "tiny": 1e-7, "flags": [1, 2, 3], "range": [0.5, float("nan")],
        "nan": float("nan"), "words": ["a", "b"], "nested": {"a": [1, {"b": None}]}, "yes": True})
    values = (np.arange(70).reshape(SHAPE) * 3 - 40)

    def add(group, name, dtype, fill, written=None, **options):
        options = {"shape": SHAPE, "chunks": CHUNKS, "dimension_names": ("y", "x")} | options
        array = group.create_array(name, dtype=dtype, fill_value=fill, **options)
        data = values.astype(dtype) if written is None else written
        array[...] = data
        return array

    for dtype in ("int8", "int16", "int32", "int64", "float16", "float32", "float64"):
        add(root, dtype, dtype, -1)
    for dtype in ("uint8", "uint16", "uint32", "uint64"):
        add(root, dtype, dtype, 200, (values + 40).astype(dtype))
    add(root, "bool", "bool", True, values % 2 == 0)
    add(root, "nan_fill", "float32", np.nan, compressors=None)
    add(root, "inf_fill", "float64", -np.inf, compressors=GzipCodec(level=5))
    add(root, "float_fill", "float32", 1e20, compressors=BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"))
    add(root, "bitshuffled", "int16", 0, compressors=BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle"))
    add(root, "hdf5_like", "int32", 0, compressors=[Shuffle(elementsize=4), Zlib(level=4), Fletcher32()])
    add(root, "checked", "int32", 0, compressors=[ZstdCodec(level=3, checksum=True), Crc32cCodec()])
    add(root, "transposed", "int16", 0, filters=[TransposeCodec(order=(1, 0))])
    add(root, "big_endian", "int16", 0, serializer=zarr.codecs.BytesCodec(endian="big"))
    add(root, "dotted", "int16", 0, chunk_key_encoding={"name": "default", "separator": "."})
    add(root, "v2_keys", "int16", 0, chunk_key_encoding={"name": "v2", "separator": "."})
    add(root, "unnamed", "int16", 0, dimension_names=None)
    texts = np.array([f"text {i}" if i % 3 else "" for i in range(70)], dtype=object).reshape(SHAPE)
    add(root, "text", str, "none", texts)
    add(root, "scalar", "float64", 0.0, np.array(2.5), shape=(), chunks=(), dimension_names=())
    add(root, "scalar_text", str, "", np.array("one", dtype=object), shape=(), chunks=(), dimension_names=())
    group = root.create_group("group", attributes={"level": 1})
    add(group, "sharded", "float32", np.nan, shards=SHARDS, compressors=ZstdCodec(level=3))
    add(group, "sharded_text", str, "", texts, shards=SHARDS)
    partly = root.create_group("group/inner").create_array(
        "partly", shape=SHAPE, chunks=CHUNKS, shards=SHARDS, dtype="int32", fill_value=-7, dimension_names=("y", "x"))
    partly[4:6, 0:5] = 1  # one inner chunk of one shard
    empty = root.create_array("empty", shape=(0, 4), chunks=(1, 4), dtype="int16", fill_value=0, dimension_names=("t", "x4"))
    empty.attrs["units"] = "K"
    zarr.consolidate_metadata(store)
    seen = {}
    for path, array in zarr.open_group(store, mode="r").members(max_depth=None):
        if isinstance(array, zarr.Array):
            data = np.asarray(array[...])
            if data.dtype.kind in "OUT":
                seen[path] = {"texts": [str(v) for v in data.reshape(-1)]}
            else:
                little = np.ascontiguousarray(data, dtype=data.dtype.newbyteorder("<"))
                seen[path] = {"blake2b": hashlib.blake2b(little.tobytes(), digest_size=32).hexdigest()}
    (HERE / "values.json").write_text(json.dumps(seen, indent=1, ensure_ascii=False) + "\n")
    objects = {str(p.relative_to(store)): base64.b64encode(p.read_bytes()).decode() for p in sorted(store.rglob("*")) if p.is_file()}
    (HERE / "store.json").write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in objects.items()) + "\n}\n")
    print(len(seen), "arrays,", len(objects), "objects")


if __name__ == "__main__":
    main()
