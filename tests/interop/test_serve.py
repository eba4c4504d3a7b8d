"""`firn serve`: every kind of store as plain Zarr, as xarray reads it over HTTP, equal to the source; and what is answered otherwise."""
import base64
import concurrent.futures
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
import warnings
import zlib

import h5py
import icechunk
import netCDF4
import numcodecs
import numpy as np
import pytest
import requests
import xarray as xr
import yaml
import zarr
from support import compare
from support.binary import TESTDATA, binary, environment, firn
from support.gateway import Gateway, catalog, feedstock

FILES = sorted([*(TESTDATA / "netcdf3").iterdir(), *(TESTDATA / "netcdf4").iterdir(),
                *(TESTDATA / "hdf5" / name for name in ("fill_value.h5", "smpl_i64be.h5", "smpl_enum.h5", "vlen_strings.h5", "scalar_dataset.h5",
                                                        "fletcher32.h5", "hdf5_mini_shuffle_blosc.h5", "hdf5_compression_zstd.h5", "nested_groups.h5"))])
MONTHS = sorted((TESTDATA / "nemo").glob("*.nc"))
JOIN = ["--concat-dim", "time_counter", "--concat-key", "time_counter=time_centered"]
RAW = compare.RAW


def slug(path):
    return re.sub(r"[^a-z0-9]+", "-", path.name.lower()).strip("-")


def quietly(call, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*arguments, **options)


def opened(store, **options):
    return quietly(xr.open_zarr, store, **options).load()


def same(left, right):
    """Names, dimensions, types, values, attributes."""
    assert list(compare.dataset_differences("/", left, right)) == []


# ------------------------------------------------------------------ files
@pytest.fixture(scope="module")
def files(tmp_path_factory):
    base = tmp_path_factory.mktemp("files")
    with Gateway(catalog(base, {slug(path): {"url": str(path), "mode": "files"} for path in FILES})) as gateway:
        yield gateway


@pytest.mark.parametrize("source", FILES, ids=lambda path: path.name)
def test_a_file_is_served_as_the_source_says(files, source):
    url = files.dataset(f"all.{slug(source)}")
    try:
        assert compare.store_differences(source, url)[0] == []
    except compare.SourceUnreadable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("source", [path for path in FILES if path.suffix == ".nc"][:12], ids=lambda path: path.name)
def test_with_and_without_consolidated_metadata_and_as_a_tree_it_is_the_same(files, source):
    url = files.dataset(f"all.{slug(source)}")
    options = dict(mask_and_scale=False, decode_times=False)
    consolidated = opened(url, **options)
    with compare.open_source(source, "/", **options) as expected:
        assert set(consolidated.variables) == set(expected.variables)
    xr.testing.assert_identical(consolidated, opened(url, consolidated=False, **options))
    xr.testing.assert_identical(consolidated, opened(url + "/", consolidated=True, **options))
    tree = quietly(xr.open_datatree, url, engine="zarr", **options).load()
    xr.testing.assert_identical(consolidated, tree.to_dataset())


