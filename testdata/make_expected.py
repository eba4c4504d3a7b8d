#!/usr/bin/env python3
"""Writes testdata/expected/<folder>/<file>.json: what netCDF4-python and h5py see in each bundled file.

    make_expected.py [FILE...] [--check]

Each file is read in a process of its own, because some bundled files crash the C library; such a file gets
`"oracle": "crashed"` and firn must refuse it. `--check` writes nothing and fails if a result would change.
The shape of the JSON is described in testdata/README.md.
"""
import argparse
import hashlib
import json
import math
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
# The C library reads beyond what these files hold, so what it finds depends on what its memory held before.
UNSTEADY = {"hdf5_hostile/bad_nbit_parms_walk.h5"}
FOLDERS = ("netcdf3", "netcdf4", "nemo", "hdf5", "hdf5_hostile")
ENDS = 4          # values shown from each end
ALL_TEXT = 64     # texts listed in full up to this many


# ------------------------------------------------------------------ values, in one form for both libraries
def number(value):
    """A JSON number that survives: floats as float64 (exact), non-finite ones as text."""
    import numpy as np
    if isinstance(value, (np.bool_, bool)):
        return bool(value)
    if isinstance(value, (np.integer, int)):
        return int(value)
    if isinstance(value, (np.complexfloating, complex)):
        return [number(value.real), number(value.imag)]
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def text(value):
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return {"latin-1": value.decode("latin-1")}
    return str(value)


def little(array):
    """C-order copy with little-endian numbers."""
    import numpy as np
    array = np.asarray(array)
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def values_of(array):
    """Digest and ends of an array of numbers, fixed bytes, text or compounds."""
    import numpy as np
    from numpy.lib.recfunctions import repack_fields
    array = np.asarray(array)
    count = int(array.size)
    if array.dtype.kind == "O":
        flat = array.reshape(-1)
        if count and isinstance(flat[0], np.ndarray):
            joined = b"".join(little(v).tobytes() for v in flat)
            return {"count": count, "kind": "vlen", "blake2b": digest(joined), "lengths": [int(v.size) for v in flat[:ALL_TEXT]]}
        raw = [v if isinstance(v, bytes) else ("" if v is None else str(v)).encode("utf-8", "surrogateescape") for v in flat]
        out = {"count": count, "kind": "text", "blake2b": digest(b"".join(v + b"\0" for v in raw))}
        shown = [text(v) for v in raw]
        return out | ({"all": shown} if count <= ALL_TEXT else {"first": shown[:ENDS], "last": shown[-ENDS:]})
    if array.dtype.hasobject:  # compounds with pointers: their bytes are addresses in memory
        return {"count": count, "kind": "raw"}
    if array.dtype.names:  # padding between fields is whatever was in memory
        array = repack_fields(array, recurse=True)
    flat = little(array)
    out = {"count": count, "blake2b": digest(flat.tobytes())}
    flat = flat.reshape(-1)
    if array.dtype.kind == "S":
        shown = [text(bytes(v)) for v in flat]
        return out | {"kind": "bytes"} | ({"all": shown} if count <= ALL_TEXT else {"first": shown[:ENDS], "last": shown[-ENDS:]})
    if array.dtype.kind == "V":
        return out | {"kind": "raw"}
    return out | {"kind": "number", "first": [number(v) for v in flat[:ENDS]], "last": [number(v) for v in flat[-ENDS:]]}


def digest(data):
    return hashlib.blake2b(data, digest_size=32).hexdigest()


def type_name(dtype):
    import numpy as np
    dtype = np.dtype(dtype)
    if dtype.kind == "S":
        return "char" if dtype.itemsize == 1 else f"bytes{dtype.itemsize}"
    if dtype.kind == "V":
        return "compound" if dtype.names else f"raw{dtype.itemsize}"
    return dtype.name if dtype.kind != "O" else "object"


def endian(dtype):
    import numpy as np
    return {">": "big", "<": "little", "=": sys.byteorder, "|": None}[np.dtype(dtype).byteorder]


