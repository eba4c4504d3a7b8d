#!/usr/bin/env python3
"""Writes the first inputs of every fuzz target below a directory: seeds.py DIRECTORY. Small files of testdata/, golden files of the tests, and texts."""
import base64
import json
import pathlib
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
TESTDATA = ROOT / "testdata"
GOLDEN = ROOT / "crates/firn-formats/tests/golden"
LARGEST = 32_000

UNITS = ["days since 2000-01-01", "hours since 1900-01-01 00:00:0.0", "seconds since 1970-01-01T00:00:00Z", "months since 2000-01-01",
         "microseconds since 0001-01-01 00:00:00.123456 -05:30", "common_years since 1850-1-1", "days since Jan 1, 2000", "day as %Y%m%d.%f"]
CALENDARS = ["standard", "gregorian", "proleptic_gregorian", "noleap", "365_day", "all_leap", "360_day", "julian", "none"]
FORMATS = [("%Y-%m-%d", "2015-01-31"), ("%Y%j", "2015366"), ("%d%b%y", "01Feb99"), ("%Y/%m/%d %H:%M:%S", "1999/12/31 23:59:59"), ("%-m_%%", "3_%")]
STEPS = ["1D", "6h", "30min", "1W", "1MS", "1YS", "90s"]
ADDRESSES = [
    ["https://host/a_{time:%Y%m%d}_{depth}.nc", "https://host/a_20150101_5.nc"], ["s3://bucket/a/**/*.nc", "s3://bucket/a/b/c.nc"],
    ["/group/sub/variable", "a/../b"], ["https://github.com/owner/repository/blob/main/feedstock/catalog.yaml", "owner/repository"],
    ["file:///data/{time.start:%Y}-{time.end:%Y}.nc", "file:///data/2000-2001.nc"], ["my-feedstock", "store-1"], ["gh:a/b@v1", "C:\\data\\x.zarr"],
]
URLS = [
    ["data/a b.nc", "c/0/0"], ["/data/a.nc", "zarr.json"], ["file:///data/a%20b%23.nc", "x y"], ["./a:b", "a#b"], ["../up/../x", "%2e%2e/x"],
    ["https://host:8443/a%20b/?X-Amz-Signature=secret", "c"], ["https://user:pw@host/a", "b"], ["http://[::1]/a/", "a%2fb", "a//b"], ["s3://bucket/a#b?c%25", "d e"],
    ["s3://bucket", ".."], ["lab:a/b", ".firn-tmp-1"], ["gs://bucket/a", "a"], ["C:\\data\\x", "a\\b"], ["https://h\u00f6st/\u65e5\u672c", "\u65e5/\u672c"],
]
RECIPE = """recipes:
  - id: monthly
    source:
      pattern: https://host/{time.start:%Y%m}-{time.end:%Y%m}_{variable}_{depth}.nc
      dims:
        time: {concat: true, start: 2000-01, end: 2001-12, freq: 1MS}
        variable: {merge: true, keys: [a, b]}
        depth: {concat: true, keys: [0.5, 10, 100]}
      gaps: [{time: 2000-05, reason: lost, fill: true}]
    combine: {attributes: drop_conflicts}
    select: {variables: [a], time: [2000, 2001]}
    transform: {chunks: {time: 12, y: 100}, rename: {a: b}, squeeze: [z]}
    target: {location: "out:x", path: a/b, format: zarr, codec: "blosc:zstd:5:shuffle"}
    verify: {full: true, expect: [a]}
"""


def small(*folders):
    for folder in folders:
        for path in sorted((TESTDATA / folder).iterdir()):
            if path.is_file() and path.stat().st_size <= LARGEST:
                yield path.name, path.read_bytes()


