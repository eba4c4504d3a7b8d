#!/usr/bin/env python3
"""Makes the inputs of the benchmarks: deterministic in (seed, day), compressing as real fields do.

    generate.py DIR [--files 120] [--seed 0] [--jobs N]

DIR/daily/sst.YYYYMMDD.nc   one file a day (see README.md)
DIR/hourly.zarr             one month of hourly float32 fields, 744 × 181 × 360, two variables, chunks 24 × 181 × 360, zstd 3
"""
import argparse
import concurrent.futures
import datetime
import functools
import os
import pathlib
import shutil

import netCDF4
import numpy as np

SHAPE = (720, 1440)
FIRST = datetime.date(1982, 1, 1)
VARIABLES = {
    "anom": ("Daily sea surface temperature anomalies", "Celsius", -1200, 1200),
    "err": ("Estimated error standard deviation of analysed_sst", "Celsius", 0, 1000),
    "ice": ("Sea ice concentration", "%", 0, 100),
    "sst": ("Daily sea surface temperature", "Celsius", -300, 4500),
}


def spectral(random, shape, slope, lowest=1):
    """A periodic random field whose power falls with wavenumber^-slope, of unit variance."""
    rows, columns = shape
    ky = np.fft.fftfreq(rows)[:, None] * rows
    kx = np.fft.rfftfreq(columns)[None, :] * columns
    k = np.sqrt(ky**2 * (columns / rows) ** 2 + kx**2)
    k[0, 0] = 1
    power = k ** (-slope / 2)
    power[k < lowest] = 0
    phase = random.standard_normal((rows, kx.shape[1])) + 1j * random.standard_normal((rows, kx.shape[1]))
    field = np.fft.irfft2(phase * power, s=shape)
    return ((field - field.mean()) / field.std()).astype("f4")


@functools.lru_cache(maxsize=2)
def world(seed, shape):
    """What does not change from day to day: land (fractal coast), slow modes, eddies."""
    random = np.random.default_rng([seed, 1])
    latitude = ((np.arange(shape[0]) + 0.5) / shape[0] * 180 - 90).astype("f4")
    land = spectral(random, shape, 3.5) + 1.2 * (latitude[:, None] < -72) + 0.15 * (latitude[:, None] > 10) > 0.55
    return {"latitude": latitude, "land": land, "modes": [spectral(random, shape, 3.2, 2) for _ in range(6)],
            "eddies": [spectral(random, shape, 2.6, 12) for _ in range(4)], "errors": [spectral(random, shape, 3.8, 3) for _ in range(2)]}


def daily_fields(seed, day):
    fixed, random = world(seed, SHAPE), np.random.default_rng([seed, 2, day])
    latitude, season = fixed["latitude"][:, None], 2 * np.pi * day / 365.25
    climate = -1.8 + 30 * np.clip(np.cos(np.deg2rad(latitude)), 0, 1) ** 1.6 + 3 * np.sin(np.deg2rad(latitude)) * np.sin(season - 2.2)
    anomaly = 0.018 * random.standard_normal(SHAPE, dtype="f4")
    for i, mode in enumerate(fixed["modes"]):
        anomaly += 0.55 * np.cos(season * (i + 1) * 1.7 + i) * np.roll(mode, int(day * (i - 2.5) * 0.7), 1)
    for i, eddy in enumerate(fixed["eddies"]):
        anomaly += 0.22 * np.cos(season * (7 + 5 * i) + i) * np.roll(eddy, -int(day * (i + 1) * 0.4), 1)
    sst = np.maximum(climate + anomaly, -1.8)
    error = 0.16 + 0.05 * np.abs(np.roll(fixed["errors"][0], day % SHAPE[1], 1)) + 0.02 * np.abs(fixed["errors"][1])
    cover = np.clip((-sst - 0.6) * 0.9 + 0.05 * random.standard_normal(SHAPE, dtype="f4"), 0, 1)
    ice = np.where((np.abs(latitude) > 50) & (cover > 0.15), cover, np.nan)
    for name, field in (("sst", sst), ("anom", anomaly), ("err", error), ("ice", ice)):
        packed = np.clip(np.round(np.where(np.isnan(field), 0, field) / 0.01), -1200, 4500).astype("i2")
        packed[fixed["land"] | np.isnan(field)] = -999
        yield name, packed[None, None]


