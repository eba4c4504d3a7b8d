"""Compares what xarray sees in a source file with what it sees in a store that firn wrote.

Undecoded first (`mask_and_scale=False, decode_times=False`): groups, variables, dimensions, dtypes, every bit of the values,
every attribute. Then decoded, as readers see it. Text is compared as text. Each difference is one line.
"""
import ast
import functools
import re
import warnings

import h5py
import netCDF4
import numpy as np
import xarray as xr

OWN = ("firn:", "pangeo_forge_build")
ENUM = {"flag_values", "flag_meanings"}
RAW = dict(mask_and_scale=False, decode_times=False, decode_coords=False)


def group_paths(path):
    found = []

    def walk(group):
        found.append(group.path)
        for child in group.groups.values():
            walk(child)
    if engine_of(str(path)) == "h5netcdf":
        with h5py.File(path) as file:
            file.visititems(lambda name, node: found.append(f"/{name}") if isinstance(node, h5py.Group) else None)
        return ["/", *found]
    with netCDF4.Dataset(path) as root:
        walk(root)
    return found


class SourceUnreadable(Exception):
    """xarray itself cannot open the source, so there is nothing to compare with."""


@functools.cache
def engine_of(path):
    """xarray's engine for a source: netcdf4, but h5netcdf where the C library shows fewer elements than a dataset holds.

    It does where two dimensions carry one `_Netcdf4Dimid` and it takes the length of the wrong one; HDF5's own dimension
    scales are unambiguous there. Nor can it list some files of plain HDF5, which h5py opens.
    """
    def cut_short(group, file):
        return any(var.size < file[f"{group.path}/{name}"].size for name, var in group.variables.items() if f"{group.path}/{name}" in file) \
            or any(cut_short(child, file) for child in group.groups.values())
    if not h5py.is_hdf5(path):
        return "netcdf4"
    try:
        with netCDF4.Dataset(path) as root, h5py.File(path) as file:
            return "h5netcdf" if cut_short(root, file) else "netcdf4"
    except OSError:
        return "h5netcdf"


def cannot_match(values, fill):
    """Whether no element of an integer array can equal this number: NaN, or one with a fraction."""
    return values.dtype.kind in "iu" and np.ndim(fill) == 0 and np.asarray(fill).dtype.kind == "f" and not float(fill).is_integer()