# ------------------------------------------------------------------ netCDF4-python
def nc_attributes(owner):
    import numpy as np
    out = []
    for name in owner.ncattrs():
        try:
            value = owner.getncattr(name)
        except Exception as error:  # a type the library cannot give (a fact about the oracle, kept)
            out.append({"name": name, "type": "unreadable", "value": str(error)})
            continue
        if isinstance(value, str):
            out.append({"name": name, "type": "text", "value": value})
        elif isinstance(value, list):
            out.append({"name": name, "type": "string", "value": [str(v) for v in value]})
        else:
            array = np.atleast_1d(np.asarray(value))
            if array.dtype.kind == "S":
                out.append({"name": name, "type": "text", "value": b"".join(array.reshape(-1)).decode("latin-1")})
            elif array.dtype.kind in "OV":
                out.append({"name": name, "type": type_name(array.dtype), "value": None})
            else:
                out.append({"name": name, "type": type_name(array.dtype), "value": [number(v) for v in array.reshape(-1)]})
    return out


def nc_type(var):
    import netCDF4
    kind = var.datatype
    if isinstance(kind, netCDF4.EnumType):
        return {"dtype": kind.dtype.name, "enum": {"name": kind.name, "members": {k: int(v) for k, v in kind.enum_dict.items()}}}
    if isinstance(kind, netCDF4.VLType):
        return {"dtype": "string" if kind.dtype is str else f"vlen:{type_name(kind.dtype)}"}
    if isinstance(kind, netCDF4.CompoundType):
        return {"dtype": "compound"}
    return {"dtype": "string" if var.dtype is str else type_name(var.dtype)}


def nc_variable(var):
    import numpy as np
    out = {"name": var.name, **nc_type(var), "dimensions": list(var.dimensions), "shape": [int(n) for n in var.shape]}
    out["endian"] = var.endian()
    chunking = var.chunking()
    out["chunks"] = [int(n) for n in chunking] if isinstance(chunking, list) else chunking
    out["filters"] = {k: v for k, v in (var.filters() or {}).items() if v not in (False, 0)}
    out["attributes"] = nc_attributes(var)
    var.set_auto_mask(False)
    var.set_auto_scale(False)
    var.set_auto_chartostring(False)
    try:
        data = var[...]
        out["values"] = values_of(np.asarray(data, dtype=object) if var.dtype is str else data)
    except Exception as error:
        out["values"] = {"error": f"{type(error).__name__}: {error}"}
    return out


def failure(error, path):
    return {"error": f"{type(error).__name__}: {error}".replace(str(path), path.name)}


def netcdf_view(path):
    import netCDF4
    groups = []

    def walk(group):
        groups.append({
            "path": group.path,
            "dimensions": [{"name": d.name, "size": len(d), "unlimited": d.isunlimited()} for d in group.dimensions.values()],
            "attributes": nc_attributes(group),
            "variables": [nc_variable(v) for v in group.variables.values()],
        })
        for child in group.groups.values():
            walk(child)

    with netCDF4.Dataset(path) as root:
        model = root.data_model
        walk(root)
    return {"data_model": model, "groups": groups}


# ------------------------------------------------------------------ h5py
def h5_type(type_id):
    """A short, complete name of an HDF5 datatype."""
    import h5py
    order = {h5py.h5t.ORDER_LE: "<", h5py.h5t.ORDER_BE: ">"}
    if isinstance(type_id, h5py.h5t.TypeEnumID):
        members = {text(type_id.get_member_name(i)): int(type_id.get_member_value(i)) for i in range(type_id.get_nmembers())}
        return {"class": "enum", "base": h5_type(type_id.get_super()), "members": members}
    if isinstance(type_id, h5py.h5t.TypeCompoundID):
        fields = [{"name": text(type_id.get_member_name(i)), "offset": type_id.get_member_offset(i), "type": h5_type(type_id.get_member_type(i))} for i in range(type_id.get_nmembers())]
        return {"class": "compound", "size": type_id.get_size(), "fields": fields}
    if isinstance(type_id, h5py.h5t.TypeArrayID):
        return {"class": "array", "dims": list(type_id.get_array_dims()), "base": h5_type(type_id.get_super())}
    if isinstance(type_id, h5py.h5t.TypeVlenID):
        return {"class": "vlen", "base": h5_type(type_id.get_super())}
    if isinstance(type_id, h5py.h5t.TypeStringID):
        return {"class": "string", "size": None if type_id.is_variable_str() else type_id.get_size(),
                "padding": {0: "null-terminated", 1: "null-padded", 2: "space-padded"}[type_id.get_strpad()],
                "charset": {0: "ascii", 1: "utf-8"}[type_id.get_cset()]}
    if isinstance(type_id, h5py.h5t.TypeIntegerID):
        return {"class": "integer", "size": type_id.get_size(), "signed": type_id.get_sign() == h5py.h5t.SGN_2, "order": order.get(type_id.get_order()), "precision": type_id.get_precision()}
    if isinstance(type_id, h5py.h5t.TypeFloatID):
        return {"class": "float", "size": type_id.get_size(), "order": order.get(type_id.get_order()), "precision": type_id.get_precision()}
    names = {h5py.h5t.REFERENCE: "reference", h5py.h5t.OPAQUE: "opaque", h5py.h5t.BITFIELD: "bitfield", h5py.h5t.TIME: "time"}
    return {"class": names.get(type_id.get_class(), str(type_id.get_class())), "size": type_id.get_size()}


