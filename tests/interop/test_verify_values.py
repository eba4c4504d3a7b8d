"""`firn verify --full --against` finds a single wrong value, wherever it is, with and without the ledger's digests."""
import netCDF4
import numpy as np
import pytest
import zarr
from support.binary import firn

SHAPE = (40, 60)


@pytest.fixture
def built(tmp_path):
    """(files, store): six steps, gathered into chunks of four steps."""
    files = []
    for step in range(6):
        files.append(tmp_path / f"{step}.nc")
        with netCDF4.Dataset(files[-1], "w") as made:
            for name, size in (("time", None), ("y", SHAPE[0]), ("x", SHAPE[1])):
                made.createDimension(name, size)
            made.createVariable("time", "f8", ("time",))[:] = [step]
            made["time"].units = "days since 2000-01-01"
            made.createVariable("a", "i4", ("time", "y", "x"), zlib=True, chunksizes=(1, *SHAPE))[0] = step * 10_000 + np.arange(2400).reshape(SHAPE)
    firn("transform", *files, "--target", tmp_path / "out.zarr", "--concat-dim", "time", "--chunks", "time=4,y=20,x=30", check=True)
    return files, tmp_path / "out.zarr"


@pytest.mark.parametrize("with_ledger", [True, False])
@pytest.mark.parametrize("place", [(0, 0, 0), (3, 19, 29), (5, 39, 59), (2, 25, 7)])
def test_one_wrong_value_is_found_and_named(built, place, with_ledger):
    files, store = built
    assert firn("verify", store, "--against", *files, "--full", check=True).result["ok"]
    if not with_ledger:
        (store / ".firn/ledger").unlink()
    array = zarr.open_array(store / "a", mode="r+")
    right = int(array[place])
    array[place] = right + 1
    answer = firn("verify", store, "--against", *files, "--full")
    assert answer.status == 10, str(answer)
    found = {finding["rule"]: finding for finding in answer.result["findings"] if finding["severity"] == "error"}
    assert {"values"} | ({"digest"} if with_ledger else set()) <= set(found), str(answer)
    assert str(list(place)) in str(found["values"]["at"]) and str(right) in found["values"]["expected"], found["values"]