def daily(directory, seed, day):
    date = FIRST + datetime.timedelta(days=day)
    path = directory / f"sst.{date:%Y%m%d}.nc"
    if path.exists():
        return path
    partial = path.with_suffix(".part")
    with netCDF4.Dataset(partial, "w", format="NETCDF4") as out:
        for name, size in (("time", None), ("zlev", 1), ("lat", SHAPE[0]), ("lon", SHAPE[1])):
            out.createDimension(name, size)

        def coordinate(name, values, **attributes):
            made = out.createVariable(name, "f4", (name,), zlib=True, shuffle=True, complevel=4, chunksizes=(1,) if name == "time" else None)
            made.setncatts(attributes)
            made[:] = values
        coordinate("time", [(date - datetime.date(1978, 1, 1)).days], long_name="Center time of the day", units="days since 1978-01-01 12:00:00")
        coordinate("zlev", 0, long_name="Sea surface height", units="meters", positive="down")
        coordinate("lat", np.arange(SHAPE[0]) * 0.25 - 89.875, long_name="Latitude", units="degrees_north")
        coordinate("lon", np.arange(SHAPE[1]) * 0.25 + 0.125, long_name="Longitude", units="degrees_east")
        fields = dict(daily_fields(seed, day))
        # In this order, as in the files that these are like: it decides where metadata lie between the data.
        for name, (long_name, units, lowest, highest) in VARIABLES.items():
            made = out.createVariable(name, "i2", ("time", "zlev", "lat", "lon"), zlib=True, shuffle=True, complevel=4,
                                      chunksizes=(1, 1, *SHAPE), fill_value=np.int16(-999))
            made.set_auto_maskandscale(False)
            made.setncatts({"long_name": long_name, "units": units, "add_offset": np.float32(0), "scale_factor": np.float32(0.01),
                            "valid_min": np.int16(lowest), "valid_max": np.int16(highest)})
            made[:] = fields[name]
        out.setncatts({"title": "Synthetic daily sea surface temperature (no real data)", "Conventions": "CF-1.6, ACDD-1.3", "id": path.name,
                       "date_created": "2020-01-01T00:00:00Z", "time_coverage_start": f"{date}T00:00:00Z", "time_coverage_end": f"{date}T23:59:59Z"})
    partial.replace(path)
    return path


def hourly(path, seed):
    if path.exists():
        return
    import xarray as xr
    import zarr
    shape, steps = (181, 360), 744
    fixed, random = world(seed + 77, shape), np.random.default_rng([seed, 3])
    latitude = np.linspace(90, -90, 181).astype("f4")
    temperature, wind = (np.empty((steps, *shape), "f4") for _ in range(2))
    for hour in range(steps):
        turn = 2 * np.pi * hour / 24
        anomaly = sum(0.8 * np.cos(hour * 0.01 * (i + 1) + i) * np.roll(m, int(hour * 0.1 * (i + 1)), 1) for i, m in enumerate(fixed["modes"]))
        warming = 4 * np.cos(turn + np.deg2rad(np.arange(360))) * np.cos(np.deg2rad(latitude))[:, None] * np.where(fixed["land"], 1.5, 0.3)
        temperature[hour] = 288 - 45 * np.sin(np.deg2rad(latitude))[:, None] ** 2 + warming + 2.5 * anomaly
        gusts = sum(np.sin(hour * 0.02 * (i + 1)) * np.roll(e, -int(hour * 0.15 * (i + 1)), 1) for i, e in enumerate(fixed["eddies"]))
        wind[hour] = 6 * np.sin(np.deg2rad(3 * latitude))[:, None] + 3 * gusts
    temperature += 0.03 * random.standard_normal(temperature.shape, dtype="f4")
    wind += 0.05 * random.standard_normal(wind.shape, dtype="f4")
    dims = ("time", "latitude", "longitude")
    data = xr.Dataset({"t2m": (dims, np.round(temperature * 512) / 512, {"units": "K"}), "u10": (dims, np.round(wind * 256) / 256, {"units": "m s-1"})},
                      coords={"time": ("time", np.arange(steps), {"units": "hours since 2020-01-01"}), "latitude": latitude, "longitude": np.arange(360, dtype="f4")})
    partial = path.with_suffix(".part")
    shutil.rmtree(partial, ignore_errors=True)
    encoding = {v: {"chunks": (24, *shape), "compressors": [zarr.codecs.ZstdCodec(level=3)]} for v in data.data_vars}
    data.to_zarr(partial, zarr_format=3, consolidated=True, encoding=encoding)
    partial.rename(path)


def generate(directory, files, seed=0, jobs=None):
    """Makes what is missing and gives the daily files."""
    (directory / "daily").mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        made = list(pool.map(daily, [directory / "daily"] * files, [seed] * files, range(files)))
    hourly(directory / "hourly.zarr", seed)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--files", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int)
    options = parser.parse_args()
    made = generate(options.directory, options.files, options.seed, options.jobs)
    print(f"{len(made)} files, {sum(f.stat().st_size for f in made) / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
