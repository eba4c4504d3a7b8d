"""What decides the meaning of numbers, and every step and variable, is in the result as it is in the source, or firn refuses."""
import json
import os

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr
from support import compare
from support.binary import firn, well_formed_error

DAYS = "days since 2000-01-01"


def write(path, variables, dimensions=None):
    """variables: {path: (type, dimensions, values, attributes)}. Dimensions of groups: {"/group/name": size}."""
    with netCDF4.Dataset(path, "w") as made:
        for name, size in (dimensions or {}).items():
            group, _, name = name.rpartition("/")
            (made.createGroup(group) if group else made).createDimension(name, size)
        for name, (kind, dims, values, attributes) in variables.items():
            attributes = dict(attributes)
            variable = made.createVariable(name, kind, dims, fill_value=attributes.pop("_FillValue", None))
            variable.set_auto_maskandscale(False)
            variable.setncatts(attributes)
            variable[...] = values
    return path


def opened(store, **options):
    return xr.open_zarr(store, chunks=None, decode_times=False, mask_and_scale=False, **options)


def refused(answer, code):
    assert answer.status and answer.error["code"] == code, str(answer)
    assert well_formed_error(answer) == [], str(answer)


# Groups

def groups(path, first, steps, dimensionless=()):
    variables = {f"/{group}/u": ("f4", ("time",), np.arange(n) + n * first, {}) for group, n in steps.items()}
    variables |= {f"/{group}/time": ("f8", ("time",), np.arange(n) + n * first, {"units": DAYS})
                  for group, n in steps.items() if group not in dimensionless}
    return write(path, variables, {f"/{group}/time": n for group, n in steps.items()})


@pytest.mark.parametrize("steps", [{"A": 2, "B": 3}, {"A": 3, "B": 2}])
@pytest.mark.parametrize("verb", ["transform", "virtualize"])
@pytest.mark.parametrize("count", [1, 2])
def test_groups_of_other_lengths_are_not_joined(tmp_path, steps, verb, count):
    files = [groups(tmp_path / f"{i}.nc", i, steps) for i in range(count)]
    answer = firn(verb, *files, "--target", tmp_path / "out", "--concat-dim", "time")
    refused(answer, "axis-lengths")
    assert "/B/" in str(answer.error["where"]) and not (tmp_path / "out").exists()


def test_groups_of_one_length_are_joined_each_with_its_own_steps(tmp_path):
    files = [groups(tmp_path / f"{i}.nc", i, {"A": 3, "B": 3}, dimensionless="B") for i in range(2)]
    firn("transform", *files, "--target", tmp_path / "out", "--concat-dim", "time", check=True)
    assert [opened(tmp_path / "out", group=g).u.values.tolist() for g in "AB"] == [[0, 1, 2, 3, 4, 5]] * 2


def test_groups_whose_times_order_the_files_differently_are_not_joined(tmp_path):
    files = []
    for i in range(2):
        times = {"A": [2 * i, 2 * i + 1], "B": [2 - 2 * i, 3 - 2 * i]}
        variables = {f"/{g}/time": ("f8", ("time",), t, {"units": DAYS}) for g, t in times.items()}
        files.append(write(tmp_path / f"{i}.nc", variables, {"/A/time": 2, "/B/time": 2}))
    refused(firn("transform", *files, "--target", tmp_path / "out", "--concat-dim", "time"), "axis-not-monotonic")


NESTED = [("v", "g0/v", "g1/v", "g1/g2/b"), ("g/z", "g/h/z"), ("a", "g/a", "g/h/a", "g/i/a"), ("y/v", "g1/y", "g1/g2/b"),
          ("P/ch4", "P/S/G/sza", "P/S/D/chi", "M/Q/q")]


@pytest.mark.parametrize("names", NESTED, ids=" ".join)
def test_nested_groups_open_with_all_their_variables(tmp_path, names):
    write(tmp_path / "a.nc", {name: ("f4", ("x",), [1, 2], {}) for name in names}, {"x": 2})
    firn("transform", tmp_path / "a.nc", "--target", tmp_path / "out", check=True)
    for consolidated in (True, False):
        tree = xr.open_datatree(tmp_path / "out", engine="zarr", consolidated=consolidated)
        assert {f"{node.path}/{v}".strip("/") for node in tree.subtree for v in node.ds.variables} == set(names)