def zarr():
    """One array a seed, in the form of fuzz/src/source.rs: its document, its first chunk."""
    objects = {key: base64.b64decode(text) for key, text in json.loads((GOLDEN / "store.json").read_text()).items()}
    root = json.loads(objects["zarr.json"])
    for key, content in objects.items():
        node = key.removesuffix("/zarr.json")
        document = json.loads(content) if key.endswith("zarr.json") else {}
        if document.get("node_type") != "array":
            continue
        chunk = next((c for k, c in objects.items() if k.startswith(node + "/") and not k.endswith("zarr.json")), b"")
        consolidated = {"zarr_format": 3, "node_type": "group", "attributes": root["attributes"],
                        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {"a": document}}}
        words = json.dumps(document, separators=(",", ":")).encode()
        whole = json.dumps(consolidated, separators=(",", ":")).encode()
        yield node.replace("/", "-"), b"zarr.json\0" + b'{"zarr_format":3,"node_type":"group"}' + b"\0\0a/zarr.json\0" + words + b"\0\0" + chunk
        yield node.replace("/", "-") + "-consolidated", b"zarr.json\0" + whole + b"\0\0" + chunk
    for name, array in v2_arrays():
        metadata = {".zgroup": {"zarr_format": 2}, "a/.zarray": array, "a/.zattrs": {"_ARRAY_DIMENSIONS": ["y", "x"]}}
        whole = json.dumps({"zarr_consolidated_format": 1, "metadata": metadata}).encode()
        yield f"v2-{name}", b".zmetadata\0" + whole + b"\0\0a/0/0\0" + bytes(48)


