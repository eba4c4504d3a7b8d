#!/usr/bin/env python3
"""Every truncation and every changed byte of small files and stores of each format, through the readers: an error or the right answer.

    damage.py [--every 1] [--masks 1,128,255] [--jobs N] [--icechunk 3000] [--keep DIR] [FORMAT...]

The rules are those of fuzz/src/bin/damage.rs, which does the damage. NetCDF-3, HDF5 and netCDF-4 are the files of testdata/ up to
16 KiB; Zarr stores are written by zarr-python here, references and Icechunk repositories by firn from those files, twenty of each.

An Icechunk repository is read by a library that needs files and a runtime: there so many cases as --icechunk says, evenly taken from
all, go through the binary (`firn transform`), each with 4 GiB of address space and 20 seconds.
"""
import argparse
import concurrent.futures
import hashlib
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
from mutate import SECONDS, limited  # noqa: E402
from support.binary import CATEGORIES, TESTDATA, binary, environment  # noqa: E402

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


def firn(*words):
    run = subprocess.run([binary(), *map(str, words)], capture_output=True, timeout=SECONDS, preexec_fn=limited, stdin=subprocess.DEVNULL,
                         env=environment(RUST_BACKTRACE=0, FIRN_REFERENCES="any"))
    return run.returncode, run.stderr.decode(errors="replace")


def contents(store):
    """A digest of the chunks of a Zarr store, and of its documents without what tells of its making."""
    digest = hashlib.sha256()
    for path in sorted(path for path in store.rglob("*") if path.is_file() and ".firn" not in path.parts):
        content = path.read_bytes()
        if path.name == "zarr.json":
            document = json.loads(content)
            document.get("attributes", {}).clear()
            document.pop("consolidated_metadata", None)
            content = json.dumps(document).encode()
        digest.update(f"{path.relative_to(store)} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def repositories(folder):
    """Ten repositories of references and ten of chunks, with what they hold."""
    made = {"virtualize": [], "transform": []}
    for path in small("netcdf3", "netcdf4", "hdf5"):
        for verb, found in made.items():
            repository, store = folder / f"{verb}-{path.stem}", folder / f"{verb}-{path.stem}.zarr"
            if len(found) < MANY // 2 and firn(verb, path, "--target", repository, "--format", "icechunk")[0] == 0 \
                    and firn("transform", repository, "--target", store)[0] == 0:
                found.append((repository, contents(store)))
    return made["virtualize"] + made["transform"]


def icechunk_case(case, scratch):
    repository, whole, key, position, mask = case
    with tempfile.TemporaryDirectory(dir=scratch) as work:
        damaged, store = pathlib.Path(work) / "repository", pathlib.Path(work) / "store"
        shutil.copytree(repository, damaged)
        content = bytearray((damaged / key).read_bytes())
        if mask is None:
            del content[position:]
        else:
            content[position] ^= mask
        (damaged / key).write_bytes(content)
        name = f"{repository.name}/{key} " + (f"cut at {position}" if mask is None else f"byte {position} xor {mask}")
        try:
            status, words = firn("transform", damaged, "--target", store)
        except subprocess.TimeoutExpired:
            return "hang", f"{name}: hangs (more than {SECONDS} s)"
        if status == 70 or status not in (0, *CATEGORIES) or "panicked" in words or "memory allocation" in words:
            return "bug", f"{name}: exit {status}: {words.strip()[-300:]}"
        if status:
            return "error", None
        same = contents(store) == whole
        wrong = f"{name}: other values than of the undamaged one" if mask is None and not same else None
        return "same" if same else "other", wrong


def icechunk(options, folder):
    made = repositories(folder)
    assert len(made) >= MANY, f"icechunk: {len(made)}, fewer than {MANY}"
    cases = []
    for repository, whole in made:
        for path in sorted(p for p in repository.rglob("*") if p.is_file() and ".firn" not in p.parts and p.name != "firn.json"):
            key = path.relative_to(repository)
            cases += [(repository, whole, key, position, mask) for position in range(path.stat().st_size) for mask in (None, 0xFF)]
    chosen = cases[::max(1, len(cases) // options.icechunk)] if options.icechunk else []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(lambda case: icechunk_case(case, folder), chosen))
        # A changed byte that is none: without this an error for another reason would look like a good one.
        intact = list(pool.map(lambda m: (m[0].name, icechunk_case((*m, "refs/branch.main/ref.json", 0, 0), folder)[0]), made))
    wrong = [text for _, text in outcomes if text] + [f"{name}: undamaged, and {kind}" for name, kind in intact if kind != "same"]
    print(*wrong, sep="\n", end="\n" if wrong else "")
    counts = {kind: sum(found == kind for found, _ in outcomes) for kind in ("error", "same", "other")}
    print(f"icechunk: {len(chosen)} of {len(cases)} cases in {len(made)} repositories: {counts}, {len(wrong)} misbehaved")
    return bool(wrong)


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
    parser.add_argument("formats", nargs="*", default=[*FORMATS, "icechunk"], metavar="FORMAT", help=", ".join([*FORMATS, "icechunk"]))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--masks", default="1,128,255")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--icechunk", type=int, default=3000)
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    cargo = os.environ.get("CARGO", "cargo")
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    subprocess.run([cargo, "build", "--quiet", "--locked", "-p", "firn-fuzz", "--bin", "damage"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(prefix="firn-damage-") as scratch:
        folder = options.keep or pathlib.Path(scratch)
        all_inputs = []
        for name in (name for name in options.formats if name in FORMATS):
            found = inputs(name, folder)
            assert len(found) >= MANY, f"{name}: {len(found)}, fewer than {MANY}"
            all_inputs += found
        command = [target / "debug/damage", "--jobs", options.jobs, "--every", options.every, "--masks", options.masks, *all_inputs]
        failed = all_inputs and subprocess.run(list(map(str, command)), check=False).returncode
        if "icechunk" in options.formats:
            failed = icechunk(options, pathlib.Path(scratch)) or failed
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
