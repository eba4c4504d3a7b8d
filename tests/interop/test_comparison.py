"""The comparison itself must be able to fail: each kind of difference in a store is found."""
import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr
from support import compare
from support.binary import TESTDATA, firn

SOURCE = TESTDATA / "netcdf4/air.nc"


@pytest.fixture(scope="session", autouse=True)
def there_is_a_binary():
    """Most of these tests need none."""


@pytest.fixture
def store(tmp_path):
    """What firn should write, written by xarray, without any difference."""
    data = compare.open_source(SOURCE, "/", **compare.RAW)
    for variable in data.variables.values():
        variable.encoding = {} if "_FillValue" in variable.attrs else {"_FillValue": None}
    data.to_zarr(tmp_path / "air.zarr", zarr_format=3, consolidated=True)
    return tmp_path / "air.zarr"


def differences(store):
    zarr.consolidate_metadata(store)
    return compare.store_differences(SOURCE, store)[0]


def test_an_equal_store_has_no_differences(store):
    assert differences(store) == []


def test_one_changed_value_is_found(store):
    array = zarr.open_array(store / "air", mode="r+")
    array[5, 3, 2] = array[5, 3, 2] + 1
    assert any("/air: 1 of" in line for line in differences(store))


def test_a_chunk_that_is_not_there_is_found(store):
    next(p for p in (store / "air/c").rglob("*") if p.is_file()).unlink()
    assert any(line.startswith("/air: ") for line in differences(store))


@pytest.mark.parametrize(("value", "says"), [(0.02, "0.02"), (1, "float"), ("0.01", "became '0.01'"), (None, "missing")])
def test_a_changed_attribute_is_found(store, value, says):
    array = zarr.open_array(store / "air", mode="r+")
    attributes = dict(array.attrs)
    if value is None:
        del attributes["scale_factor"]
    else:
        attributes["scale_factor"] = value
    array.attrs.put(attributes)
    assert any("scale_factor" in line and says in line for line in differences(store))


def test_an_invented_fill_value_is_found(store):
    array = zarr.open_array(store / "air", mode="r+")
    array.attrs["_FillValue"] = -32767
    assert any("_FillValue" in line and "not in the source" in line for line in differences(store))


def test_a_renamed_dimension_is_found(store):
    text = (store / "air/zarr.json").read_text().replace('"lat"', '"y"')
    (store / "air/zarr.json").write_text(text)
    assert any("dimensions" in line or "does not open" in line for line in differences(store))


def test_text_is_compared_as_text():
    assert compare.value_difference("v", np.array([b"ab\0", b"c"], "S3"), np.array(["ab", "c"], object)) is None
    assert compare.value_difference("v", np.array([b"ab", b"c"], "S3"), np.array(["ab", "d"], object))
    assert compare.value_difference("v", np.array([b"ab"], "S3"), np.array([1]))


def test_nan_payloads_and_signs_of_zero_count():
    assert compare.value_difference("v", np.array([0.0]), np.array([-0.0]))
    assert compare.value_difference("v", np.array([np.nan]), np.array([np.nan])) is None


def test_a_float32_attribute_may_be_written_short_or_widened():
    assert compare.attribute_difference("a", np.float32(0.1), 0.1) is None
    assert compare.attribute_difference("a", np.float32(0.1), float(np.float32(0.1))) is None
    assert compare.attribute_difference("a", np.float32(0.1), 0.1001)


def test_the_source_and_its_groups_are_seen():
    with netCDF4.Dataset(TESTDATA / "netcdf4/nc4_groups.nc") as data:
        assert compare.group_paths(TESTDATA / "netcdf4/nc4_groups.nc") == ["/", *(g.path for g in data.groups.values())]
    with pytest.raises(compare.SourceUnreadable):
        compare.open_source(TESTDATA / "SOURCES.md", "/")
    assert isinstance(compare.open_source(SOURCE, "/"), xr.Dataset)


@pytest.mark.parametrize(("spoil", "says"), [
    (lambda v: v["array"].update(data_type="int32"), "type int16 became int32"),
    (lambda v: v["array"].update(shape=[1]), "shape"),
    (lambda v: v["array"].update(dimensions=["time", "y", "lon"]), "dimensions"),
    (lambda v: v["attributes"]["scale_factor"].update(value=0.02), "scale_factor"),
    (lambda v: v["attributes"]["scale_factor"].update(type="float32"), "of type float64 became float32"),
    (lambda v: v["attributes"].pop("units"), "'units' is missing"),
    (lambda v: v["attributes"].update(more={"type": "string", "value": "x"}), "'more'"),
    (lambda v: v.update(name="other"), "missing"),
])
def test_whatever_inspect_says_wrongly_is_found(spoil, says):
    inspected = firn("inspect", SOURCE, check=True).result["files"][0]["inspected"]
    assert compare.inspect_differences(SOURCE, inspected)[0] == []
    spoil(next(v for v in inspected["groups"][0]["variables"] if v["name"] == "air"))
    assert any(says in line for line in compare.inspect_differences(SOURCE, inspected)[0])


def test_a_group_that_inspect_leaves_out_is_found():
    path = TESTDATA / "netcdf4/nc4_groups.nc"
    inspected = firn("inspect", path, check=True).result["files"][0]["inspected"]
    del inspected["groups"][-1]
    assert any("the group is missing" in line for line in compare.inspect_differences(path, inspected)[0])


def test_only_what_h5py_confirms_is_excused():
    path = TESTDATA / "hdf5/attr-u16.h5"
    assert compare.excused(path, "/wfm_group0/axes/axis0: attribute 'ref_time' is missing")
    assert not compare.excused(path, "/wfm_group0/axes/axis0: attribute 'numDigits' is missing")
    path = TESTDATA / "hdf5/vlen_string_s390x.h5"
    assert compare.excused(path, "/: attribute 'created_on_s390x' = 1 is not in the source")
    assert not compare.excused(path, "/: attribute 'created_on_s390x' = 0 is not in the source")
    assert not compare.excused(path, "/: attribute 'invented' = 1 is not in the source")