def h5_attributes(owner):
    import h5py
    import numpy as np
    out = []
    for name in owner.attrs:
        attr = h5py.h5a.open(owner.id, name.encode("utf-8", "surrogateescape"))
        row = {"name": name, "type": h5_type(attr.get_type())}
        try:
            space = attr.get_space().get_simple_extent_type()
            row["shape"] = None if space == h5py.h5s.NULL else list(attr.shape)
            value = owner.attrs[name]
            if isinstance(value, h5py.Empty):
                row["value"] = None
            else:
                flat = np.asarray(value).reshape(-1) if not isinstance(value, (str, bytes)) else np.asarray([value], dtype=object)
                row["value"] = [h5_scalar(v) for v in flat]
        except Exception as error:
            row["error"] = f"{type(error).__name__}: {error}"
        out.append(row)
    return out


def h5_scalar(value):
    import h5py
    import numpy as np
    if isinstance(value, (str, bytes)):
        return text(value)
    if isinstance(value, (np.ndarray, np.void)):
        return {"raw": little(value).tobytes().hex()} if value.dtype.kind != "O" and not value.dtype.hasobject else {"object": True}
    if isinstance(value, (h5py.Reference, h5py.RegionReference)):
        return {"reference": bool(value)}
    return number(value)


LAYOUTS = {0: "compact", 1: "contiguous", 2: "chunked", 3: "virtual"}
FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 305: "lzo", 307: "bzip2",
           32000: "lzf", 32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32015: "zstd", 32026: "blosc2"}


def h5_dataset(path, dataset):
    import h5py
    plist = dataset.id.get_create_plist()
    layout = LAYOUTS.get(plist.get_layout(), "?")
    out = {"type": h5_type(dataset.id.get_type()), "layout": layout,
           "shape": None if dataset.shape is None else list(dataset.shape),
           "maxshape": None if dataset.shape is None else [None if n is None else int(n) for n in dataset.maxshape],
           "filters": [], "storage_size": dataset.id.get_storage_size()}
    for i in range(plist.get_nfilters()):
        code, flags, parameters, _ = plist.get_filter(i)
        out["filters"].append({"id": code, "name": FILTERS.get(code, str(code)), "optional": bool(flags & 1), "parameters": list(parameters)})
    out["fill"] = {"defined": {0: "undefined", 1: "default", 2: "user"}[plist.fill_value_defined()]}
    try:
        out["fill"]["value"] = h5_scalar(dataset.fillvalue)
    except Exception as error:
        out["fill"]["error"] = str(error)
    if layout == "contiguous":
        out["offset"] = dataset.id.get_offset()
    elif layout == "chunked":
        out["chunk_shape"] = list(dataset.chunks)
        out["chunks"] = []
        for i in range(dataset.id.get_num_chunks()):
            info = dataset.id.get_chunk_info(i)
            out["chunks"].append([list(info.chunk_offset), info.byte_offset, info.size, info.filter_mask])
    try:
        out["values"] = values_of(dataset[()]) if dataset.shape is not None else None
    except Exception as error:
        out["values"] = {"error": f"{type(error).__name__}: {error}"}
    return out


