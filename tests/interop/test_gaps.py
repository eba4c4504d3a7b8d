"""Gaps: declared and filled, missing and not declared, and where nothing could declare them."""
import numpy as np
import pytest
import xarray as xr
import yaml
from support import compare
from support.binary import firn

DAYS = np.datetime64("2000-01-01T12:00", "ns") + np.arange(6) * np.timedelta64(1, "D")
ABSENT = 3


def daily(directory, fill=-999.0, times=DAYS, absent=(ABSENT,)):
    """One file a day, but for those that are absent; all that there are."""
    directory.mkdir()
    numbers = np.random.default_rng(7)
    files = []
    for at, time in enumerate(times):
        values = numbers.normal(280, 5, (1, 40, 50)).astype("float32")
        values[0, 0, :5] = np.nan if fill is not None else 0
        data = xr.Dataset({"sst": (("time", "lat", "lon"), values)}, {"time": [time], "lat": np.arange(40.0), "lon": np.arange(50.0)})
        path = directory / f"sst_{str(time)[:10].replace('-', '')}.nc"
        encoding = {"sst": {"_FillValue": fill, "zlib": True, "chunksizes": (1, 20, 25)}, "time": {"units": "hours since 1999-12-31", "dtype": "float64"}}
        if at not in absent:
            data.to_netcdf(path, encoding=encoding)
            files.append(path)
    return files


def feedstock(directory, gaps, **recipe):
    directory.mkdir()
    source = {"pattern": str(directory.parent / "data" / "sst_{time:%Y%m%d}.nc"),
              "dims": {"time": {"concat": True, "start": "2000-01-01", "end": "2000-01-06", "freq": "1D"}}}
    if gaps:
        source["gaps"] = gaps
    body = {"id": "daily", "source": source} | recipe
    (directory / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [body]}, sort_keys=False))
    return directory


FILLED = [{"time": "2000-01-04", "reason": "sensor off", "fill": True}]
TARGETS = {
    "zarr": {"strategy": "transform", "target": {"format": "zarr3"}},
    "chunks over the gap": {"strategy": "transform", "target": {"format": "zarr3", "chunks": {"time": 4, "lat": 20, "lon": 50}}},
    "shards": {"strategy": "transform", "target": {"format": "zarr3", "chunks": {"time": 1, "lat": 20, "lon": 50}, "shards": {"time": 2, "lat": 40, "lon": 50}}},
    "references": {"strategy": "virtualize", "target": {"format": "icechunk"}},
}


@pytest.mark.parametrize("kind", TARGETS)
def test_a_filled_gap_is_what_reindex_makes(tmp_path, kind):
    files = daily(tmp_path / "data")
    stock = feedstock(tmp_path / "stock", FILLED, **TARGETS[kind])
    firn("run", stock, "--target", tmp_path / "out", "--no-write", check=True)
    store = compare.icechunk_session(tmp_path / "out") if kind == "references" else compare.published(tmp_path / "out")
    with xr.concat([xr.open_dataset(file) for file in files], "time") as joined:
        expected = joined.reindex(time=DAYS)
        found = compare.open_store(store, "/")
        xr.testing.assert_equal(found.load(), expected.load())
    assert found["sst"].isel(time=ABSENT).isnull().all()
    named = tmp_path / "out" if kind == "references" else store
    firn("verify", named, "--against", stock, "--full", check=True)


def test_a_filled_gap_without_a_fill_value_is_refused(tmp_path):
    daily(tmp_path / "data", fill=None)
    stock = feedstock(tmp_path / "stock", FILLED)
    refused = firn("run", stock, "--target", tmp_path / "out", "--no-write")
    assert (refused.status, refused.code) == (11, "gap-fill"), refused
    assert not (tmp_path / "out/v1/zarr.json").exists()


def test_a_filled_gap_whose_time_would_be_a_guess_is_refused(tmp_path):
    daily(tmp_path / "data", times=DAYS + np.array([0, 1, 0, 0, 2, 0]) * np.timedelta64(1, "h"))
    stock = feedstock(tmp_path / "stock", FILLED)
    refused = firn("run", stock, "--target", tmp_path / "out", "--no-write")
    assert (refused.status, refused.code) == (11, "gap-fill"), refused


@pytest.mark.parametrize("verb", ["run", "plan"])
def test_a_missing_file_of_a_pattern_names_the_gap_to_declare(tmp_path, verb):
    daily(tmp_path / "data")
    stock = feedstock(tmp_path / "stock", [])
    more = ["--target", tmp_path / "out", "--no-write"] if verb == "run" else []
    refused = firn(verb, stock, *more)
    assert refused.status == 4, refused
    advice = refused.error["next"]
    assert "gaps: [{time: 2000-01-04, reason:" in advice, advice
    told = yaml.safe_load(advice.split("`")[-2])
    stock = feedstock(tmp_path / "mended", told["gaps"])
    firn("run", stock, "--target", tmp_path / "out", "--no-write", check=True)


def test_files_without_a_pattern_are_joined_over_a_gap_where_that_is_said(tmp_path):
    files = daily(tmp_path / "data")
    call = ["transform", *files, "--target", tmp_path / "joined.zarr", "--concat-dim", "time"]
    refused = firn(*call)
    assert (refused.status, refused.code) == (11, "axis-gap") and "--allow-gaps" in refused.error["next"], refused
    firn(*call, "--allow-gaps", check=True)
    assert compare.combined_differences(files, "time", tmp_path / "joined.zarr") == []
    firn("verify", tmp_path / "joined.zarr", "--against", *files, check=True)