def test_variables_that_are_merged_into_groups_are_all_there(tmp_path):
    for name, variables in {"one": ["a/x1", "b/y1"], "two": ["a/z1", "b/w1"]}.items():
        write(tmp_path / f"f_{name}.nc", {v: ("f4", ("x",), [1, 2], {}) for v in variables}, {"x": 2})
    (tmp_path / "feed").mkdir()
    (tmp_path / "feed/recipe.yaml").write_text(
        "version: 1\nrecipes:\n  - id: r\n    source: {pattern: '../f_{variable}.nc', dims: {variable: {merge: true, keys: [one, two]}}}\n"
        "    target: {format: zarr3}\n")
    firn("run", tmp_path / "feed", "--target", tmp_path / "out", "--no-write", check=True)
    store = compare.published(tmp_path / "out")
    assert {g: set(xr.open_zarr(store, group=g).variables) for g in "ab"} == {"a": {"x1", "z1"}, "b": {"y1", "w1"}}


# Names

def test_variables_with_xarrays_own_name_are_kept(tmp_path):
    xr.DataArray(np.arange(3.0), dims="x").to_netcdf(tmp_path / "a.nc")
    firn("transform", tmp_path / "a.nc", "--target", tmp_path / "out", check=True)
    assert opened(tmp_path / "out")["__xarray_dataarray_variable__"].values.tolist() == [0, 1, 2]


def test_variables_that_zarr_cannot_name_are_refused_not_left_out(tmp_path):
    write(tmp_path / "a.nc", {"v": ("f4", ("x",), [1, 2], {}), "a\\b": ("f4", ("x",), [1, 2], {})}, {"x": 2})
    inspected = firn("inspect", tmp_path / "a.nc", check=True)
    assert "unsupported-variable-name" in json.dumps(inspected.result)
    refused(firn("transform", tmp_path / "a.nc", "--target", tmp_path / "out"), "unsupported-variable-name")


# Attributes that decide what numbers mean

def steps(tmp_path, *attributes, kind="i2", values=7):
    return [write(tmp_path / f"{i}.nc", {"time": ("f8", ("time",), [i], {"units": DAYS}), "v": (kind, ("time",), values, a)}, {"time": 1})
            for i, a in enumerate(attributes)]


def test_two_projections_are_not_joined(tmp_path):
    files = []
    for i in range(2):
        mapping = {"grid_mapping_name": "geostationary", "longitude_of_projection_origin": -75.0 + i}
        files.append(write(tmp_path / f"{i}.nc", {
            "time": ("f8", ("time",), [i], {"units": DAYS}), "crs": ("i4", (), 0, mapping),
            "v": ("i2", ("time",), [7], {"grid_mapping": "crs"})}, {"time": 1}))
    answer = firn("transform", *files, "--target", tmp_path / "out", "--concat-dim", "time")
    refused(answer, "drift-coding-attribute")
    assert "longitude_of_projection_origin" in str(answer.error)


@pytest.mark.parametrize("dims", [("nv", "time"), ("time", "x", "nv")])
def test_bounds_that_cannot_follow_their_time_are_refused(tmp_path, dims):
    files = []
    sizes = {"time": 1, "nv": 2, "x": 3}
    for i in range(2):
        files.append(write(tmp_path / f"{i}.nc", {
            "time": ("f8", ("time",), [0], {"units": f"days since 2000-01-0{1 + i}", "bounds": "b"}),
            "b": ("f8", dims, np.zeros([sizes[d] for d in dims]), {})}, sizes))
    refused(firn("transform", *files, "--target", tmp_path / "out", "--concat-dim", "time"), "drift-time-encoding")


