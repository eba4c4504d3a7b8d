"""`firn virtualize --format kerchunk-json`: the file it writes, opened by xarray with kerchunk's engine, equals the source."""
import json
import shutil

import netCDF4
import numpy as np
import pytest
import xarray as xr
from kerchunk.utils import refs_as_store
from support import compare
from support.binary import TESTDATA, environment, firn, well_formed_error
from support.runs import killed_when

FILES = sorted([*(TESTDATA / "netcdf3").iterdir(), *(TESTDATA / "netcdf4").iterdir(),
                *(TESTDATA / "hdf5" / name for name in ("fill_value.h5", "smpl_i64be.h5", "smpl_enum.h5", "vlen_strings.h5", "scalar_dataset.h5",
                                                        "fletcher32.h5", "hdf5_mini_shuffle_blosc.h5", "hdf5_compression_zstd.h5", "nested_groups.h5"))])
WITHOUT_VARIABLES = {"attr_cdf5.nc", "empty_data_set.nc", "zero_sized_unlimited_dim.nc", "dense_empty_attributes.nc"}
MONTHS = sorted((TESTDATA / "nemo").glob("*.nc"))
JOIN = ["--concat-dim", "time_counter", "--concat-key", "time_counter=time_centered"]
TIMES = xr.coders.CFDatetimeCoder(use_cftime=True)


def virtualize(*words, **options):
    return firn("virtualize", *words, "--format", "kerchunk-json", **options)


@pytest.mark.parametrize("source", FILES, ids=lambda path: path.name)
def test_the_references_equal_the_source(source, tmp_path):
    if source.name in WITHOUT_VARIABLES:
        assert virtualize(source, "--target", tmp_path / "refs.json").code == "unsupported-no-variable"
        return
    virtualize(source, "--target", tmp_path / "refs.json", check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["refs.json"]
    assert compare.store_differences(source, refs_as_store(str(tmp_path / "refs.json")))[0] == []


def test_kerchunks_engine_opens_it_and_so_does_the_snippet(tmp_path):
    report = virtualize(TESTDATA / "netcdf4/air.nc", "--target", tmp_path / "refs.json", check=True).result
    names = {}
    exec(report["snippet"]["code"], names)
    with xr.open_dataset(TESTDATA / "netcdf4/air.nc") as source, xr.open_dataset(str(tmp_path / "refs.json"), engine="kerchunk") as opened:
        xr.testing.assert_equal(source, opened)
        xr.testing.assert_equal(source, names["ds"])
    assert "references-unversioned" in {note["code"] for note in report["noted"]}


def test_groups_open_as_a_tree(tmp_path):
    """By listing zarr-python finds no array in a group of references: the consolidated documents name them."""
    with netCDF4.Dataset(tmp_path / "groups.nc", "w") as file:
        for group, length in [(file, 3), (file.createGroup("outer"), 4), (file.createGroup("outer/inner"), 5)]:
            group.createDimension(f"x{length}", length)
            group.createVariable("v", "f4", (f"x{length}",), fill_value=-1)[:] = np.arange(length)
    virtualize(tmp_path / "groups.nc", "--target", tmp_path / "refs.json", check=True)
    options = {"storage_options": {"fo": str(tmp_path / "refs.json")}}
    with xr.open_datatree(tmp_path / "groups.nc") as source, xr.open_datatree("reference://", engine="zarr", **options) as opened:
        assert source.groups == opened.groups == ("/", "/outer", "/outer/inner")
        for group in source.groups:
            xr.testing.assert_equal(source[group].to_dataset(), opened[group].to_dataset())


def test_three_months_are_joined_by_their_own_time(tmp_path):
    virtualize(*MONTHS, "--target", tmp_path / "nemo.json", *JOIN, check=True)
    assert compare.combined_differences(MONTHS, "time_counter", refs_as_store(str(tmp_path / "nemo.json"))) == []
    assert (tmp_path / "nemo.json").stat().st_size < sum(month.stat().st_size for month in MONTHS) / 4
    report = firn("verify", tmp_path / "nemo.json", "--full", "--against", *MONTHS, check=True).result
    assert report["ok"] and report["checked"]["compared"] > 0


def test_a_copy_of_the_references_is_a_copy_of_the_source(tmp_path):
    source = tmp_path / "a b%20{#}.nc"
    shutil.copy(TESTDATA / "netcdf4/ostia_monthly.nc", source)
    virtualize(source, "--target", tmp_path / "refs%20 x.json", check=True)
    assert compare.store_differences(source, refs_as_store(str(tmp_path / "refs%20 x.json")))[0] == []
    assert firn("verify", tmp_path / "refs%20 x.json", "--full", check=True).result["ok"]
    firn("transform", tmp_path / "refs%20 x.json", "--target", tmp_path / "out.zarr", check=True)
    assert compare.store_differences(source, str(tmp_path / "out.zarr"))[0] == []


def test_what_was_never_written_reads_as_in_the_source(tmp_path):
    """Of one array the fill value is that of the attribute, the other has none: Zarr v2 has one word for both."""
    with netCDF4.Dataset(tmp_path / "holes.nc", "w") as file:
        file.createDimension("y", 6)
        file.createDimension("x", 70000)
        for name, fill in [("marked", -7), ("silent", None)]:
            variable = file.createVariable(name, "i4", ("y", "x"), fill_value=fill, chunksizes=(2, 70000), zlib=True)
            variable[2:4] = np.arange(140000).reshape(2, 70000)
    virtualize(tmp_path / "holes.nc", "--target", tmp_path / "refs.json", check=True)
    references = json.loads((tmp_path / "refs.json").read_text())["refs"]
    assert {key for key in references if key.split("/")[-1][0].isdigit()} == {"marked/1.0", "silent/0.0", "silent/1.0", "silent/2.0"}
    assert compare.store_differences(tmp_path / "holes.nc", refs_as_store(str(tmp_path / "refs.json")))[0] == []


def test_what_is_there_is_never_overwritten(tmp_path):
    virtualize(TESTDATA / "netcdf4/air.nc", "--target", tmp_path / "refs.json", check=True)
    before = (tmp_path / "refs.json").read_bytes()
    for source in ("netcdf4/air.nc", "netcdf4/ostia_monthly.nc"):
        answer = virtualize(TESTDATA / source, "--target", tmp_path / "refs.json")
        assert answer.status == 6 and well_formed_error(answer) == [], str(answer)
    assert (tmp_path / "refs.json").read_bytes() == before
    (tmp_path / "folder").mkdir()
    assert virtualize(TESTDATA / "netcdf4/air.nc", "--target", tmp_path / "folder").status == 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "refs.json"]


