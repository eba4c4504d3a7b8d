"""`--memory`: what the plan states is not more than was allowed, and what the process takes is not more than was stated."""
import sys

import netCDF4
import numpy as np
import pytest
import xarray as xr
from support.binary import firn, well_formed_error
from support.memory import firn_with_peak

MIB = 1 << 20
STEPS, SHAPE = 32, (1080, 1920)
DECODED = STEPS * SHAPE[0] * SHAPE[1] * 4 * 2
# What the operating system may count besides: the dev profile's program is larger than the published one.
ALLOWANCE = 16 * MIB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """32 files, 530 MB decoded: one field a file and variable, in one chunk."""
    folder = tmp_path_factory.mktemp("days")
    base = (np.add.outer(np.arange(SHAPE[0]), np.arange(SHAPE[1])) % 977).astype("f4")
    paths = []
    for step in range(STEPS):
        paths.append(folder / f"{step:02}.nc")
        with netCDF4.Dataset(paths[-1], "w") as made:
            for name, size in (("time", None), ("lat", SHAPE[0]), ("lon", SHAPE[1])):
                made.createDimension(name, size)
            made.createVariable("time", "f8", ("time",))[:] = [step]
            made["time"].units = "days since 2000-01-01"
            for number, name in enumerate(("a", "b")):
                variable = made.createVariable(name, "f4", ("time", "lat", "lon"), zlib=True, complevel=1, chunksizes=(1, *SHAPE))
                variable[0] = base + step * 1000 + number
    return paths


@pytest.fixture(scope="module")
def store(days, tmp_path_factory):
    """The same as one Zarr store of the same chunks."""
    target = tmp_path_factory.mktemp("store") / "days.zarr"
    firn("transform", *days, "--target", target, "--concat-dim", "time", check=True)
    return target


LAYOUTS = {
    "time_series": ("192MiB", ["--chunks", "time=32,lat=90,lon=120"]),
    "shards": ("192MiB", ["--chunks", "time=8,lat=90,lon=120", "--shards", "time=8,lat=1080,lon=480", "--jobs", "3"]),
    "same_chunks": ("192MiB", []),
    "one_job": ("160MiB", ["--chunks", "time=32,lat=90,lon=120", "--jobs", "1"]),
    "blosc": ("192MiB", ["--chunks", "time=12,lat=270,lon=480", "--codec", "blosc-zstd:5:shuffle"]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["files", "store"])
def test_the_peak_is_what_was_stated_and_at_most_what_was_allowed(kind, layout, days, store, tmp_path):
    memory, arguments = LAYOUTS[layout]
    sources = [*days, "--concat-dim", "time"] if kind == "files" else [store]
    answer, peak = firn_with_peak("transform", *sources, "--target", tmp_path / "out.zarr", "--memory", memory, *arguments)
    assert answer.status == 0, str(answer)
    allowed, stated = int(memory.removesuffix("MiB")) * MIB, answer.result["peak_memory"]
    assert allowed < DECODED / 2, "a bound that everything fits into proves nothing"
    assert stated <= allowed
    assert 0 < peak <= stated + ALLOWANCE, f"{peak / MIB:.0f} MiB, stated {stated / MIB:.0f} MiB"
    with xr.open_zarr(tmp_path / "out.zarr", decode_times=False) as made:
        for step in (0, STEPS - 1):
            with xr.open_dataset(days[step], decode_times=False) as source:
                xr.testing.assert_equal(made["b"][step].load().drop_vars("time", errors="ignore"), source["b"][0].drop_vars("time", errors="ignore"))


def test_native_chunks_of_a_repository_keep_the_bound_too(store, tmp_path):
    answer, peak = firn_with_peak("transform", store, "--target", tmp_path / "out.icechunk", "--format", "icechunk", "--memory", "192MiB",
                                  "--chunks", "time=32,lat=90,lon=120")
    assert answer.status == 0, str(answer)
    assert peak <= answer.result["peak_memory"] + ALLOWANCE


def test_a_bound_that_is_too_small_names_the_smallest_that_does_and_that_one_does(days, tmp_path):
    command = ["transform", *days, "--target", tmp_path / "out.zarr", "--concat-dim", "time", "--chunks", "time=32,lat=1080,lon=480", "--jobs", "2"]
    refused = firn(*command, "--memory", "32MiB")
    assert refused.code == "plan-memory" and refused.status == 2 and well_formed_error(refused) == [], str(refused)
    smallest = next(word for word in refused.error["next"].replace(",", " ").split() if word.endswith("MiB"))
    one_less = f"{int(smallest.removesuffix('MiB')) - 1}MiB"
    assert firn(*command, "--memory", one_less).code == "plan-memory"
    answer, peak = firn_with_peak(*command, "--memory", smallest)
    assert answer.status == 0, str(answer)
    assert peak <= answer.result["peak_memory"] + ALLOWANCE
