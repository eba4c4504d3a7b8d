"""A folder as it comes to look over the years: stores and files that many tools wrote, some of them broken.

`fill(root)` writes 200 of them with zarr-python, xarray, icechunk, netCDF4, h5py, kerchunk and the standard library, and gives
what firn has to say of each: `{key: (kind, state, code)}`.
"""
import json
import pathlib
import shutil

import h5py
import icechunk
import kerchunk.hdf
import netCDF4
import numpy as np
import xarray as xr
import zarr


def dataset(number):
    """A small field that differs from all others."""
    time = np.arange(8, dtype="int64") + number
    lat, lon = np.linspace(-60, 60, 6), np.linspace(0, 300, 5)
    values = np.random.default_rng(number).normal(size=(8, 6, 5)).astype("float32") + 1
    ds = xr.Dataset(
        {"air": (("time", "lat", "lon"), values)},
        coords={"time": ("time", time, {"units": "days since 2000-01-01", "standard_name": "time"}), "lat": ("lat", lat, {"units": "degrees_north"}), "lon": ("lon", lon, {"units": "degrees_east"})},
        attrs={"title": f"Field {number}"},
    )
    return ds


def to_zarr(path, number, version=3, consolidated=True, chunks=(2, 6, 5)):
    encoding = {"air": {"chunks": chunks}, "time": {"chunks": (4,)}}
    dataset(number).to_zarr(path, zarr_format=version, consolidated=consolidated, encoding=encoding, mode="w")
    return pathlib.Path(path)


