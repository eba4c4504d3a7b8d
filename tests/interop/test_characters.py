"""Characters (`char` of NetCDF, texts of one byte of HDF5): firn joins the ones that xarray joins, and loses no dimension."""
import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
from support import compare
from support.binary import firn

FORMATS = ["NETCDF4", "NETCDF4_CLASSIC", "NETCDF3_CLASSIC", "NETCDF3_64BIT_DATA"]


def characters(text, shape):
    return np.array(list(text), "S1").reshape(shape)


def write(path, form, start=0, groups=False):
    """Flags beside numbers along the same dimensions, texts, and what is in between."""
    with netCDF4.Dataset(path, "w", format=form) as file:
        file.createDimension("time", None)
        for name, length in (("lat", 3), ("length", 5), ("own", 2), ("first", 4)):
            file.createDimension(name, length)
        time = file.createVariable("time", "f8", ("time",))
        time.units = "days since 2000-01-01"
        time[:] = [start, start + 1]
        file.createVariable("t", "f4", ("time", "lat"), fill_value=-1)[:] = np.arange(6).reshape(2, 3)
        for name, dimensions, text in [
            ("qc", ("time",), "1\0"), ("qc2", ("time", "lat"), "1 \0" "4 \0"), ("name", ("length",), "abc\0\0"),
            ("names", ("time", "length"), "abcde" "fg\0\0\0"), ("own", ("own",), "xy"), ("owned", ("time", "own"), "wxyz"),
            ("moved", ("first", "lat"), "abcdefghijkl"), ("first_of_all", ("first",), "wxyz"), ("grid", ("first", "length"), "abcde" * 4),
        ]:
            variable = file.createVariable(name, "S1", dimensions)
            variable[:] = characters(text, [2 if d == "time" else len(file.dimensions[d]) for d in dimensions])
        file.createVariable("scalar", "S1", ())[...] = b"s"
        if groups:
            group = file.createGroup("g")
            group.createDimension("inner", 3)
            group.createVariable("text", "S1", ("inner",))[:] = characters("xyz", 3)


@pytest.mark.parametrize("form", FORMATS)
def test_the_store_has_the_dimensions_and_texts_of_xarray(form, tmp_path):
    write(tmp_path / "a.nc", form, groups=form == "NETCDF4")
    firn("transform", tmp_path / "a.nc", "--target", tmp_path / "out.zarr", check=True)
    assert compare.store_differences(tmp_path / "a.nc", tmp_path / "out.zarr")[0] == []
    with xr.open_zarr(tmp_path / "out.zarr") as store:
        assert store.qc.dims == ("time",) and store.qc2.dims == ("time", "lat") and store.names.dims == ("time",)
        assert store.qc2.values.tolist() == [["1", " ", ""], ["4", " ", ""]]


def test_flags_along_time_are_joined_as_files_of_any_format(tmp_path):
    files = []
    for number, form in enumerate(FORMATS):
        files.append(tmp_path / f"{number}.nc")
        write(files[-1], form, start=2 * number)
    firn("transform", *files, "--target", tmp_path / "out.zarr", "--concat-dim", "time", check=True)
    with xr.open_zarr(tmp_path / "out.zarr") as store:
        assert store.qc.shape == (8,) and store.qc.values.tolist() == ["1", ""] * 4
        assert store.names.values.tolist() == ["abcde", "fg"] * 4
        assert store.name.dims == () and str(store.name.values) == "abc"


def test_a_dimension_of_numbers_in_another_group_is_kept(tmp_path):
    """xarray looks at one group at a time; firn at the whole file, because no dimension of numbers may get lost."""
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        file.createDimension("time", 3)
        file.createVariable("t", "f4", ("time",))[:] = [1, 2, 3]
        file.createGroup("g").createVariable("qc", "S1", ("time",))[:] = characters("abc", 3)
    firn("transform", tmp_path / "a.nc", "--target", tmp_path / "out.zarr", check=True)
    with xr.open_zarr(tmp_path / "out.zarr", group="g") as store:
        assert store.qc.dims == ("time",) and store.qc.values.tolist() == ["a", "b", "c"]


def test_characters_of_plain_hdf5_are_joined_only_where_nothing_else_has_their_length(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["numbers"] = np.arange(4.0)
        file["flags"] = characters("abcd", 4)
        file["names"] = characters("abcdefghij", (2, 5))
        file["chunked"] = characters("abcdefghijkl", (3, 4))
        file.create_dataset("compressed", data=characters("abcdefghijkl" * 2, (6, 4)), chunks=(4, 3), compression="gzip", shuffle=True)
        scaled = file.create_dataset("scaled", data=characters("xyz", 3))
        file["values"] = np.arange(3, dtype="i2")
        file["values"].make_scale("values")
        scaled.dims[0].attach_scale(file["values"])
    firn("transform", tmp_path / "a.h5", "--target", tmp_path / "out.zarr", check=True)
    assert compare.store_differences(tmp_path / "a.h5", tmp_path / "out.zarr")[0] == []
    with xr.open_zarr(tmp_path / "out.zarr") as store:
        assert store.flags.values.tolist() == list("abcd") and store.names.values.tolist() == ["abcde", "fghij"]
        assert store.compressed.values.ravel().tolist() == list("abcdefghijkl" * 2)