def hdf5_view(path):
    import h5py
    objects, links = [], []
    with h5py.File(path, "r") as root:
        seen = {}

        def walk(group, where):
            for name in group:
                here = f"{where.rstrip('/')}/{name}"
                link = group.get(name, getlink=True)
                if isinstance(link, h5py.SoftLink):
                    links.append({"path": here, "kind": "soft", "target": link.path})
                    continue
                if isinstance(link, h5py.ExternalLink):
                    links.append({"path": here, "kind": "external", "file": link.filename, "target": link.path})
                    continue
                item = group.get(name)
                key = h5py.h5o.get_info(item.id)
                key = (key.fileno, key.addr)
                if key in seen:
                    links.append({"path": here, "kind": "hard", "target": seen[key]})
                    continue
                seen[key] = here
                if isinstance(item, h5py.Group):
                    objects.append({"path": here, "kind": "group", "attributes": h5_attributes(item)})
                    walk(item, here)
                elif isinstance(item, h5py.Dataset):
                    objects.append({"path": here, "kind": "dataset", "attributes": h5_attributes(item), **h5_dataset(path, item)})
                else:
                    objects.append({"path": here, "kind": "datatype", "type": h5_type(item.id), "attributes": h5_attributes(item)})

        objects.append({"path": "/", "kind": "group", "attributes": h5_attributes(root)})
        walk(root, "/")
        userblock = root.userblock_size
    return {"userblock": userblock, "objects": objects, "links": links}


# ------------------------------------------------------------------ one file, in its own process
def view(path):
    import h5py
    import netCDF4
    import numpy
    data = path.read_bytes()
    out = {"file": f"{path.parent.name}/{path.name}", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
           "oracle": {"netCDF4": netCDF4.__version__, "h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version, "numpy": numpy.__version__}}
    try:
        out["netcdf"] = netcdf_view(path)
    except Exception as error:
        out["netcdf"] = failure(error, path)
    if h5py.is_hdf5(path):
        try:
            out["hdf5"] = hdf5_view(path)
        except Exception as error:
            out["hdf5"] = failure(error, path)
    return out


def only(path, which):
    """One of the two views in a fresh process, so that a crash of one leaves the other."""
    code = f"import sys; sys.path.insert(0, {str(HERE)!r}); import make_expected as m, json, pathlib; p = pathlib.Path({str(path)!r}); print(json.dumps(m.{which}(p)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    if run.returncode == 0:
        return json.loads(run.stdout)
    if run.returncode < 0:
        return {"error": "crashed"}  # by which signal depends on what lay in memory
    return {"error": run.stderr.strip().splitlines()[-1].replace(str(path), path.name)}


def expected(path):
    run = subprocess.run([sys.executable, __file__, "--one", str(path)], capture_output=True, text=True, timeout=300)
    if run.returncode == 0:
        return json.loads(run.stdout)
    data = path.read_bytes()
    return {"file": f"{path.parent.name}/{path.name}", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
            "oracle": "crashed", "netcdf": only(path, "netcdf_view"), "hdf5": only(path, "hdf5_view")}


def without_values(seen):
    """The same, with an error in place of each variable's values."""
    if isinstance(seen, dict):
        return {key: {"error": "not the same at each reading"} if key == "values" else without_values(item) for key, item in seen.items()}
    return [without_values(item) for item in seen] if isinstance(seen, list) else seen


def dumps(value, indent=""):
    """JSON with one line for each leaf-like thing: readable, and small in a diff."""
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if len(flat) + len(indent) <= 160 or not isinstance(value, (dict, list)) or not value:
        return flat
    inner = indent + " "
    if isinstance(value, dict):
        rows = [f"{inner}{json.dumps(k, ensure_ascii=False)}: {dumps(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + dumps(v, inner) for v in value) + f"\n{indent}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--one", type=pathlib.Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(view(options.one)))
        return 0
    files = options.files or [p for folder in FOLDERS for p in sorted((HERE / folder).iterdir())]
    changed = []
    for path in files:
        path = path.resolve()
        target = HERE / "expected" / path.parent.name / (path.name + ".json")
        seen = expected(path)
        content = dumps(without_values(seen) if seen["file"] in UNSTEADY else seen) + "\n"
        if target.exists() and target.read_text() == content:
            continue
        changed.append(str(target.relative_to(HERE)))
        if not options.check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content)
    print(f"{len(files)} files, {len(changed)} results {'would change' if options.check else 'written'}", *changed, sep="\n  ")
    return 1 if options.check and changed else 0


if __name__ == "__main__":
    sys.exit(main())