@pytest.mark.parametrize("kind,attributes", [
    ("i1", {"_Unsigned": "true", "_FillValue": np.int8(-1)}), ("u1", {"_Unsigned": "false", "_FillValue": np.uint8(200)}),
    ("i2", {"_Unsigned": "true", "_FillValue": np.int16(-2)})])
def test_marked_signs_and_their_fill_open_and_decode_as_in_the_source(tmp_path, kind, attributes):
    write(tmp_path / "a.nc", {"v": (kind, ("x",), np.array([1, 2], kind), attributes)}, {"x": 2})
    firn("transform", tmp_path / "a.nc", "--target", tmp_path / "out", check=True)
    with xr.open_dataset(tmp_path / "a.nc") as source:
        xr.testing.assert_equal(xr.open_zarr(tmp_path / "out").load(), source.load())


@pytest.mark.parametrize("fill", [np.uint8(255), np.int16(255)])
def test_a_fill_of_another_type_decodes_as_in_the_source(tmp_path, fill):
    with h5py.File(tmp_path / "a.nc", "w") as made:
        v = made.create_dataset("v", data=np.array([-1, 2], "i1"))
        v.attrs.update({"_Unsigned": "true", "_FillValue": fill})
    firn("transform", tmp_path / "a.nc", "--target", tmp_path / "out", check=True)
    with xr.open_dataset(tmp_path / "a.nc", engine="h5netcdf", phony_dims="sort") as source:
        assert np.array_equal(xr.open_zarr(tmp_path / "out").v.values, source.v.values, equal_nan=True)


@pytest.mark.parametrize("attributes", [{"scale_factor": np.nan}, {"add_offset": np.inf}])
def test_packing_that_is_no_number_is_refused(tmp_path, attributes):
    files = steps(tmp_path, attributes)
    refused(firn("transform", *files, "--target", tmp_path / "out"), "unsupported-packing")


def test_half_precision_attributes_keep_their_values(tmp_path):
    with h5py.File(tmp_path / "a.nc", "w") as made:
        made.create_dataset("v", data=np.arange(3, dtype="i2")).attrs["scale_factor"] = np.float16(0.5)
    firn("transform", tmp_path / "a.nc", "--target", tmp_path / "out", check=True)
    assert xr.open_zarr(tmp_path / "out").v.values.tolist() == [0, 0.5, 1]