def open_source(path, group, load=True, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            engine = engine_of(str(path))
            phony = {"phony_dims": "sort"} if engine == "h5netcdf" else {}
            dataset = xr.open_dataset(path, engine=engine, group=group, **phony, **options)
            return dataset.load() if load else dataset
        except Exception as error:
            raise SourceUnreadable(f"{type(error).__name__}: {error}") from error


def open_store(store, group, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return xr.open_dataset(store, engine="zarr", group=group.strip("/") or None, **options).load()


def icechunk_session(path, storage=None):
    """A read-only store of an Icechunk repository, with every virtual chunk container authorised without credentials."""
    import icechunk
    storage = storage or icechunk.local_filesystem_storage(str(path))
    config = icechunk.Repository.fetch_config(storage)
    containers = (config.virtual_chunk_containers or {}) if config else {}
    access = icechunk.containers_credentials({prefix: None for prefix in containers})
    repository = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access)
    return repository.readonly_session("main").store


# ------------------------------------------------------------------ one value, one attribute
def is_text(array):
    return array.dtype.kind in "SUT" or (array.dtype.kind == "O" and all(isinstance(v, (str, bytes, type(None))) for v in array.reshape(-1)[:1]))


def as_text(array, encoding="utf-8"):
    def one(value):
        if value is None:
            return ""
        value = value.decode(encoding) if isinstance(value, bytes) else str(value)
        return value.rstrip("\0")
    return [one(v) for v in np.asarray(array, dtype=object).reshape(-1)]


def bits(array):
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    return array.view(f"V{array.dtype.itemsize}") if array.dtype.kind == "V" else array.reshape(-1).view(f"u{array.dtype.itemsize}") if array.dtype.itemsize in (1, 2, 4, 8) else array.reshape(-1)


def value_difference(name, source, store):
    if is_text(source):
        if not is_text(store):
            return f"{name}: text became {store.dtype}"
        try:
            left = as_text(source)
        except UnicodeDecodeError:
            return f"{name}: the source is not UTF-8, firn should have refused"
        right = as_text(store)
        if left != right:
            at = next((i for i, (a, b) in enumerate(zip(left, right)) if a != b), None)
            return f"{name}: text differs at {at}: {left[at]!r} became {right[at]!r}" if at is not None else f"{name}: {len(left)} texts became {len(right)}"
        return None
    if source.dtype.newbyteorder("=") != store.dtype.newbyteorder("="):
        return f"{name}: dtype {source.dtype} became {store.dtype}"
    if source.shape != store.shape:
        return f"{name}: shape {source.shape} became {store.shape}"
    if source.size == 0:
        return None
    if source.dtype.kind == "O":
        return f"{name}: sequences of variable length cannot be compared"
    wrong = np.nonzero(bits(source) != bits(store))[0]
    if wrong.size:
        at = int(wrong[0])
        return f"{name}: {wrong.size} of {source.size} values differ, first at {at}: {source.reshape(-1)[at]!r} became {store.reshape(-1)[at]!r}"
    return None


NON_FINITE = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


def attribute_difference(name, source, store):
    """Value and numeric type as far as JSON can say them: an integer stays an integer, a float a float, and a float32 comes back when cast."""
    if isinstance(source, (str, bytes)):
        text = source.decode("utf-8", "replace") if isinstance(source, bytes) else source
        return None if isinstance(store, str) and store.rstrip("\0") == text.rstrip("\0") else f"{name}: {text!r} became {store!r}"
    if isinstance(source, list):
        return None if list(np.atleast_1d(store)) == source or (len(source) == 1 and store == source[0]) else f"{name}: {source!r} became {store!r}"
    left = np.asarray(source)
    if left.dtype.kind in "SU":
        return None if as_text(left) == as_text(np.asarray(store)) else f"{name}: {source!r} became {store!r}"
    right = [NON_FINITE.get(v, v) if isinstance(v, str) else v for v in np.atleast_1d(np.asarray(store, dtype=object)).reshape(-1)]
    if len(right) != left.size:
        return f"{name}: {left.size} numbers became {len(right)}: {store!r}"
    for a, b in zip(left.reshape(-1), right):
        if isinstance(b, (str, bool, np.bool_)) or b is None:
            return f"{name}: number {a!r} became {b!r}"
        if left.dtype.kind in "iu":
            if not isinstance(b, (int, np.integer)) or int(a) != int(b):
                return f"{name}: integer {a!r} became {b!r}"
        elif left.dtype.kind == "f":
            if not isinstance(b, (float, np.floating)):
                return f"{name}: float {a!r} became {b!r} ({type(b).__name__})"
            back = left.dtype.type(b)
            if not (back == a or (np.isnan(a) and np.isnan(back))):
                return f"{name}: float {a!r} became {b!r}"
    return None


def attribute_differences(where, source, store):
    for key, value in source.items():
        if key not in store:
            yield f"{where}: attribute {key!r} is missing"
        elif found := attribute_difference(key, value, store[key]):
            yield f"{where}: attribute {found}"
    for key in store.keys() - source.keys():
        if not key.startswith(OWN) and key not in ENUM:
            yield f"{where}: attribute {key!r} = {store[key]!r} is not in the source"


# ------------------------------------------------------------------ datasets
def dataset_differences(where, source, store):
    """Two undecoded xarray datasets."""
    yield from attribute_differences(where, source.attrs, store.attrs)
    for name in source.variables:
        place = f"{where.rstrip('/')}/{name}"
        if name not in store.variables:
            yield f"{place}: missing"
            continue
        old, new = source.variables[name], store.variables[name]
        if len(old.dims) != len(new.dims) or any(a != b and not a.startswith("phony_dim_") for a, b in zip(old.dims, new.dims)):
            yield f"{place}: dimensions {old.dims} became {new.dims}"
        if found := value_difference(place, old.values, new.values):
            yield found
        # xarray refuses a whole Zarr v3 dataset in which a string array has a `_FillValue` attribute, whatever its form, or an
        # integer array has one that is no integer: there it has to stay out, and only there.
        said = {k: v for k, v in old.attrs.items() if not (k == "_FillValue" and (is_text(old.values) or cannot_match(old.values, v)))}
        yield from attribute_differences(place, said, new.attrs)
    for name in store.variables:
        if name not in source.variables:
            yield f"{where.rstrip('/')}/{name}: not in the source"


def decoded_differences(where, source, store):
    """Two decoded datasets: what a reader gets. Returns (differences, notes)."""
    differences, notes = [], []
    for name in source.variables:
        if name not in store.variables:
            continue
        place = f"{where.rstrip('/')}/{name}"
        old, new = source.variables[name].values, store.variables[name].values
        if is_text(old):
            continue
        if old.dtype.kind == "O" or new.dtype.kind == "O":
            same = old.shape == new.shape and all(a == b or (a is b) for a, b in zip(old.reshape(-1), new.reshape(-1)))
            if not same:
                differences.append(f"{place}: decoded times differ")
        elif old.dtype.kind != new.dtype.kind:
            differences.append(f"{place}: decoded {old.dtype} became {new.dtype}")
        elif old.shape != new.shape:
            differences.append(f"{place}: decoded shape {old.shape} became {new.shape}")
        elif old.dtype.kind == "f":
            if not np.array_equal(np.isnan(old), np.isnan(new)):
                differences.append(f"{place}: decoded NaN in other places ({int(np.isnan(old).sum())} became {int(np.isnan(new).sum())})")
                continue
            if old.dtype != new.dtype:
                notes.append(f"{place}: decodes to {new.dtype}, the source to {old.dtype}")
            left, right = old[~np.isnan(old)], new[~np.isnan(new)]
            exact = old.dtype == new.dtype and np.array_equal(left, right)
            if not exact and not np.allclose(left.astype("f8"), right.astype("f8"), rtol=2e-7 if min(old.dtype.itemsize, new.dtype.itemsize) == 4 else 1e-15, atol=0):
                worst = float(np.max(np.abs(left.astype("f8") - right.astype("f8"))))
                differences.append(f"{place}: decoded values differ by up to {worst:g}")
            elif not exact and old.dtype == new.dtype:
                notes.append(f"{place}: decoded values differ in the last bits")
        elif not np.array_equal(old, new):
            differences.append(f"{place}: decoded values differ")
    return differences, notes


def store_differences(path, store, decoded=True):
    """A whole file against a store: (differences, notes). Raises SourceUnreadable."""
    differences, notes = [], []
    for group in group_paths(path):
        source = open_source(path, group, **RAW)
        try:
            written = open_store(store, group, **RAW)
        except Exception as error:
            differences.append(f"{group}: the store does not open: {type(error).__name__}: {error}")
            continue
        differences += dataset_differences(group, source, written)
        if not decoded:
            continue
        times = xr.coders.CFDatetimeCoder(use_cftime=True)
        try:
            source = open_source(path, group, decode_times=times)
        except SourceUnreadable as error:
            notes.append(f"{group}: xarray cannot decode the source: {error}")
            continue
        try:
            written = open_store(store, group, decode_times=times)
        except Exception as error:
            differences.append(f"{group}: the store does not decode, the source does: {type(error).__name__}: {error}")
            continue
        more, said = decoded_differences(group, source, written)
        differences += more
        notes += said
    return differences, notes


# ------------------------------------------------------------------ what `firn inspect` says of a file
def inspected_attribute_differences(where, source, said):
    """Value and type of every attribute: `said` is `{name: {type, value}}`."""
    for key, value in source.items():
        if key not in said:
            yield f"{where}: attribute {key!r} is missing"
            continue
        if found := attribute_difference(key, value, said[key]["value"]):
            yield f"{where}: attribute {found}"
        kind = np.asarray(value).dtype
        expected = "string" if kind.kind in "SUO" else kind.newbyteorder("=").name
        if said[key]["type"] != expected:
            yield f"{where}: attribute {key!r} of type {expected} became {said[key]['type']}"
    for key in said.keys() - source.keys():
        if key not in ENUM:
            yield f"{where}: attribute {key!r} = {said[key]!r} is not in the source"


def inspect_differences(path, inspected):
    """What `firn inspect -o json` says of a file against xarray's undecoded view of it: (differences, notes)."""
    differences, notes = [], []
    groups = {group["path"]: group for group in inspected["groups"]}
    for where in group_paths(path):
        # Not loaded: of variables whose filter the C library lacks, everything but the values can be compared.
        source = open_source(path, where, load=False, **RAW)
        group = groups.pop(where, None)
        if group is None:
            differences.append(f"{where}: the group is missing")
            continue
        differences += inspected_attribute_differences(where, source.attrs, group["attributes"])
        variables = {variable["name"]: variable for variable in group["variables"]}
        for name, old in source.variables.items():
            place = f"{where.rstrip('/')}/{name}"
            new = variables.pop(name, None)
            if new is None:
                differences.append(f"{place}: missing")
                continue
            array = new.get("array")
            if array is None:
                notes.append(f"{place}: refused, {new['verdict'].get('code')}")
                continue
            if tuple(array["shape"]) != old.shape:
                differences.append(f"{place}: shape {old.shape} became {array['shape']}")
            if len(old.dims) != len(array["dimensions"]) or any(a != b and not a.startswith("phony_dim_") for a, b in zip(old.dims, array["dimensions"])):
                differences.append(f"{place}: dimensions {old.dims} became {array['dimensions']}")
            text = is_text(old.values) if old.dtype.kind == "O" else old.dtype.kind in "SUT"
            expected = "string" if text else old.dtype.newbyteorder("=").name
            if array["data_type"] != expected:
                differences.append(f"{place}: type {expected} became {array['data_type']}")
            differences += inspected_attribute_differences(place, old.attrs, new["attributes"])
        for name, new in variables.items():
            if new.get("array") is not None:
                differences.append(f"{where.rstrip('/')}/{name}: not in the source")
    differences += [f"{where}: the group is not in the source" for where in groups]
    return differences, notes


def excused(path, line):
    """Whether h5py, asked about the same file, shows that the C library and not firn leaves something out.

    netCDF-C reads integers of 16 bytes as 0, which firn leaves out with a note, and hides enums of foreign byte order.
    """
    found = re.fullmatch(r"(/.*?): attribute '(.*?)' (is missing|= (.*) is not in the source)", line)
    if not found or not h5py.is_hdf5(path):
        return False
    node, name, rest, value = found.groups()
    with h5py.File(path) as file:
        if node not in file or name not in file[node].attrs:
            return False
        attributes = file[node].attrs
        stored = attributes.get_id(name).get_type()
        if rest == "is missing":
            return isinstance(stored, h5py.h5t.TypeIntegerID) and stored.get_size() == 16
        said = ast.literal_eval(value)
        said = said["value"] if isinstance(said, dict) else said
        return isinstance(stored, h5py.h5t.TypeEnumID) and np.array_equal(np.asarray(attributes[name]).astype("i8"), np.asarray(said))


# ------------------------------------------------------------------ several files along one dimension
def combined(files, dim, decode=False):
    """The files joined along `dim` by xarray: what the store must hold. Undecoded, or decoded with cftime dates."""
    options = dict(decode_times=xr.coders.CFDatetimeCoder(use_cftime=True)) if decode else RAW
    parts = [open_source(f, "/", **options) for f in files]
    return xr.concat(parts, dim=dim, data_vars="minimal", coords="minimal", compat="override", join="override", combine_attrs="drop_conflicts")


def combined_differences(files, dim, store, undecoded=True):
    """Several sources against one store: values undecoded (all but re-encoded times), then decoded."""
    found = []
    if undecoded:
        source, written = combined(files, dim), open_store(store, "/", **RAW)
        for name in source.variables:
            if name not in written.variables:
                found.append(f"/{name}: missing")
            elif line := value_difference(f"/{name}", source.variables[name].values, written.variables[name].values):
                found.append(line)
    source = combined(files, dim, decode=True)
    written = open_store(store, "/", decode_times=xr.coders.CFDatetimeCoder(use_cftime=True))
    return found + decoded_differences("/", source, written)[0]


def published(target):
    """The store of a managed dataset: the version that firn.json calls current, or the target itself where it is a store."""
    import json
    import pathlib
    target = pathlib.Path(target)
    record = target / "firn.json"
    if not record.exists():
        return target
    current = json.loads(record.read_text())["current"]
    return target / (current if (target / str(current)).exists() else f"v{current}")
