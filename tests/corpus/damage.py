#!/usr/bin/env python3
"""Every truncation and every changed byte of small files and stores of each format, through the readers: an error or the right answer.

    damage.py [--every 1] [--masks 1,128,255] [--jobs N] [--keep DIR] [FORMAT...]

The rules are those of fuzz/src/bin/damage.rs, which does the damage. NetCDF-3, HDF5 and netCDF-4 are the files of testdata/ up to
16 KiB; Zarr stores are written by zarr-python here, references by firn from those files, twenty of each.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import warnings

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.binary import TESTDATA, binary, environment  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
LARGEST = 16_384
MANY = 20
DTYPES = ["i1", "<i2", ">i4", "<i8", "u1", "<u2", "<u4", "<f2", "<f4", ">f8", "bool"]


def small(*folders):
    files = [path for folder in folders for path in sorted((TESTDATA / folder).iterdir())]
    return [path for path in files if path.is_file() and path.stat().st_size <= LARGEST]


def values(dtype, shape):
    numbers = np.arange(int(np.prod(shape))).reshape(shape) * 7 % 50
    return (numbers % 2 == 0) if dtype == "bool" else numbers.astype(dtype)


def write(folder, zarr_format, number, arrays, nested=False):
    """One store: some arrays with attributes and dimension names, consolidated or not."""
    import zarr
    root = zarr.create_group(folder, zarr_format=zarr_format, attributes={"title": "Schnee \u2744", "number": number, "ratio": 0.5})
    for name, dtype, options in arrays:
        group = root.require_group("below") if nested and name != arrays[0][0] else root
        shape = options.pop("shape", (5, 6))
        attributes = {"units": "m", "scale": [1.0, 2.5]}
        if zarr_format == 2:
            attributes["_ARRAY_DIMENSIONS"] = ["y", "x"][:len(shape)]
        else:
            options["dimension_names"] = ("y", "x")[:len(shape)]
        array = group.create_array(name, shape=shape, dtype=dtype, attributes=attributes, **options)
        array[...] = np.array(["a", "", "\u00fcber"] * 10, dtype=object).reshape(shape) if dtype is str else values(dtype, shape)
    if number % 2:
        zarr.consolidate_metadata(folder)


def codecs_v2():
    import numcodecs
    return [None, numcodecs.Zlib(5), numcodecs.GZip(3), numcodecs.Zstd(3), numcodecs.Blosc("lz4", 5, 1), numcodecs.Blosc("zstd", 3, 2)]


def codecs_v3():
    from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec
    return [None, GzipCodec(level=5), ZstdCodec(level=3), ZstdCodec(level=3, checksum=True), BloscCodec(cname="lz4", clevel=5, shuffle="shuffle"),
            [ZstdCodec(level=3), Crc32cCodec()]]


def zarr_v2(folder):
    for number in range(MANY):
        dtype, compressor = DTYPES[number % len(DTYPES)], codecs_v2()[number % 6]
        options = {"chunks": (3, 4), "compressors": compressor, "fill_value": 0, "order": "FC"[number % 2], "chunk_key_encoding": {"name": "v2", "separator": "./"[number % 3 == 0]}}
        arrays = [("a", dtype, options), ("b", "<f4", {"chunks": (6,), "shape": (6,), "compressors": compressor, "fill_value": np.nan})]
        write(folder / f"{number:02}", 2, number, arrays, nested=number % 5 == 4)


def zarr_v3(folder):
    for number in range(MANY):
        dtype, compressor = DTYPES[number % len(DTYPES)], codecs_v3()[number % 6]
        if number == 19:
            dtype, compressor = str, codecs_v3()[2]
        options = {"chunks": (3, 4), "compressors": compressor, "fill_value": "" if dtype is str else 0}
        arrays = [("a", dtype, options), ("b", "<f8", {"chunks": (6,), "shape": (6,), "compressors": compressor, "fill_value": -np.inf})]
        # What ends in a checksum over all of its bytes; that of zstd and gzip covers the content.
        name = f"checked-{number:02}" if number % 6 == 5 else f"{number:02}"
        write(folder / name, 3, number, arrays, nested=number % 5 == 4)


def zarr_sharded(folder):
    for number in range(MANY):
        compressor = codecs_v3()[number % 6]
        options = {"chunks": (2, 3), "shards": (4, 6), "compressors": compressor, "fill_value": 0}
        name = f"checked-{number:02}" if number % 6 == 5 else f"{number:02}"
        write(folder / name, 3, number, [("a", DTYPES[number % len(DTYPES)], options)])


def kerchunk(folder):
    """References by firn into the small files, and some by hand in both versions."""
    made = 0
    for path in small("netcdf3", "hdf5", "netcdf4"):
        if made == MANY or path.stat().st_size > 9_000:
            continue
        place = folder / path.stem
        place.mkdir(parents=True)
        data = shutil.copy(path, place / path.name)
        run = subprocess.run([binary(), "virtualize", data, "--target", str(place / "references.json"), "--format", "kerchunk-json"], env=environment(),
                             capture_output=True, check=False)
        if run.returncode == 0:
            made += 1
        else:
            shutil.rmtree(place)
    for number in range(4):
        array = {"zarr_format": 2, "shape": [3, 2], "chunks": [2, 2], "dtype": "<f4", "fill_value": "NaN", "order": "C", "compressor": None, "filters": None}
        refs = {".zgroup": '{"zarr_format":2}', "a/.zarray": json.dumps(array), "a/.zattrs": '{"_ARRAY_DIMENSIONS":["y","x"]}', "a/0.0": ["{{u}}", 3, 16],
                "a/1.0": "base64:AAAAAAAAAAAAAAAAAAAAAA=="}
        place = folder / f"by-hand-{number}"
        place.mkdir(parents=True)
        (place / "data.bin").write_bytes(bytes(range(40)))
        whole = {"version": 1, "templates": {"u": "file:///data.bin"}, "refs": refs} if number % 2 else refs | {"a/0.0": ["file:///data.bin", 3, 16]}
        (place / "references.json").write_text(json.dumps(whole, indent=number if number > 1 else None))


FORMATS = {"netcdf3": None, "hdf5": None, "zarr_v2": zarr_v2, "zarr_v3": zarr_v3, "zarr_sharded": zarr_sharded, "kerchunk": kerchunk}


def inputs(name, folder):
    if name == "netcdf3":
        return small("netcdf3")
    if name == "hdf5":
        return small("hdf5", "netcdf4", "hdf5_hostile")
    FORMATS[name](folder / name)
    return sorted((folder / name).iterdir())


def main():
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", default=list(FORMATS), metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--masks", default="1,128,255")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    cargo = os.environ.get("CARGO", "cargo")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    subprocess.run([cargo, "build", "--quiet", "--locked", "-p", "firn-fuzz", "--bin", "damage"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(prefix="firn-damage-") as scratch:
        folder = options.keep or pathlib.Path(scratch)
        all_inputs = []
        for name in options.formats:
            found = inputs(name, folder)
            assert len(found) >= MANY, f"{name}: {len(found)}, fewer than {MANY}"
            all_inputs += found
        command = [target / "debug/damage", "--jobs", options.jobs, "--every", options.every, "--masks", options.masks, *all_inputs]
        return subprocess.run(list(map(str, command)), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
