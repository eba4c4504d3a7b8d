#!/usr/bin/env python3
"""ADR 0004: what xarray decodes from packed data whose float32 attributes are written in JSON exactly, or as the shortest decimal."""
import base64
import json
import pathlib
import struct
import tempfile
import warnings

import netCDF4
import numpy as np
import xarray as xr
import zarr

SPELLINGS = {"exact": lambda x: float(np.float32(x)), "shortest": lambda x: float(str(np.float32(x)))}
PACKINGS = [("i2", 0.01, 273.15), ("i2", 0.01, None), ("i2", None, 273.15), ("i2", 0.001, 20.0), ("i2", 0.0025, 0.0),
            ("i2", 0.5, 100.0), ("i4", 1e-7, None), ("i4", 0.01, 273.15)]


def integers(dtype):
    if dtype == "i2":
        return np.arange(-32768, 32767).astype("i2")
    return np.random.default_rng(1).integers(-2**31 + 2, 2**31 - 2, 65535).astype("i4")


def source(folder, dtype, attributes):
    path, data = folder / "source.nc", integers(dtype)
    with netCDF4.Dataset(path, "w") as dataset:
        dataset.createDimension("x", data.size)
        variable = dataset.createVariable("v", dtype, ("x",), fill_value=np.iinfo(dtype).min)
        variable.set_auto_maskandscale(False)
        variable.setncatts({name: np.float32(value) for name, value in attributes.items()})
        variable[:] = data
    return xr.open_dataset(path)["v"].load()


def store(folder, data, attributes):
    path = folder / "store.zarr"
    group = zarr.create_group(path, overwrite=True)
    group.create_array("v", data=data, dimension_names=["x"])
    document = json.loads((path / "v/zarr.json").read_text())
    document["attributes"] = attributes
    (path / "v/zarr.json").write_text(json.dumps(document))
    return xr.open_zarr(path, consolidated=False)["v"].load()


def packed(folder):
    for dtype, scale, offset in PACKINGS:
        attributes = {k: v for k, v in (("scale_factor", scale), ("add_offset", offset)) if v is not None}
        left = source(folder, dtype, attributes)
        for name, spell in SPELLINGS.items():
            written = {k: spell(v) for k, v in attributes.items()} | {"_FillValue": int(np.iinfo(dtype).min)}
            right = store(folder, integers(dtype), written)
            a, b = left.values[~np.isnan(left.values)], right.values[~np.isnan(right.values)]
            largest = np.abs(a.astype("f8") - b.astype("f8")).max()
            equal = (a == b.astype(a.dtype)).mean()
            print(f"{dtype} {attributes} {name}: {left.dtype} became {right.dtype}, difference {largest:.2g}, equal {equal:.1%}")


def missing(folder):
    for value in (1e30, 1e20, 9.96921e36, -9999.9, -999.0):
        data = np.array([1, value, 3], "f4")
        fill = base64.b64encode(struct.pack("<d", float(np.float32(value)))).decode()
        for name, spell in SPELLINGS.items():
            for more in ({}, {"_FillValue": fill}):
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    masked = bool(np.isnan(store(folder, data, {"missing_value": spell(value)} | more).values[1]))
                several = any("multiple fill values" in str(w.message) for w in caught)
                print(f"missing_value {value} {name} {sorted(more)}: masked {masked}, multiple fill values {several}")


def main():
    print("xarray", xr.__version__, "zarr", zarr.__version__, "netCDF4", netCDF4.__version__)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        packed(pathlib.Path(folder))
        missing(pathlib.Path(folder))


if __name__ == "__main__":
    main()