def test_a_source_of_which_readers_would_make_a_template_is_refused(tmp_path):
    shutil.copy(TESTDATA / "netcdf4/air.nc", tmp_path / "a{{b}}.nc")
    answer = virtualize(tmp_path / "a{{b}}.nc", "--target", tmp_path / "refs.json")
    assert answer.status == 7 and well_formed_error(answer) == [], str(answer)
    assert not (tmp_path / "refs.json").exists()


def without_run(path):
    """What does not name the run."""
    references = json.loads(path.read_text())["refs"]
    return {key: value for key, value in references.items() if key not in (".zattrs", ".zmetadata")}


def test_killed_at_any_moment_there_is_nothing_or_the_whole_file_and_the_same_command_finishes(tmp_path):
    words = [*MONTHS, *JOIN, "--format", "kerchunk-json"]
    firn("virtualize", *words, "--target", tmp_path / "reference.json", check=True)
    expected = without_run(tmp_path / "reference.json")
    work = tmp_path / "refs.json.firn"

    def journal(pattern):
        return lambda: any(work.glob(pattern))
    moments = {
        "claimed": journal(".firn/run.json"),
        "planned": journal(".firn/runs/*/plan.json"),
        "a task is done": journal(".firn/runs/*/tasks/*.json"),
        "staged": journal("staging/references.json"),
        "published": (tmp_path / "refs.json").exists,
        "clearing": lambda: (tmp_path / "refs.json").exists() and not any(work.glob(".firn/runs/*/plan.json")),
    }
    hits = 0
    for name, condition in moments.items():
        for path in tmp_path.glob("refs.json*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        hits += killed_when(["virtualize", *words, "--target", tmp_path / "refs.json"], condition, environment()) == -9
        if (tmp_path / "refs.json").exists():
            assert without_run(tmp_path / "refs.json") == expected, name
        answer = firn("virtualize", *words, "--target", tmp_path / "refs.json")
        # Where nothing was left to clear away, the file is simply there.
        assert answer.status == 0 or (answer.status == 6 and (tmp_path / "refs.json").exists()), f"{name}: {answer}"
        assert without_run(tmp_path / "refs.json") == expected, name
        assert sorted(path.name for path in tmp_path.iterdir()) == ["reference.json", "refs.json"], name
    assert hits >= 3


def test_a_bucket(tmp_path, s3, bucket, s3_env):
    client, options = s3.client(), dict(key=s3.key, secret=s3.secret, client_kwargs={"endpoint_url": s3.endpoint, "region_name": "us-east-1"})
    client.upload_file(str(TESTDATA / "netcdf4/air.nc"), bucket, "in/a b.nc")
    address = f"s3://{bucket}/refs.json"
    virtualize(f"s3://{bucket}/in/a b.nc", "--target", address, env=s3_env, check=True)
    assert {item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]} == {"in/a b.nc", "refs.json"}
    assert firn("verify", address, "--full", env=s3_env, check=True).result["ok"]
    references = json.loads(client.get_object(Bucket=bucket, Key="refs.json")["Body"].read())
    storage = dict(remote_protocol="s3", remote_options=options | {"asynchronous": True})
    with xr.open_dataset(TESTDATA / "netcdf4/air.nc") as source, xr.open_dataset(references, engine="kerchunk", storage_options=storage) as opened:
        xr.testing.assert_equal(source, opened)
    assert virtualize(f"s3://{bucket}/in/a b.nc", "--target", address, env=s3_env).status == 6


