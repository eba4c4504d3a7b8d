"""Makes the Zarr v2 store that the demo links, as others made theirs: with xarray and zarr 3, from `testdata/netcdf3/uv300.nc`.

    python crates/firn-engine/src/verbs/demo/uv300/make_store.py NEW_FOLDER
"""
import pathlib
import sys

import xarray as xr

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parents[5] / "testdata/netcdf3/uv300.nc"

if __name__ == "__main__":
    dataset = xr.open_dataset(SOURCE).load()
    dataset.drop_encoding().to_zarr(sys.argv[1], mode="w-", zarr_format=2, consolidated=True, encoding={name: {"chunks": (1, 64, 128)} for name in ("U", "V")})