def v2_arrays():
    for name, dtype, fill, codecs in [
        ("f4", "<f4", "NaN", {"compressor": {"id": "zlib", "level": 1}, "filters": [{"id": "shuffle", "elementsize": 4}]}),
        ("i2", ">i2", 0, {"compressor": None}), ("U3", ">U3", "", {"compressor": None, "filters": None}),
        ("S3", "|S3", "AAAA", {"compressor": {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": -1}}),
        ("O", "|O", 0, {"compressor": None, "filters": [{"id": "vlen-utf8"}]}),
    ]:
        yield name, {"zarr_format": 2, "shape": [3, 2], "chunks": [2, 2], "dtype": dtype, "fill_value": fill, "order": "F", "dimension_separator": "/", **codecs}


def kerchunk():
    """References into the file itself, both versions."""
    for name, array in v2_arrays():
        refs = {".zgroup": '{"zarr_format":2}', "a/.zarray": json.dumps(array), "a/.zattrs": {"_ARRAY_DIMENSIONS": ["y", "x"]},
                "a/0/0": ["{{u}}", 3, 24], "a/1/0": "base64:" + base64.b64encode(bytes(24)).decode()}
        yield f"{name}-1", json.dumps({"version": 1, "templates": {"u": "file:///input"}, "gen": [], "refs": refs}).encode()
        yield f"{name}-0", json.dumps(refs | {"a/0/0": ["file:///input"]}).encode()


def codecs():
    ramp = bytes(range(256)) * 4 + bytes(200)
    for codec in range(28):
        for size in range(4):
            yield f"intact-{codec}-{size}", bytes([codec, size, 0]) + ramp
        yield f"damaged-{codec}", bytes([codec, 2, 2, 4, 0, 255, 20, 0, 9]) + ramp
        yield f"raw-{codec}", bytes([128 + codec, 2, 16]) + ramp[:300]
    for number, case in enumerate(json.loads((GOLDEN / "codecs.json").read_text())):
        encoded = base64.b64decode(case["encoded"])
        if len(encoded) < 4000:
            yield f"golden-{number}", bytes([128 + number % 28, 0, 64]) + encoded


def documents():
    meta, catalog = ((TESTDATA / "leap" / name).read_bytes() for name in ("meta.yaml", "catalog.yaml"))
    yield "leap", b"\0".join((meta, catalog))
    yield "recipe", b"\0".join((meta, catalog, RECIPE.encode()))
    yield "short", b"\0".join((b"title: a\n", b"stores:\n  - {id: store, url: https://host/a.zarr} # kept\n", RECIPE.encode()))


def times():
    for number, units in enumerate(UNITS):
        form, date = FORMATS[number % len(FORMATS)]
        yield str(number), "\n".join((units, CALENDARS[number], ["12", "0.5", "-1e9", "2015-02"][number % 4], form, date, STEPS[number % len(STEPS)])).encode()


def catalog():
    yield "leap", (TESTDATA / "leap/single-feedstock-web-catalog.json").read_bytes()
    yield "list", b"[" + (TESTDATA / "leap/single-feedstock-web-catalog.json").read_bytes() + b"]"
    yield "stac", json.dumps({"stac_version": "1.0.0", "type": "Catalog", "id": "a", "description": "b", "links": [{"rel": "child", "href": "./a/collection.json"}]}).encode()
    yield "collection", json.dumps({
        "stac_version": "1.0.0", "type": "Collection", "id": "a", "description": "b", "license": "CC-BY-4.0", "links": [],
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2000-01-01T00:00:00Z", None]]}},
        "assets": {"zarr": {"href": "s3://bucket/a.zarr", "type": "application/vnd+zarr", "roles": ["data"]}},
        "cube:dimensions": {"time": {"type": "temporal", "extent": ["2000", None]}}, "cube:variables": {"v": {"dimensions": ["time"], "type": "data"}}}).encode()
    entry = {"id": "a", "title": "t", "feedstock": {"name": "f"}, "store": {"id": "s", "url": "s3://b/s"}}
    yield "index", json.dumps({"schema": "firn/catalog-index/1", "generator": "firn", "datasets": [entry], "files": []}).encode()


def uploads():
    """Manifests, whole and damaged, and lists of keys."""
    digest = "0123456789abcdef" * 4
    keys = ["air.zarr/air/c/0/0", "air.zarr/air/zarr.json", "air.zarr/zarr.json", "deep/b/.zgroup", "deep/b/.zmetadata", "deep/b/x/0.0", "note.txt"]
    lines = [f'{key}\t{n}\t{digest}\t{["-", chr(34) + digest[:32] + "-2" + chr(34)][n % 2]}\t{["-", "8388608"][n % 2]}' for n, key in enumerate(keys)]
    whole = "\n".join(("firn-manifest 1", *lines, ""))
    yield "whole", whole.encode()
    yield "empty", b"firn-manifest 1\n"
    for name, old, new in [("dots", "note.txt", "../x"), ("slashes", "deep/b/x/0.0", "deep/b//0.0"), ("case", "note.txt", "Air.zarr/x"), ("size", "\t5\t", "\t05\t"),
                           ("large", "\t5\t", "\t18446744073709551615\t"), ("hex", "abc", "ABC"), ("version", "st 1", "st 2")]:
        yield name, whole.replace(old, new).encode()
    yield "keys", "\n".join(keys).encode()
    yield "look-alikes", "caf\u00e9\ncafe\u0301\n\u0130\ni\u0307\n\u00df\nSS\n\u1e9e".encode()


SEEDS = {
    "netcdf3": lambda: small("netcdf3"), "hdf5": lambda: small("hdf5", "hdf5_hostile", "netcdf4"), "zarr": zarr, "kerchunk": kerchunk, "codecs": codecs, "documents": documents,
    "times": times, "addresses": lambda: ((str(n), "\n".join(lines).encode()) for n, lines in enumerate(ADDRESSES)), "catalog": catalog,
    "urls": lambda: ((str(n), "\n".join(lines).encode()) for n, lines in enumerate(URLS)), "uploads": uploads,
}


def main():
    out = pathlib.Path(sys.argv[1])
    shutil.rmtree(out, ignore_errors=True)
    for target, seeds in SEEDS.items():
        folder = out / target
        folder.mkdir(parents=True)
        for name, content in seeds():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