# ------------------------------------------------------------------ stores
@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Stores of every kind, with what native readers see in each: {id: (url, how it opens natively)}."""
    base = tmp_path_factory.mktemp("stores")
    source = quietly(xr.open_dataset, TESTDATA / "netcdf4/air.nc", decode_times=False, mask_and_scale=False).load()
    stores, native = {}, {}

    def add(name, place, entry=None, **options):
        stores[name] = {"url": str(place)} | (entry or {})
        native[name] = lambda **more: opened(str(place), **options, **more)

    for version in (2, 3):
        for consolidated in (True, False):
            path = base / f"v{version}-{consolidated}.zarr".lower()
            quietly(source.to_zarr, path, zarr_format=version, consolidated=consolidated)
            add(f"v{version}-{'one' if consolidated else 'many'}", path, consolidated=consolidated)
    types_of_v2(base / "types.zarr")
    add("types", base / "types.zarr")
    quietly(source.to_zarr, base / "sharded.zarr", zarr_format=3, encoding={"air": {"chunks": (10, 5, 7), "shards": (40, 10, 21)}})
    add("sharded", base / "sharded.zarr")
    firn("transform", TESTDATA / "netcdf4/air.nc", "--target", base / "own.zarr", "--chunks", "time=25,lat=11,lon=10", "--shards", "time=50,lon=20", check=True)
    add("own", base / "own.zarr")
    firn("transform", TESTDATA / "netcdf4/air.nc", "--target", base / "native.icechunk", "--format", "icechunk", "--chunks", "time=50", check=True)
    firn("virtualize", *MONTHS, "--target", base / "nemo.icechunk", *JOIN, check=True)
    firn("virtualize", TESTDATA / "netcdf3/temp_3D_classic.nc", "--target", base / "classic.icechunk", check=True)
    for name in ("native", "nemo", "classic"):
        stores[name] = {"url": str(base / f"{name}.icechunk"), "mode": "icechunk"}
        native[name] = lambda name=name, **more: opened(compare.icechunk_session(base / f"{name}.icechunk"), consolidated=False, **more)
    shutil.copytree(TESTDATA / "netcdf4", base / "kerchunk")
    firn("virtualize", base / "kerchunk/air.nc", "--target", base / "kerchunk/air.json", "--format", "kerchunk-json", check=True)
    stores["kerchunk"] = {"url": str(base / "kerchunk/air.json")}
    native["kerchunk"] = lambda **more: quietly(xr.open_dataset, str(base / "kerchunk/air.json"), engine="kerchunk", **more).load()
    with Gateway(catalog(base, stores)) as gateway:
        yield gateway, native, base


def types_of_v2(path):
    """Compressors, byte orders, memory orders, fill values and texts as numcodecs and NumPy have them."""
    root = zarr.open_group(path, mode="w", zarr_format=2)
    values = np.arange(70).reshape(7, 10) * 3 - 40
    texts = np.array([f"Wörter {i}" if i % 3 else "" for i in range(70)], dtype=object).reshape(7, 10)

    def add(name, data, fill, compressor="auto", order="C", filters=None, separator="."):
        array = quietly(root.create_array, name, shape=data.shape, chunks=(2, 5), dtype=data.dtype, fill_value=fill, compressors=compressor, order=order,
                        filters=filters, attributes={"_ARRAY_DIMENSIONS": ["y", "x"], "long_name": name}, chunk_key_encoding={"name": "v2", "separator": separator})
        array[...] = data
    for kind in "<i1 <u1 <i2 >i2 <i4 >i4 <i8 >u8 <f4 >f4 >f8".split():
        for order in "CF":
            add(f"n_{kind[1:]}_{'big' if kind[0] == '>' else 'little'}_{order}", (values + 40).astype(kind), 1, order=order, separator="./"[order == "F"])
    for number, compressor in enumerate([None, numcodecs.Zlib(3), numcodecs.GZip(3), numcodecs.Zstd(3), numcodecs.Blosc(cname="lz4", shuffle=1),
                                         numcodecs.Blosc(cname="zstd", shuffle=2), numcodecs.Blosc(cname="blosclz", shuffle=-1), numcodecs.Blosc(cname="zlib", shuffle=0)]):
        add(f"compressed_{number}", values.astype("i4"), 0, compressor=compressor)
    add("filtered", values.astype("i4"), 0, filters=[numcodecs.Shuffle(4)], compressor=numcodecs.Zlib(1))
    add("nan_fill", values.astype("f4"), np.nan)
    add("no_fill", values.astype("f8"), None)
    add("bytes_of_text", np.char.encode(texts.astype("U"), "utf-8"), b"")
    add("unicode_little", texts.astype("<U12"), "")
    add("unicode_big", texts.astype(">U12"), "")
    array = quietly(root.create_array, "objects", shape=(7, 10), chunks=(2, 5), dtype=str, fill_value="", attributes={"_ARRAY_DIMENSIONS": ["y", "x"]},
                    chunk_key_encoding={"name": "v2", "separator": "."})
    array[...] = texts
    (path / "nan_fill/1.1").unlink()
    quietly(zarr.consolidate_metadata, path, zarr_format=2)


KINDS = ["v2-one", "v2-many", "v3-one", "v3-many", "types", "sharded", "own", "native", "nemo", "classic", "kerchunk"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_is_served_as_its_own_readers_see_it(made, kind):
    gateway, native, _ = made
    url = gateway.dataset(f"all.{kind}")
    expected, found = native[kind](**RAW), opened(url, **RAW)
    same(expected, found)
    if kind != "types":  # xarray takes a text that equals the fill value of Zarr v2 for missing; firn keeps the text.
        xr.testing.assert_equal(native[kind](), opened(url))
    xr.testing.assert_identical(found, opened(url, consolidated=False, **RAW))
    xr.testing.assert_identical(found, quietly(xr.open_datatree, url, engine="zarr", **RAW).load().to_dataset())


@pytest.mark.parametrize("kind", KINDS)
def test_documents_say_only_what_every_client_knows(made, kind):
    gateway, _, _ = made
    root = json.loads(gateway.get(f"/d/all.{kind}/zarr.json").body)
    documents = root["consolidated_metadata"]["metadata"]
    assert documents
    for name, document in documents.items():
        assert json.loads(gateway.get(f"/d/all.{kind}/{name}/zarr.json").body) == document
        assert document["chunk_grid"]["name"] == "regular" and document["chunk_key_encoding"]["configuration"] == {"separator": "/"}
        names = {codec["name"] for codec in document["codecs"]}
        assert names <= {"bytes", "transpose", "gzip", "zstd", "blosc", "vlen-utf8", "crc32c"}, (name, names)


def test_chunks_that_clients_can_decode_pass_as_they_are_stored(made):
    gateway, _, base = made
    stored = (base / "v3-true.zarr/air/c/0/0/0").read_bytes()
    assert gateway.get("/d/all.v3-one/air/c/0/0/0").body == stored
    assert gateway.get("/d/all.types/n_i4_big_C/c/1/1").body == (base / "types.zarr/n_i4_big_C/1.1").read_bytes()
    assert gateway.get("/d/all.types/n_i4_big_F/c/1/1").body == (base / "types.zarr/n_i4_big_F/1/1").read_bytes()
    shard = (base / "sharded.zarr/air/c/1/1/0").read_bytes()
    inner = gateway.get("/d/all.sharded/air/c/5/2/1").body
    assert inner and inner in shard and len(inner) < len(shard)


def test_groups_open_by_name_and_as_a_tree(tmp_path):
    with netCDF4.Dataset(tmp_path / "groups.nc", "w") as file:
        file.title = "root"
        for group, length in [(file, 3), (file.createGroup("outer"), 4), (file.createGroup("outer/inner"), 5), (file.createGroup("c"), 2)]:
            group.createDimension(f"x{length}", length)
            group.level = length
            group.createVariable("v", "f4", (f"x{length}",), fill_value=-1)[:] = np.arange(length)
    with Gateway(catalog(tmp_path, {"groups": tmp_path / "groups.nc"})) as gateway:
        url = gateway.dataset("all.groups")
        source = xr.open_datatree(tmp_path / "groups.nc")
        for consolidated in (None, False):
            tree = quietly(xr.open_datatree, url, engine="zarr", consolidated=consolidated)
            assert set(tree.groups) == set(source.groups)
            for group in source.groups:
                xr.testing.assert_identical(source[group].to_dataset(), tree[group].to_dataset().load())
                by_name = quietly(xr.open_zarr, url, group=group.strip("/") or None, consolidated=consolidated)
                xr.testing.assert_identical(source[group].to_dataset(), by_name.load())
                xr.testing.assert_identical(source[group].to_dataset(), opened(f"{url}{group}"))


# ------------------------------------------------------------------ absent is not fill
def lost(tmp_path):
    firn("transform", TESTDATA / "netcdf4/air.nc", "--target", tmp_path / "air.zarr", "--chunks", "time=31", check=True)
    quietly(xr.open_dataset, TESTDATA / "netcdf4/air.nc").load().to_zarr(tmp_path / "foreign.zarr", zarr_format=3, encoding={"air": {"chunks": (31, 11, 21)}})
    for store in ("air", "foreign"):
        (tmp_path / f"{store}.zarr/air/c/1/0/0").unlink()
    return {"own": tmp_path / "air.zarr", "foreign": tmp_path / "foreign.zarr"}


def test_a_chunk_that_the_ledger_has_and_the_store_lost_is_never_fill(tmp_path):
    with Gateway(catalog(tmp_path, lost(tmp_path))) as gateway:
        answer = gateway.get("/d/all.own/air/c/1/0/0")
        assert answer.status == 502 and answer.error["code"] == "source-not-as-written" and answer.headers["cache-control"] == "no-store", answer
        with pytest.raises(Exception, match="502"):
            opened(gateway.dataset("all.own"))
        assert gateway.get("/d/all.own/air/c/0/0/0").status == 200
        (tmp_path / "air.zarr/air/c/2/0/0").write_bytes(b"x" * (tmp_path / "air.zarr/air/c/2/0/0").stat().st_size)
        assert gateway.get("/d/all.own/air/c/2/0/0").error["code"] == "source-not-as-written"
        # Of a store without a ledger nobody knows; Zarr says fill.
        answer = gateway.get("/d/all.foreign/air/c/1/0/0")
        assert (answer.status, answer.body) == (404, b""), answer
        assert np.isnan(opened(gateway.dataset("all.foreign")).air[31:62]).all()


def test_what_was_never_written_is_404_and_reads_as_the_fill_value(tmp_path):
    with netCDF4.Dataset(tmp_path / "holes.nc", "w") as file:
        file.createDimension("x", 700)
        hole = file.createVariable("hole", "i2", ("x",), fill_value=-7, chunksizes=(300,), zlib=True)
        hole[300:310] = 5
    with Gateway(catalog(tmp_path, {"holes": tmp_path / "holes.nc"})) as gateway:
        statuses = [gateway.get(f"/d/all.holes/hole/c/{chunk}").status for chunk in range(4)]
        assert statuses == [404, 200, 404, 410]
        same(xr.open_dataset(tmp_path / "holes.nc", **RAW), opened(gateway.dataset("all.holes"), **RAW))


def test_a_source_that_refuses_or_fails_is_never_fill(tmp_path, serve):
    quietly(xr.open_dataset, TESTDATA / "netcdf4/air.nc").load().to_zarr(tmp_path / "air.zarr", zarr_format=3, encoding={"air": {"chunks": (31, 11, 21)}})
    with serve(tmp_path) as server, Gateway(catalog(tmp_path, {"air": f"{server.url}/air.zarr"})) as gateway:
        assert gateway.get("/d/all.air/air/c/0/0/0").status == 200
        server.faults[:] = [403] * 10
        answer = gateway.get("/d/all.air/air/c/1/0/0")
        assert answer.status == 502 and answer.error["category"] == "denied", answer
        server.faults[:] = [404]
        assert gateway.get("/d/all.air/air/c/2/0/0").status == 404


def test_a_virtual_store_whose_source_is_gone_or_another_is_never_fill(tmp_path):
    shutil.copy(TESTDATA / "netcdf4/air.nc", tmp_path / "air.nc")
    firn("virtualize", tmp_path / "air.nc", "--target", tmp_path / "air.icechunk", check=True)
    with Gateway(catalog(tmp_path, {"air": {"url": str(tmp_path / "air.icechunk"), "mode": "icechunk"}})) as gateway:
        assert gateway.get("/d/all.air/zarr.json").status == 200
        (tmp_path / "air.nc").unlink()
        assert gateway.get("/d/all.air/air/c/0/0/0").status == 502
        shutil.copy(TESTDATA / "netcdf4/E1_north_america.nc", tmp_path / "air.nc")
        os.utime(tmp_path / "air.nc", (time.time() + 10,) * 2)
        answer = gateway.get("/d/all.air/air/c/0/0/0")
        assert answer.status == 502 and answer.error["code"] == "source-stale", answer


@pytest.mark.parametrize("change", ["another name", "another shape", "no such version"])
def test_a_dataset_that_is_another_one_than_when_it_was_opened_is_never_fill(tmp_path, change):
    published = stock(tmp_path / "air", TESTDATA / "netcdf4/air.nc")
    firn("run", published, "--target", tmp_path / "store", check=True)
    firn("catalog", "build", published, "--out", tmp_path / "catalog", check=True)
    with Gateway(tmp_path / "catalog") as gateway:
        url = gateway.dataset("air")
        dataset = quietly(xr.open_zarr, url)
        assert gateway.get("/d/air/air/c/0/0/0").status == 200
        if change == "another name":
            catalog = tmp_path / "catalog/firn-catalog.json"
            catalog.write_text(catalog.read_text().replace('"id": "air"', '"id": "other"'))
            time.sleep(10.5)
            answers = [gateway.get(f"/d/air/{key}") for key in ("air/c/0/0/0", "zarr.json")]
            assert {answer.error["code"] for answer in answers} == {"dataset-unknown"}, answers
            assert [answer.status for answer in answers] == [410, 404]
            with pytest.raises(Exception, match="410"):
                dataset.load()
        elif change == "another shape":
            assert gateway.get("/d/air/air/c/124/0/0").status == gateway.get("/d/air/gone/c/0").status == 410
        else:
            assert (gateway.get("/d/air@v9/air/c/0/0/0").status, gateway.get("/d/air@v9/zarr.json").status) == (410, 404)


def test_names_that_end_an_address_are_left_out_and_said(tmp_path):
    with h5py.File(tmp_path / "names.h5", "w") as file:
        for name in ("a?b", "a#b", "a%2fb", "RH (%)", "50%", "x&y", "plain", "in?side/v"):
            file[name] = np.arange(1, 4.0)
    with Gateway(catalog(tmp_path, {"names": tmp_path / "names.h5"})) as gateway:
        url = gateway.dataset("all.names")
        for consolidated in (None, False):
            found = opened(url, consolidated=consolidated)
            assert set(found.variables) == {"RH (%)", "50%", "x&y", "plain"}
            assert all((found[name] == [1, 2, 3]).all() for name in found.variables)
            assert set(found.attrs["firn:not_served"]) == {"a?b", "a#b", "a%2fb", "in?side"}
        assert quietly(xr.open_datatree, url, engine="zarr").groups == ("/",)
        # What clients ask for in their place is never taken for fill.
        for path in ("a", "a%3Fb/c/0", "a%252fb/c/0", "a%2fb/c/0", "in%3Fside/v/c/0"):
            assert gateway.get(f"/d/all.names/{path}").status in (404, 410, 422) and (not path.endswith("c/0") or gateway.get(f"/d/all.names/{path}").status != 404), path


def test_references_reach_no_file_that_the_catalog_does_not_mean(tmp_path, serve):
    secret = tmp_path / "outside/secret.bin"
    secret.parent.mkdir()
    secret.write_bytes(b"SECRETS!" * 4)
    document = json.dumps({"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": "<f8", "compressor": None, "filters": None, "fill_value": 0, "order": "C"})
    (tmp_path / "web").mkdir()
    (tmp_path / "own").mkdir()
    shutil.copy(TESTDATA / "netcdf4/air.nc", tmp_path / "outside/unpublished.nc")
    for folder, name, target in [("own", "arrays", str(tmp_path / "outside/unpublished.nc")), ("web", "file", secret.as_uri()), ("own", "absolute", str(secret)), ("own", "environment", "file:///proc/self/environ"), ("own", "endless", "file:///dev/zero")]:
        (tmp_path / folder / f"{name}.json").write_text(json.dumps({"version": 1, "refs": {
            ".zgroup": '{"zarr_format": 2}', "a/.zarray": document, "a/.zattrs": '{"_ARRAY_DIMENSIONS": ["x"]}', "a/0": [target, 0, 32]}}))
    with serve(tmp_path / "web") as server:
        stores = {"file": f"{server.url}/file.json"} | {name: tmp_path / f"own/{name}.json" for name in ("arrays", "absolute", "environment", "endless")}
        with Gateway(catalog(tmp_path, stores)) as gateway:
            for name in stores:
                answer = gateway.get(f"/d/all.{name}/a/c/0")
                assert answer.status in (422, 502) and b"SECRETS" not in answer.body and b"HDF" not in answer.body, (name, answer)


def test_chunks_that_claim_or_hold_too_much_are_refused(tmp_path):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=2)
    for name, length, content in [("huge", 10**12, b"x"), ("bomb", 10, zlib.compress(bytes(1 << 28)))]:
        root.create_array(name, shape=(length,), chunks=(length,), dtype="f8", filters=[numcodecs.Shuffle(8)], compressors=numcodecs.Zlib(1), fill_value=0)
        (tmp_path / "in.zarr" / name / "0").write_bytes(content)
    with Gateway(catalog(tmp_path, {"in": tmp_path / "in.zarr"})) as gateway:
        huge, bomb = gateway.get("/d/all.in/huge/c/0"), gateway.get("/d/all.in/bomb/c/0")
        assert (huge.status, huge.error["code"]) == (422, "chunk-too-large-to-serve"), huge
        assert (bomb.status, bomb.error["code"]) == (502, "format-corrupt"), bomb


def test_odd_arrays_are_served_as_their_own_readers_see_them(tmp_path):
    with netCDF4.Dataset(tmp_path / "odd.nc", "w") as file:
        for name, length in (("record", None), ("none", 0), ("x", 3), ("length", 5)):
            file.createDimension(name, length)
        file.createVariable("no_records", "f4", ("record", "x"))
        file.createVariable("empty", "f4", ("none",))
        file.createVariable("scalar", "i4", ())[...] = 7
        file.createVariable("big", ">f8", ("x",), endian="big")[:] = [1, 2, 3]
        file.createVariable("not_a_number", "f4", ("x",), fill_value=np.nan)[:] = [1, np.nan, 3]
        file.createVariable("words", str, ("x",))[:] = np.array(["ä", "", "c"], dtype=object)
        time_ = file.createVariable("time", "f8", ("x",))
        time_.units, time_[:] = "days since 2000-01-01", [0, 1, 2]
    root = zarr.open_group(tmp_path / "odd.zarr", mode="w", zarr_format=2)
    for name, data, options in [("yes", np.array([True, False, True]), {}), ("half", np.array([1, 2, 3], "f2"), {}), ("infinite", np.array([1, np.inf, 3]), {"fill_value": np.inf}),
                                ("scalar", np.array(5.0), {}), ("empty", np.zeros((0, 3)), {"chunks": (1, 3)})]:
        options = {"chunks": (2,) * data.ndim} | options
        root.create_array(name, shape=data.shape, dtype=data.dtype, attributes={"_ARRAY_DIMENSIONS": [f"d{n}" for n in data.shape]}, **options)[...] = data
    with Gateway(catalog(tmp_path, {"file": tmp_path / "odd.nc", "zarr": tmp_path / "odd.zarr"})) as gateway:
        for name, source in (("file", xr.open_dataset(tmp_path / "odd.nc").load()), ("zarr", opened(tmp_path / "odd.zarr", consolidated=False))):
            url = gateway.dataset(f"all.{name}")
            for found in (opened(url), opened(url, consolidated=False), quietly(xr.open_datatree, url, engine="zarr").load().to_dataset()):
                xr.testing.assert_equal(source, found)
                assert "firn:not_served" not in found.attrs


def test_kerchunk_with_text_in_the_document_is_served(tmp_path):
    encoded = base64.b64encode(numcodecs.VLenUTF8().encode(np.array(["ä", "", "ccc"], dtype=object))).decode()
    document = {"zarr_format": 2, "shape": [3], "chunks": [3], "dtype": "|O", "compressor": None, "filters": [{"id": "vlen-utf8"}], "fill_value": None, "order": "C"}
    (tmp_path / "text.json").write_text(json.dumps({"version": 1, "refs": {".zgroup": '{"zarr_format": 2}', "a/.zarray": json.dumps(document), "a/.zattrs": '{"_ARRAY_DIMENSIONS": ["x"]}',
                                                                        "a/0": f"base64:{encoded}"}}))
    with Gateway(catalog(tmp_path, {"text": tmp_path / "text.json"})) as gateway:
        assert opened(gateway.dataset("all.text")).a.values.tolist() == ["ä", "", "ccc"]


def test_who_asks_for_versions_that_do_not_exist_holds_up_nobody(tmp_path, serve):
    quietly(xr.open_dataset, TESTDATA / "netcdf4/air.nc").load().to_zarr(tmp_path / "air.zarr", zarr_format=3)
    with serve(tmp_path) as server, Gateway(catalog(tmp_path, {"air": f"{server.url}/air.zarr"})) as gateway:
        assert gateway.get("/d/all.air/zarr.json").status == 200
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            unknown = [pool.submit(gateway.get, f"/d/all.air@v{number}/zarr.json") for number in range(2, 200)]
            answers = [gateway.get("/d/all.air/air/c/0/0/0").status for _ in range(20)]
            assert answers == [200] * 20
            assert {answer.result().status for answer in unknown} == {404}


# ------------------------------------------------------------------ HTTP
HOSTILE = ["/d/all.own/../../etc/passwd", "/d/all.own/%2e%2e/%2e%2e/etc/passwd", "/d/all.own/..%2f..%2fetc%2fpasswd", "/d/all.own//etc/passwd", "/d/..%2f..%2fetc",
           "/d//etc/passwd", "/../../../etc/passwd", "/d/all.own/.firn/ledger", "/d/all.own/.firn/run.json", "/d/all.own/air/.firn/x", "/d/all.own/air/c/0/0/0/..",
           "/d/all.own/air/c/0/0", "/d/all.own/air/c/0/0/0/0", "/d/all.own/air/c/99/0/0", "/d/all.own/air/c/00/0/0", "/d/all.own/air/c/-1/0/0", "/d/all.own/air/c",
           "/d/all.own/air/c/18446744073709551616/0/0", "/d/all.own/air/0.0.0", "/d/all.own/nothing/zarr.json", "/d/all.own/nothing/c/0", "/d/all.own/zarr.json/x",
           "/d/all.own/.zgroup", "/d/all.own/.zmetadata", "/d/all.own@v1/zarr.json", "/d/all.own@../zarr.json", "/d/nothing", "/d/ALL.OWN", "/d/", "/nothing",
           "/d/all.own/%00", "/d/all.own/%ff", "/" + "a/" * 20000, "/catalog/feedstocks"]


def test_hostile_paths_are_not_found_and_reach_no_storage(made):
    gateway, _, _ = made
    for path in HOSTILE:
        answer = gateway.get(path)
        assert answer.status == (410 if re.search(r"/c(/\d+)*$", path) else 404), (path[:80], answer)
        assert answer.error["code"] in ("not-served", "dataset-unknown", "version-unknown"), (path[:80], answer)
        assert b"root:" not in answer.body


def test_a_wrong_path_asks_the_storage_for_nothing(tmp_path, serve):
    quietly(xr.open_dataset, TESTDATA / "netcdf4/air.nc").load().to_zarr(tmp_path / "air.zarr", zarr_format=3)
    with serve(tmp_path) as server, Gateway(catalog(tmp_path, {"air": f"{server.url}/air.zarr"})) as gateway:
        assert gateway.get("/d/all.air/zarr.json").status == 200
        before = len(server.requests)
        for path in ("air/c/99/0/0", "nothing/zarr.json", "air/c/0", ".zattrs", "air/.zarray"):
            assert gateway.get(f"/d/all.air/{path}").status in (404, 410)
        assert len(server.requests) == before


def test_pages_of_other_hosts_may_read_every_answer(made):
    gateway, _, _ = made
    chunk = "/d/all.own/air/c/0/0/0"
    for path, method, status in [(chunk, "GET", 200), (chunk, "HEAD", 200), ("/d/all.own/nothing", "GET", 404), ("/d/nothing", "GET", 404), (chunk, "OPTIONS", 204),
                                 (chunk, "PUT", 405), (chunk, "DELETE", 405), ("/", "GET", 200), ("/catalog.json", "GET", 200), ("/d/all.own/", "GET", 200)]:
        answer = gateway.get(path, method, Origin="https://viewer.example.org")
        assert answer.status == status, (path, answer)
        assert answer.headers["access-control-allow-origin"] == "*", path
        assert {"etag", "content-range", "content-length"} <= set(answer.headers["access-control-expose-headers"].split(", ")), path
    preflight = gateway.get(chunk, "OPTIONS", Origin="https://viewer.example.org", Access_Control_Request_Method="GET", Access_Control_Request_Headers="range")
    assert "range" in preflight.headers["access-control-allow-headers"] and "GET" in preflight.headers["access-control-allow-methods"]


def test_head_ranges_and_tags(made):
    gateway, _, _ = made
    path = "/d/all.own/air/c/0/0/0"
    whole, head = gateway.get(path), gateway.get(path, "HEAD")
    assert (head.status, head.body) == (200, b"") and head.headers["content-length"] == str(len(whole.body)) == whole.headers["content-length"]
    part = gateway.get(path, Range="bytes=3-9")
    assert (part.status, part.body, part.headers["content-range"]) == (206, whole.body[3:10], f"bytes 3-9/{len(whole.body)}")
    assert gateway.get(path, Range="bytes=-4").body == whole.body[-4:]
    assert gateway.get(path, Range=f"bytes={len(whole.body)}-").status == 416
    again = gateway.get(path, If_None_Match=whole.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert whole.headers["cache-control"] == "no-cache"


def test_lists_name_the_children_and_nothing_else(made):
    gateway, _, _ = made
    for path in ("/d/all.own/", "/d/all.own"):
        answer = gateway.get(path, Accept="*/*")
        assert set(re.findall(r'href="([^"]*)"', answer.body.decode())) == {"zarr.json", "air", "lat", "lon", "time"}
        assert "http" not in answer.body.decode()


def test_browsers_get_pages(made):
    gateway, _, _ = made
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    for path in ("/", "/d/all.own", "/d/all.own/", "/datasets/all.own/index.html"):
        answer = requests.get(gateway.url + path, headers=browser)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/html"), path
        assert "<html" in answer.text and "all.own" in answer.text
    page = requests.get(gateway.dataset("all.own") + "/", headers=browser).text
    assert f"xr.open_zarr(&quot;{gateway.dataset('all.own')}&quot;)" in page and "What the gateway serves." in page and "air" in page
    links = re.findall(r'href="([^"]*)"', page)
    for link in (link for link in links if not link.startswith("https:")):
        found = requests.get(requests.compat.urljoin(gateway.dataset("all.own") + "/", link))
        assert found.status_code == 200, link
    missing = requests.get(gateway.dataset("nothing"), headers=browser)
    assert missing.status_code == 404 and missing.headers["content-type"].startswith("text/html")


def test_a_store_that_does_not_open_is_told_and_stops_no_other(tmp_path):
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr/zarr.json").write_text("<html>")
    (tmp_path / "text.csv").write_text("a,b\n1,2\n")
    stores = {"broken": tmp_path / "broken.zarr", "gone": tmp_path / "gone.zarr", "table": tmp_path / "text.csv", "air": TESTDATA / "netcdf4/air.nc"}
    with Gateway(catalog(tmp_path, stores)) as gateway:
        for name, status in [("broken", 502), ("gone", 502), ("table", 502)]:
            answer = gateway.get(f"/d/all.{name}/zarr.json")
            assert answer.status == status and answer.error["next"], answer
            page = gateway.get(f"/d/all.{name}/", Accept="text/html")
            assert page.status == status and b"<html" in page.body, page
            with pytest.raises(Exception):
                opened(gateway.dataset(f"all.{name}"))
        assert opened(gateway.dataset("all.air")).air.size


def test_a_variable_that_is_not_read_is_named_and_the_others_are_served(tmp_path):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=2)
    for name, compressor in [("packed", numcodecs.BZ2()), ("plain", None)]:
        array = root.create_array(name, shape=(4,), dtype="f8", compressors=compressor, fill_value=0, attributes={"_ARRAY_DIMENSIONS": ["t"]})
        array[...] = 1.5
    with Gateway(catalog(tmp_path, {"in": tmp_path / "in.zarr"})) as gateway:
        found = opened(gateway.dataset("all.in"))
        assert set(found.variables) == {"plain"} and (found.plain == 1.5).all()
        assert "bz2" in found.attrs["firn:not_served"]["packed"]
        answer = gateway.get("/d/all.in/packed/zarr.json")
        assert answer.status == 422 and answer.error["code"] == "unsupported-codec", answer


def test_many_ask_at_once(made):
    gateway, native, _ = made
    expected = {kind: native[kind](**RAW) for kind in ("own", "nemo", "types", "sharded")}

    def one(number):
        kind = list(expected)[number % 4]
        same(expected[kind], opened(gateway.dataset(f"all.{kind}"), **RAW))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(one, range(48)))


# ------------------------------------------------------------------ versions
def stock(directory, path):
    directory.mkdir(exist_ok=True)
    (directory / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [{
        "id": "air", "source": {"files": [path.as_uri()], "dims": {"time": {"concat": True}}}, "target": {"format": "zarr3"}}]}))
    (directory / "meta.yaml").write_text(yaml.safe_dump({
        "title": "Air", "description": "Air.", "recipes": [{"id": "air"}], "provenance": {"providers": [{"name": "NCEP", "roles": ["producer"], "url": "https://www.ncep.noaa.gov"}],
                                                                                       "license": "CC0-1.0"}, "maintainers": [{"name": "firn contributors"}]}))
    if not (directory / "catalog.yaml").exists():
        (directory / "catalog.yaml").write_text("meta_yaml_url: meta.yaml\naliases: [former]\nstores: []\n")
    return directory


def test_a_pinned_version_stays_while_the_latest_moves(tmp_path):
    source = tmp_path / "air.nc"
    shutil.copy(TESTDATA / "netcdf4/air.nc", source)
    published = stock(tmp_path / "air", source)
    firn("run", published, "--target", tmp_path / "store", check=True)
    firn("catalog", "build", published, "--out", tmp_path / "catalog", check=True)
    with xr.open_dataset(source, **RAW) as dataset:
        first = dataset.load()
    with Gateway(tmp_path / "catalog") as gateway:
        same(first, without_own(opened(gateway.dataset("air"), **RAW)))
        second = first.copy(deep=True)
        second["air"].values[:] += 1
        source.unlink()
        quietly(second.to_netcdf, source)
        firn("run", published, "--target", tmp_path / "store", check=True)
        time.sleep(5.5)
        same(second[["air"]].drop_vars(["lat", "lon", "time"]), without_own(opened(gateway.dataset("air"), **RAW))[["air"]].drop_vars(["lat", "lon", "time"]))
        for pinned in ("v1", "v2"):
            assert int(opened(gateway.dataset("air", pinned), **RAW).air[0, 0, 0]) == int(first.air[0, 0, 0]) + int(pinned == "v2")
        same(first, without_own(opened(f"{gateway.url}/d/air%40v1", **RAW)))
        pinned, latest = gateway.get("/d/air@v1/zarr.json"), gateway.get("/d/air/zarr.json")
        assert pinned.headers["cache-control"] == "public, max-age=31536000, immutable" and latest.headers["cache-control"] == "no-cache"
        assert pinned.headers["etag"] != latest.headers["etag"] == gateway.get("/d/air@v2/zarr.json").headers["etag"]
        assert gateway.get("/d/air@v3/zarr.json").error["code"] == "version-unknown"
        page = gateway.get("/d/air/", Accept="text/html").body.decode()
        assert f"{gateway.url}/d/air@v2&quot;" in page and f"{gateway.url}/d/air&quot;" in page and "store/v2&quot;" in page
        moved = gateway.get("/d/former.air@v1/air/zarr.json")
        assert moved.status == 308 and moved.headers["access-control-allow-origin"] == "*"
        same(first, without_own(opened(gateway.dataset("former.air", "v1"), **RAW)))


def without_own(dataset):
    dataset.attrs = {name: value for name, value in dataset.attrs.items() if not name.startswith(compare.OWN)}
    return dataset


def test_snapshots_and_tags_are_versions_and_branches_are_not(tmp_path):
    repo = icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "repo")), spec_version=1) if "spec_version" in \
        (icechunk.Repository.create.__doc__ or "") else icechunk.Repository.create(icechunk.local_filesystem_storage(str(tmp_path / "repo")))
    snapshots = []
    for value in (1, 2):
        session = repo.writable_session("main")
        xr.Dataset({"a": ("x", np.full(3, value))}).to_zarr(session.store, mode="w", consolidated=False)
        snapshots.append(session.commit(f"value {value}"))
    repo.create_tag("first", snapshot_id=snapshots[0])
    repo.create_branch("side", snapshot_id=snapshots[0])
    with Gateway(catalog(tmp_path, {"repo": {"url": str(tmp_path / "repo"), "mode": "icechunk"}})) as gateway:
        def value(version=None):
            return int(opened(gateway.dataset("all.repo", version)).a[0])
        assert (value(), value("first"), value(snapshots[0]), value(snapshots[1])) == (2, 1, 1, 2)
        for name in ("main", "side", "nothing"):
            answer = gateway.get(f"/d/all.repo@{name}/zarr.json")
            assert answer.status == 404 and answer.error["code"] == "version-unknown", answer


# ------------------------------------------------------------------ the server
def test_behind_a_prefix_the_same_is_served_with_and_without_it(tmp_path):
    with Gateway(catalog(tmp_path, {"air": TESTDATA / "netcdf4/air.nc"}), "--base-url", "https://data.example.org/firn/") as gateway:
        assert gateway.serving["datasets"] == [{"id": "all.air", "url": "https://data.example.org/firn/d/all.air"}]
        for path in ("/firn/d/all.air", "/d/all.air"):
            xr.testing.assert_identical(opened(gateway.url + path), opened(gateway.dataset("all.air")))
        assert b"https://data.example.org/firn/d/all.air" in gateway.get("/firn/d/all.air/", Accept="text/html").body
        assert gateway.get("/firnx/d/all.air/zarr.json").status == 404


def test_in_a_jupyter_hub_the_page_is_behind_the_proxy(tmp_path):
    with Gateway(catalog(tmp_path, {"air": TESTDATA / "netcdf4/air.nc"}), JUPYTERHUB_SERVICE_PREFIX="/user/ada/") as gateway:
        port = gateway.serving["address"].rsplit(":", 1)[1]
        assert gateway.serving["page"] == f"/user/ada/proxy/{port}/"
        assert gateway.get(f"/user/ada/proxy/{port}/d/all.air/zarr.json").status == 200


def test_it_stops_when_asked_to_and_says_so(tmp_path):
    gateway = Gateway(catalog(tmp_path, {"air": TESTDATA / "netcdf4/air.nc"}))
    opened(gateway.dataset("all.air"))
    status, errors = gateway.stop()
    assert status == 0, errors


def test_an_address_that_is_taken_is_a_conflict(tmp_path):
    directory = catalog(tmp_path, {"air": TESTDATA / "netcdf4/air.nc"})
    with Gateway(directory) as gateway:
        answer = firn("serve", "--catalog", directory, "--listen", gateway.serving["address"])
        assert answer.status == 6 and answer.code == "listen-failed", str(answer)


def test_a_catalog_of_elsewhere_does_not_publish_files_of_this_machine(tmp_path, serve):
    directory = catalog(tmp_path, {"air": TESTDATA / "netcdf4/air.nc"})
    with serve(directory) as server:
        answer = firn("serve", "--catalog", f"{server.url}/firn-catalog.json", "--listen", "127.0.0.1:0")
        assert answer.status == 3 and "file of this machine" in answer.error["what"], str(answer)


def test_the_demo_serves_on_a_terminal_until_ctrl_c(tmp_path):
    us, them = pty.openpty()
    process = subprocess.Popen([binary(), "demo", str(tmp_path / "demo")], stdout=them, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env=environment())
    os.close(them)
    printed = b""
    while b"Ctrl-C stops it" not in printed:
        read = os.read(us, 65536)
        assert read, printed
        printed += read
    lines = printed.decode().replace("\r", "")
    through = re.findall(r'xr\.open_zarr\("(http://[^"]*)"\)', lines)
    assert len(through) == lines.count("works while this runs") == lines.count("works always") > 2, lines
    page = re.search(r"served at (\S+);", lines).group(1)
    assert "<html" in requests.get(page).text
    for url in through:
        name = url.rsplit("/", 1)[1]
        native = re.search(rf"^{re.escape(name)}  .*?works always[^\n]*\n(.*?)\n\n", lines, re.MULTILINE | re.DOTALL).group(1)
        space = {}
        quietly(exec, "\n".join(line.removeprefix("    ") for line in native.splitlines()), space)
        xr.testing.assert_equal(space["ds"].load(), opened(url))
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    os.close(us)


# ------------------------------------------------------------------ far away
def test_a_store_in_a_bucket_is_served_as_one_on_a_disk(tmp_path, bucket, s3_env):
    for name, words in [("sharded", ["--chunks", "time=31", "--shards", "time=62"]), ("ice", ["--format", "icechunk"])]:
        firn("transform", TESTDATA / "netcdf4/air.nc", "--target", f"s3://{bucket}/{name}", *words, env=s3_env, check=True)
    stock = feedstock(tmp_path / "all", {"sharded": f"s3://{bucket}/sharded", "ice": {"url": f"s3://{bucket}/ice", "mode": "icechunk"}})
    firn("catalog", "build", stock, "--out", tmp_path / "catalog", env=s3_env, check=True)
    with Gateway(tmp_path / "catalog", **{name: value for name, value in s3_env.items() if name.startswith("AWS_")}) as gateway:
        source = quietly(xr.open_dataset, TESTDATA / "netcdf4/air.nc").load()
        for name in ("sharded", "ice"):
            xr.testing.assert_equal(source, opened(gateway.dataset(f"all.{name}")))
        assert gateway.get("/d/all.sharded/air/c/9/0/0").status == 410


def test_references_into_a_web_server_are_opened_once_for_many_chunks(tmp_path, serve):
    with netCDF4.Dataset(tmp_path / "steps.nc", "w") as file:
        file.createDimension("x", 300_000)
        for name, compression in (("packed", "zlib"), ("plain", None)):
            file.createVariable(name, "i8", ("x",), chunksizes=(10_000,), compression=compression)[:] = np.arange(300_000) ** 2
    with serve(tmp_path) as server:
        firn("virtualize", f"{server.url}/steps.nc", "--target", tmp_path / "steps.json", "--format", "kerchunk-json", check=True)
        with Gateway(catalog(tmp_path, {"steps": tmp_path / "steps.json"}), FIRN_REFERENCES=server.url.removeprefix("http://")) as gateway:
            server.requests.clear()
            same(quietly(xr.open_dataset, tmp_path / "steps.nc", **RAW).load(), opened(gateway.dataset("all.steps"), **RAW))
            assert gateway.get("/d/all.steps/plain/c/7").body == (np.arange(70_000, 80_000) ** 2).astype("<i8").tobytes()
        opened_again = [request for request in server.requests if request[2] == "bytes=0-65535"]
        assert len(opened_again) == 1, server.requests


def test_many_tiny_chunks_of_a_file_are_asked_for_together(tmp_path):
    with netCDF4.Dataset(tmp_path / "steps.nc", "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("time", None)
        file.createDimension("x", 3)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(5000.0)
        file.createVariable("v", "f4", ("time", "x"))[:] = np.arange(15000.0).reshape(5000, 3)
    with Gateway(catalog(tmp_path, {"steps": tmp_path / "steps.nc"})) as gateway:
        found = opened(gateway.dataset("all.steps"), **RAW)
        same(quietly(xr.open_dataset, tmp_path / "steps.nc", **RAW).load(), found)
        assert found.time.encoding["chunks"] == (5000,)


def test_names_of_every_script_are_the_same_listed_and_consolidated(tmp_path):
    with netCDF4.Dataset(tmp_path / "names.nc", "w") as file:
        file.createDimension("länge", 3)
        for name in ("T2m (°C)", "a b", "größe+1", "雪", "x;y=1,z", "c", "plain"):
            file.createVariable(name, "f4", ("länge",))[:] = np.arange(3)
    with Gateway(catalog(tmp_path, {"names": tmp_path / "names.nc"})) as gateway:
        url = gateway.dataset("all.names")
        expected = quietly(xr.open_dataset, tmp_path / "names.nc", **RAW).load()
        same(expected, opened(url, **RAW))
        same(expected, opened(url, consolidated=False, **RAW))
