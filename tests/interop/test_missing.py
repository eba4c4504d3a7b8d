"""What marks missing elements: as xarray sees it in the sources, so it sees it in the store, or firn stops."""
import netCDF4
import numpy as np
import pytest
import xarray as xr
import yaml
from support import compare
from support.binary import firn, well_formed_error

INF, NAN = np.inf, np.nan
# type, _FillValue, missing_value
MARKS = [
    ("f4", None, [INF]), ("f8", None, [-INF]), ("f4", INF, [INF]), ("f4", NAN, [INF]), ("f4", None, [NAN]), ("f4", -9, [NAN]), ("f8", -9, [-9, NAN]),
    ("f8", None, [INF, -9]), ("f4", None, [NAN, -9]), ("f4", None, [-9, -8]), ("f4", INF, [-9]), ("f4", INF, None), ("i2", None, [NAN, -9]),
    ("i2", -8, [INF]), ("i2", -8, [NAN]), ("i2", None, [INF, -9]), ("i1", None, [-9]),
]


def marked(path, dtype, fill, missing, form="NETCDF4", packed=False):
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.set_auto_maskandscale(False)
        file.createDimension("x", 8)
        variable = file.createVariable("a", dtype, ("x",), fill_value=fill)
        if missing is not None:
            whole = np.dtype(dtype).kind == "i" and all(np.isfinite(missing))
            variable.missing_value = np.array(missing, dtype if np.dtype(dtype).kind == "f" or whole else "f8")
        if packed:
            variable.scale_factor = np.float64(0.5)
        odd = [INF, -INF, NAN] if np.dtype(dtype).kind == "f" else [5, 6, 7]
        variable[:] = np.array([-9, -8, 0, 1, 2, *odd], dtype)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("dtype,fill,missing", MARKS, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_marks_of_missing_elements_are_seen(dtype, fill, missing, packed, tmp_path):
    for form in ("NETCDF4", "NETCDF3_CLASSIC"):
        marked(tmp_path / "a.nc", dtype, fill, missing, form, packed)
        store = tmp_path / f"{form}.zarr"
        firn("transform", tmp_path / "a.nc", "--target", store, check=True)
        with xr.open_dataset(tmp_path / "a.nc") as wanted, xr.open_zarr(store) as found:
            np.testing.assert_array_equal(found.a.values, wanted.a.values)
        assert b"Infinity" not in (store / "zarr.json").read_bytes().replace(b'"fill_value":"Infinity"', b"").replace(b'"fill_value": "Infinity"', b"")


def test_an_infinite_mark_beside_another_is_refused(tmp_path):
    marked(tmp_path / "a.nc", "f4", -9, [INF])
    answer = firn("transform", tmp_path / "a.nc", "--target", tmp_path / "out.zarr")
    assert answer.status not in (0, 70, 101) and well_formed_error(answer) == [], str(answer)
    assert "unsupported-missing-value" in str(answer) and "/a" in str(answer)
    assert not (tmp_path / "out.zarr/zarr.json").exists()


# ------------------------------------------------------------------ files that lack a variable
def series(directory, form="NETCDF4", fill=None, dtype="f4", missing=None):
    """Three files along time, of which the second lacks `ice`."""
    directory.mkdir(exist_ok=True)
    files = []
    for number in range(3):
        files.append(directory / f"{number}.nc")
        with netCDF4.Dataset(files[-1], "w", format=form) as file:
            file.createDimension("time", None)
            file.createDimension("x", 3)
            time = file.createVariable("time", "f8", ("time",))
            time.units = "days since 2000-01-01"
            time[:] = [2 * number, 2 * number + 1]
            file.createVariable("sst", "f4", ("time", "x"), fill_value=-1)[:] = np.arange(6).reshape(2, 3) + number
            if number != 1:
                ice = file.createVariable("ice", dtype, ("time", "x"), fill_value=fill)
                if missing is not None:
                    ice.missing_value = np.array(missing, dtype)
                ice[:] = np.full((2, 3), "y" if dtype == "S1" else number, dtype)
    return files


def union(tmp_path, files, form, **recipe):
    stock = tmp_path / "stock"
    stock.mkdir()
    body = {"id": "joined", "source": {"files": [f.as_uri() for f in files], "dims": {"time": {"concat": True}}},
            "combine": {"schema": "union"}, "target": {"format": form}} | recipe
    (stock / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [body]}))
    (stock / "meta.yaml").write_text(yaml.safe_dump({
        "title": "Joined", "description": "Files that differ.", "recipes": [{"id": "joined"}],
        "provenance": {"providers": [{"name": "Test", "roles": ["producer", "licensor"]}], "license": "CC0-1.0"},
        "maintainers": [{"name": "firn contributors"}]}))
    return firn("run", stock, "--target", tmp_path / "out", "--no-write")


def opened(tmp_path, form):
    store = compare.icechunk_session(tmp_path / "out") if form == "icechunk" else compare.published(tmp_path / "out")
    return xr.open_dataset(store, engine="zarr").load()


@pytest.mark.parametrize("target", ["zarr3", "icechunk"])
@pytest.mark.parametrize("form", ["NETCDF4", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize("dtype,fill", [("f4", -9), ("f8", NAN), ("i2", -9)])
def test_a_union_of_files_is_that_of_xarray(dtype, fill, form, target, tmp_path):
    files = series(tmp_path / "in", form, fill, dtype)
    answer = union(tmp_path, files, target)
    assert answer.status == 0, str(answer)
    with xr.open_mfdataset(files, combine="nested", concat_dim="time", data_vars="all", join="outer", compat="no_conflicts") as wanted:
        found = opened(tmp_path, target)
        for name in ("time", "sst", "ice"):
            np.testing.assert_array_equal(found[name].values, wanted[name].values)
        assert np.isnan(found.ice.values[2:4]).all()


@pytest.mark.parametrize("target", ["zarr3", "icechunk"])
@pytest.mark.parametrize("form,dtype,missing", [("NETCDF4", "f4", None), ("NETCDF3_CLASSIC", "f4", None), ("NETCDF4", "i2", None), ("NETCDF4", "i2", -9)])
def test_a_union_that_would_read_as_data_is_refused(form, dtype, missing, target, tmp_path):
    files = series(tmp_path / "in", form, None, dtype, missing)
    answer = union(tmp_path, files, target)
    assert answer.status == 11 and well_formed_error(answer) == [], str(answer)
    text = str(answer)
    assert "drift-absent-without-fill" in text and "1.nc" in text and "/ice" in text and "intersection" in text
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").rglob("zarr.json"))


def test_a_union_of_characters_has_empty_texts(tmp_path):
    files = series(tmp_path / "in", dtype="S1")
    assert union(tmp_path, files, "zarr3").status == 0
    assert opened(tmp_path, "zarr3").ice.values.tolist() == [["y"] * 3] * 2 + [[""] * 3] * 2 + [["y"] * 3] * 2