def to_netcdf(path, number, format="NETCDF4"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with netCDF4.Dataset(path, "w", format=format) as nc:
        nc.createDimension("x", 50)
        nc.createVariable("v", "f4", ("x",))[:] = np.arange(50) + number
    return path


def to_icechunk(path, number):
    repo = icechunk.Repository.create(icechunk.local_filesystem_storage(str(path)))
    session = repo.writable_session("main")
    dataset(number).to_zarr(session.store, zarr_format=3, consolidated=False)
    session.commit("first")


def fill(root):
    root = pathlib.Path(root)
    expected = {}

    def say(key, kind, state, code=None):
        assert key not in expected
        expected[key] = (kind, state, code)

    # What is right: projects of one store, of several, with and without consolidated metadata.
    for number in range(40):
        to_zarr(root / f"v3/run{number:02}.zarr", number, 3)
        say(f"v3/run{number:02}.zarr", "zarr3", "adopted")
        to_zarr(root / f"legacy/run{number:02}.zarr", number, 2)
        say(f"legacy/run{number:02}.zarr", "zarr2", "adopted")
    for number in range(10):
        to_zarr(root / f"loose{number}/plain", number, 3, consolidated=False)
        say(f"loose{number}/plain", "zarr3", "adopted")
        to_zarr(root / f"loose{number}/old.zarr", number, 2, consolidated=False)
        say(f"loose{number}/old.zarr", "zarr2", "adopted")
    for number in range(20):
        to_icechunk(root / f"ice/repo{number:02}", number)
        say(f"ice/repo{number:02}", "icechunk", "adopted")
    for number in range(20):
        folder = root / f"files{number:02}"
        to_netcdf(folder / "2001/a.nc", number)
        to_netcdf(folder / "2002/b.nc", number, "NETCDF3_CLASSIC")
        with h5py.File(folder / "2002/c.h5", "w") as h5:
            h5["v"] = np.arange(10)
        (folder / "table.csv").write_text("a,b\n1,2\n")
        (folder / ".DS_Store").write_bytes(b"leavings")
        say(f"files{number:02}", "files", "adopted")
    to_netcdf(root / "readme and all.nc", 1)
    say("", "files", "adopted")
    # Sparse: chunks that were never written.
    for number in range(10):
        path = to_zarr(root / f"sparse/s{number}.zarr", number, 3)
        (path / "air/c/1/0/0").unlink()
        say(f"sparse/s{number}.zarr", "zarr3", "adopted")
    # References.
    for number in range(10):
        source = to_netcdf(root / f"refs/data/d{number}.nc", number)
        references = kerchunk.hdf.SingleHdf5ToZarr(str(source), inline_threshold=0).translate()
        (root / f"refs/r{number}.json").write_text(json.dumps(references))
        say(f"refs/r{number}.json", "kerchunk-json", "adopted")
    say("refs", "files", "adopted")
    (root / "refs/notes.json").write_text('{"by": "hand"}')
    # Broken in ways that are met.
    for number in range(4):
        broken(root, number, say)
    (root / "parquet/refs.parq/air").mkdir(parents=True)
    (root / "parquet/refs.parq/.zmetadata").write_text('{"metadata": {".zgroup": {"zarr_format": 2}}, "record_size": 10}')
    (root / "parquet/refs.parq/air/refs.0.parq").write_bytes(b"PAR1....PAR1")
    say("parquet/refs.parq", "kerchunk-parquet", "unsupported", "unsupported-kerchunk-parquet")
    return expected


def broken(root, n, say):
    place = root / f"broken{n}"
    path = to_zarr(place / "no-root.zarr", n, 2)
    for name in (".zgroup", ".zmetadata", ".zattrs"):
        (path / name).unlink(missing_ok=True)
    say(f"broken{n}/no-root.zarr", "zarr-without-root", "broken", "adopt-no-root")
    path = to_zarr(place / "coordinate.zarr", n, 3)
    (path / "time/c/1").unlink()
    say(f"broken{n}/coordinate.zarr", "zarr3", "broken", "adopt-coordinate-absent")
    path = to_zarr(place / "cut.zarr", n, 3)
    chunk = path / "air/c/2/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-7])
    say(f"broken{n}/cut.zarr", "zarr3", "broken", "verification-failed")
    path = to_zarr(place / "separator.zarr", n, 2)
    for document in ("air/.zarray", ".zmetadata"):
        text = json.loads((path / document).read_text())
        array = text["metadata"]["air/.zarray"] if document == ".zmetadata" else text
        array["dimension_separator"] = "/"
        (path / document).write_text(json.dumps(text))
    say(f"broken{n}/separator.zarr", "zarr2", "broken", "adopt-chunk-keys")
    path = to_zarr(place / "stale.zarr", n, 2)
    zarr.open_group(str(path), mode="a", zarr_format=2, use_consolidated=False).create_array("later", data=np.arange(4))
    say(f"broken{n}/stale.zarr", "zarr2", "broken", "adopt-consolidated-stale")
    path = to_zarr(place / "half.zarr", n, 3)
    document = path / "zarr.json"
    document.write_bytes(document.read_bytes()[:100])
    say(f"broken{n}/half.zarr", "zarr3", "broken", "*")
    zarr.create_group(str(place / "empty.zarr"))
    say(f"broken{n}/empty.zarr", "zarr3", "broken", "adopt-empty")
    to_icechunk(place / "ice", n)
    shutil.rmtree(place / "ice/manifests")
    say(f"broken{n}/ice", "icechunk", "broken", "*")
    to_netcdf(place / "files/good.nc", n)
    whole = to_netcdf(place / "files/cut.nc", n).read_bytes()
    (place / "files/cut.nc").write_bytes(whole[: len(whole) // 2])
    (place / "files/page.nc").write_text("<!DOCTYPE html><html><body>Login</body></html>")
    (place / "files/zero.nc").write_bytes(b"")
    say(f"broken{n}/files", "files", "adopted")
    gone = to_netcdf(root / f"lost{n}/gone.nc", n)
    references = kerchunk.hdf.SingleHdf5ToZarr(str(gone), inline_threshold=0).translate()
    (root / f"lost{n}/r.json").write_text(json.dumps(references))
    gone.unlink()
    say(f"lost{n}/r.json", "kerchunk-json", "broken", "adopt-references-lost")
    say(f"lost{n}", "files", "adopted")


BROKEN_FILES = {"cut.nc", "page.nc", "zero.nc"}
