#!/usr/bin/env python3
"""The peers' tasks, each in a process of its own.

    peers.py TASK OUT N INPUT...

Prints one JSON object: seconds and CPU seconds after the imports (`warm_wall`, `warm_cpu`).
"""
import json
import pathlib
import resource
import sys
import time
import warnings

warnings.filterwarnings("ignore")
CHUNKS = {"time": 30, "zlev": 1, "lat": 180, "lon": 360}
VARIABLES = ("anom", "err", "ice", "sst")


def xarray_transform(jobs):
    """xr.open_mfdataset(...).to_zarr(...), as its users write it."""
    import dask
    import xarray as xr
    import zarr

    def work(out, files):
        dask.config.set(scheduler="threads", num_workers=jobs)
        data = xr.open_mfdataset(files, chunks={}, mask_and_scale=False, engine="netcdf4", parallel=False,
                                 combine="nested", concat_dim="time", data_vars="minimal", coords="minimal", compat="override", join="override")
        data = data.chunk(CHUNKS)
        for variable in data.variables:
            data[variable].encoding.clear()
        encoding = {v: {"chunks": tuple(CHUNKS[d] for d in data[v].dims), "compressors": [zarr.codecs.ZstdCodec(level=3)]} for v in VARIABLES}
        data.to_zarr(out, mode="w", zarr_format=3, consolidated=True, encoding=encoding)
    return work


def virtual(urls, origin, store):
    from obspec_utils.registry import ObjectStoreRegistry
    from virtualizarr import open_virtual_mfdataset
    from virtualizarr.parsers import HDFParser
    return open_virtual_mfdataset(urls, registry=ObjectStoreRegistry({origin: store}), parser=HDFParser(), combine="nested", concat_dim="time",
                                  parallel=False, coords="minimal", data_vars="minimal", compat="override", join="override", combine_attrs="override",
                                  loadable_variables=["time", "lat", "lon", "zlev"])


def virtualizarr_icechunk(jobs):
    import icechunk
    import virtualizarr.parsers  # noqa: F401: before the clock starts
    from obstore.store import LocalStore

    def work(out, files):
        data = virtual([pathlib.Path(f).as_uri() for f in files], "file://", LocalStore())
        folder = str(pathlib.Path(files[0]).parent)
        config = icechunk.RepositoryConfig.default()
        config.set_virtual_chunk_container(icechunk.VirtualChunkContainer(f"file://{folder}/", icechunk.local_filesystem_store(folder)))
        repository = icechunk.Repository.create(icechunk.local_filesystem_storage(out), config=config)
        session = repository.writable_session("main")
        data.vz.to_icechunk(session.store)
        session.commit("daily files")
    return work


def virtualizarr_json(jobs):
    """Of local files, or of files behind a web server."""
    import kerchunk.hdf  # noqa: F401
    import virtualizarr.parsers  # noqa: F401
    from obstore.store import HTTPStore, LocalStore

    def work(out, sources):
        if sources[0].startswith("http"):
            origin = "/".join(sources[0].split("/")[:3])
            data = virtual(sources, origin, HTTPStore.from_url(origin, client_options={"allow_http": True}))
        else:
            data = virtual([pathlib.Path(f).as_uri() for f in sources], "file://", LocalStore())
        data.vz.to_kerchunk(out, format="json")
    return work


def kerchunk_json(jobs):
    import fsspec
    from kerchunk.combine import MultiZarrToZarr
    from kerchunk.hdf import SingleHdf5ToZarr

    def work(out, files):
        local, references = fsspec.filesystem("file"), []
        for path in files:
            with local.open(path, "rb") as source:
                references.append(SingleHdf5ToZarr(source, path, inline_threshold=300).translate())
        joined = MultiZarrToZarr(references, concat_dims=["time"], identical_dims=["zlev", "lat", "lon"], coo_map={"time": "cf:time"}).translate()
        pathlib.Path(out).write_text(json.dumps(joined))
    return work


def xarray_rechunk(jobs):
    import dask
    import xarray as xr
    import zarr

    def work(out, inputs):
        dask.config.set(scheduler="threads", num_workers=jobs)
        data = xr.open_zarr(inputs[0], chunks={}, mask_and_scale=False, decode_times=False)
        for variable in data.variables:
            data[variable].encoding.clear()
        data = data.chunk(time=-1, latitude=20, longitude=20)
        encoding = {v: {"chunks": (data.sizes["time"], 20, 20), "compressors": [zarr.codecs.ZstdCodec(level=3)]} for v in ("t2m", "u10")}
        data.to_zarr(out, mode="w", zarr_format=3, consolidated=True, encoding=encoding)
    return work


TASKS = {f.__name__: f for f in (xarray_transform, virtualizarr_icechunk, virtualizarr_json, kerchunk_json, xarray_rechunk)}


def cpu():
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main(name, out, jobs, inputs):
    work = TASKS[name](int(jobs))
    start, spent = time.perf_counter(), cpu()
    work(out, inputs)
    print(json.dumps({"warm_wall": round(time.perf_counter() - start, 3), "warm_cpu": round(cpu() - spent, 3)}))


if __name__ == "__main__":
    main(*sys.argv[1:4], sys.argv[4:])