def test_an_empty_user_block_is_no_broken_transfer(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", userblock_size=1024) as made:
        made["v"] = np.arange(3)
    firn("transform", tmp_path / "a.h5", "--target", tmp_path / "out", check=True)
    assert zarr.open_group(tmp_path / "out", mode="r")["v"][...].tolist() == [0, 1, 2]


# Selection

def select(tmp_path, selection):
    (tmp_path / "feed").mkdir(exist_ok=True)
    (tmp_path / "feed/recipe.yaml").write_text(
        f"version: 1\nrecipes:\n  - id: r\n    source: {{files: [../a.nc]}}\n    target: {{format: zarr3}}\n    {selection}\n")
    return firn("run", tmp_path / "feed", "--target", tmp_path / "out", "--no-write")


def test_a_dimension_that_several_groups_have_is_ambiguous(tmp_path):
    groups(tmp_path / "a.nc", 0, {"A": 2, "B": 3})
    refused(select(tmp_path, "select: {isel: {time: [0, 3]}}"), "select-ambiguous")


def test_packed_coordinates_are_not_selected_by_their_integers(tmp_path):
    write(tmp_path / "a.nc", {"lat": ("i2", ("lat",), [-3000, 0, 3000], {"scale_factor": 0.01})}, {"lat": 3})
    refused(select(tmp_path, "select: {sel: {lat: [-30, 30]}}"), "select-packed")


def test_bounds_of_a_selection_meet_float32_coordinates(tmp_path):
    lat = np.array([0.1, 0.3, 0.6, 0.7], "f4")
    write(tmp_path / "a.nc", {"lat": ("f4", ("lat",), lat, {})}, {"lat": 4})
    answer = select(tmp_path, "select: {sel: {lat: [0.3, 0.6]}}")
    assert answer.status == 0, str(answer)
    assert opened(compare.published(tmp_path / "out")).lat.values.tolist() == lat[1:3].tolist()


def test_renamed_variables_are_renamed_where_attributes_name_them(tmp_path):
    write(tmp_path / "a.nc", {
        "lev": ("f8", ("lev",), [0.1, 0.9], {"standard_name": "atmosphere_sigma_coordinate", "formula_terms": "sigma: lev ps: ps ptop: ptop"}),
        "ps": ("f4", (), 1e5, {}), "ptop": ("f4", (), 10, {}), "area": ("f4", ("lev",), [1, 2], {}),
        "v": ("f4", ("lev",), [1, 2], {"cell_measures": "area: area", "cell_methods": "lev: mean area: sum"})}, {"lev": 2})
    answer = select(tmp_path, "transform: [{rename: {ps: surface_pressure, area: cell_area, lev: sigma}}]")
    assert answer.status == 0, str(answer)
    made = opened(compare.published(tmp_path / "out"), decode_cf=False)
    assert made.sigma.attrs["formula_terms"] == "sigma: sigma ps: surface_pressure ptop: ptop"
    assert made.v.attrs["cell_measures"] == "area: cell_area"
    assert made.v.attrs["cell_methods"] == "sigma: mean area: sum"


# Verify

@pytest.fixture
def packed(tmp_path):
    files = steps(tmp_path, {"scale_factor": 0.5, "units": "K", "_FillValue": np.int16(-1)})
    firn("transform", *files, "--target", tmp_path / "out.zarr", check=True)
    return files, tmp_path / "out.zarr"


@pytest.mark.parametrize("attribute,value", [("scale_factor", 0.25), ("units", "degC"), ("_FillValue", "AAA=")])
def test_verify_finds_a_coding_attribute_that_is_not_the_sources(packed, attribute, value):
    files, store = packed
    for document, place in ((store / "zarr.json", ("consolidated_metadata", "metadata", "v")), (store / "v/zarr.json", ())):
        said = json.loads(document.read_text())
        node = said
        for name in place:
            node = node[name]
        node["attributes"][attribute] = value
        document.write_text(json.dumps(said))
    answer = firn("verify", store, "--against", *files, "--full")
    assert answer.status == 10 and any(f["rule"] == "coding" for f in answer.result["findings"]), str(answer)


def test_verify_compares_the_documents_of_nodes_with_the_consolidated_ones(packed):
    _, store = packed
    said = json.loads((store / "v/zarr.json").read_text())
    said["attributes"]["scale_factor"] = 55
    (store / "v/zarr.json").write_text(json.dumps(said))
    answer = firn("verify", store)
    assert answer.status == 10 and any(f["rule"] == "documents" for f in answer.result["findings"]), str(answer)


# Versions of sources

def test_a_file_that_changes_within_the_second_is_another_file(tmp_path):
    (tmp_path / "feed").mkdir()
    (tmp_path / "feed/recipe.yaml").write_text("version: 1\nrecipes:\n  - id: r\n    source: {files: [../a.nc]}\n    target: {format: zarr3}\n")
    run = ("run", tmp_path / "feed", "--target", tmp_path / "out", "--no-write")
    for value, nanoseconds in ((1, 100), (2, 200)):
        write(tmp_path / "a.nc", {"v": ("f4", ("x",), [value], {})}, {"x": 1})
        os.utime(tmp_path / "a.nc", ns=(0, 1_700_000_000_000_000_000 + nanoseconds))
        firn(*run, check=True)
        assert opened(compare.published(tmp_path / "out")).v.values.tolist() == [value]


def test_references_with_text_are_copied(tmp_path):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as made:
        made.createDimension("x", 3)
        made.createVariable("s", str, ("x",))[:] = np.array(["a", "bb", ""], object)
    firn("virtualize", tmp_path / "a.nc", "--target", tmp_path / "a.json", "--format", "kerchunk-json", check=True)
    firn("transform", tmp_path / "a.json", "--target", tmp_path / "out", check=True)
    assert xr.open_zarr(tmp_path / "out").s.values.tolist() == ["a", "bb", ""]