def test_a_web_server(tmp_path, serve):
    pytest.importorskip("aiohttp")
    (tmp_path / "served").mkdir()
    shutil.copy(TESTDATA / "netcdf4/air.nc", tmp_path / "served/a b.nc")
    server = serve(tmp_path / "served")
    source = f"{server.url}/a%20b.nc"
    virtualize(source, "--target", tmp_path / "refs.json", check=True)
    assert firn("verify", tmp_path / "refs.json", "--full", "--against", source, check=True).result["ok"]
    with xr.open_dataset(TESTDATA / "netcdf4/air.nc") as expected, xr.open_dataset(str(tmp_path / "refs.json"), engine="kerchunk") as opened:
        xr.testing.assert_equal(expected, opened)
    answer = virtualize(f"{source}?key=secret", "--target", tmp_path / "query.json")
    assert answer.status == 7 and not (tmp_path / "query.json").exists(), str(answer)


def test_what_firn_wrote_is_read_wherever_it_leads_and_what_others_wrote_is_not(tmp_path, serve):
    (tmp_path / "web").mkdir()
    (tmp_path / "refs").mkdir()
    shutil.copy(TESTDATA / "netcdf4/air.nc", tmp_path / "web/air.nc")
    state = environment(FIRN_STATE_DIR=tmp_path / "state")
    with serve(tmp_path / "web") as server:
        own, of_others = tmp_path / "refs/own.json", tmp_path / "refs/others.json"
        virtualize(f"{server.url}/air.nc", "--target", own, env=state, check=True)
        assert firn("verify", own, "--full", env=state, check=True).result["ok"]
        firn("transform", own, "--target", tmp_path / "air.zarr", env=state, check=True)
        xr.testing.assert_equal(xr.open_dataset(TESTDATA / "netcdf4/air.nc").load(), xr.open_zarr(tmp_path / "air.zarr").load())
        # One other byte, and it is another's; so is all of it where another user runs firn.
        of_others.write_text(own.read_text() + "\n")
        for path, environ in [(of_others, state), (own, environment(FIRN_STATE_DIR=tmp_path / "of another"))]:
            answer = firn("transform", path, "--target", path.with_suffix(f".{len(list(tmp_path.rglob('*')))}.zarr"), env=environ)
            assert (answer.status, answer.code) == (5, "source-denied") and "FIRN_REFERENCES=127.0.0.1" in answer.error["what"], str(answer)
            assert firn("verify", path, env=environ).status == 10


def test_local_references_reach_arrays_and_no_secrets(tmp_path):
    (tmp_path / "refs").mkdir()
    for name, source in [("air", TESTDATA / "netcdf4/air.nc"), ("secret", tmp_path / "secret")]:
        (tmp_path / "secret").write_bytes(b"-----BEGIN OPENSSH PRIVATE KEY-----")
        document = json.dumps({"zarr_format": 2, "shape": [4], "chunks": [4], "dtype": "|u1", "compressor": None, "filters": None, "fill_value": 0, "order": "C"})
        (tmp_path / f"refs/{name}.json").write_text(json.dumps({"version": 1, "refs": {".zgroup": '{"zarr_format": 2}', "a/.zarray": document, "a/.zattrs": '{"_ARRAY_DIMENSIONS": ["x"]}', "a/0": [str(source), 0, 4]}}))
    firn("transform", tmp_path / "refs/air.json", "--target", tmp_path / "air.zarr", check=True)
    assert xr.open_zarr(tmp_path / "air.zarr", mask_and_scale=False).a.values.tobytes() == b"\x89HDF"
    answer = firn("transform", tmp_path / "refs/secret.json", "--target", tmp_path / "secret.zarr")
    assert (answer.status, answer.code) == (5, "source-denied"), str(answer)
