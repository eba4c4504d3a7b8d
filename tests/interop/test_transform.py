"""`firn transform`: the Zarr v3 store it writes, opened by xarray and zarr-python, equals the source opened by xarray."""
import json

import netCDF4
import numpy as np
import pytest
import xarray as xr
import zarr
from support import compare, fingerprint
from support.binary import TESTDATA, firn, well_formed_error

FILES = ["netcdf3/bears.nc", "netcdf3/pnetcdf_cdf2_interleaved_records.nc", "netcdf3/cdf5_new_types.nc", "netcdf3/uv300.nc",
         "netcdf4/air.nc", "netcdf4/E1_north_america.nc", "netcdf4/nc4_groups.nc", "netcdf4/vlstr_type.nc", "netcdf4/hybrid_height.nc"]
MONTHS = sorted((TESTDATA / "nemo").glob("*.nc"))


@pytest.mark.parametrize("name", FILES)
def test_the_store_equals_the_source(name, tmp_path):
    firn("transform", TESTDATA / name, "--target", tmp_path / "out.zarr", check=True)
    differences, _ = compare.store_differences(TESTDATA / name, tmp_path / "out.zarr")
    assert differences == []


def test_the_root_is_zarr_v3_with_consolidated_metadata(tmp_path):
    firn("transform", TESTDATA / "netcdf4/air.nc", "--target", tmp_path / "out.zarr", check=True)
    root = json.loads((tmp_path / "out.zarr/zarr.json").read_text())
    assert root["zarr_format"] == 3 and root["node_type"] == "group"
    assert set(root["consolidated_metadata"]["metadata"]) == {"air", "lat", "lon", "time"}
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert group["air"].metadata.dimension_names == ("time", "lat", "lon")


def test_chunks_shards_and_codec_are_those_asked_for(tmp_path):
    firn("transform", TESTDATA / "netcdf4/E1_north_america.nc", "--target", tmp_path / "out.zarr", "--chunks", "time=24,latitude=10",
         "--shards", "time=48,latitude=20", "--codec", "zstd:5", check=True)
    array = zarr.open_group(tmp_path / "out.zarr", mode="r")["air_temperature"]
    assert array.chunks == (24, 10, 49)
    assert array.shards == (48, 20, 49)
    assert any(c.__class__.__name__ == "ZstdCodec" and c.level == 5 for c in array.compressors)
    assert compare.store_differences(TESTDATA / "netcdf4/E1_north_america.nc", tmp_path / "out.zarr")[0] == []


def test_three_months_are_joined_by_their_own_time(tmp_path):
    firn("transform", *MONTHS, "--target", tmp_path / "nemo.zarr", "--concat-dim", "time_counter", "--concat-key", "time_counter=time_centered", check=True)
    assert compare.combined_differences(MONTHS, "time_counter", tmp_path / "nemo.zarr") == []


def test_without_a_usable_key_firn_stops_and_proposes_one(tmp_path):
    answer = firn("transform", *MONTHS, "--target", tmp_path / "nemo.zarr", "--concat-dim", "time_counter")
    assert answer.status == 11, str(answer)
    assert "time_centered" in answer.error["next"], str(answer)
    assert not (tmp_path / "nemo.zarr/zarr.json").exists()


def test_classic_and_netcdf4_files_of_one_series_are_joined(tmp_path):
    """Each format keeps the fill of unwritten cells in its own way; both follow `_FillValue`."""
    files = []
    for number, form in enumerate(["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_DATA"]):
        files.append(tmp_path / f"{number}.nc")
        with netCDF4.Dataset(files[-1], "w", format=form) as file:
            file.createDimension("time", None)
            time = file.createVariable("time", "f8", ("time",))
            time.units = "days since 2000-01-01"
            time[:] = [2 * number, 2 * number + 1]
            file.createVariable("a", "f4", ("time",), fill_value=np.nan)[:] = [number, np.nan]
            file.createVariable("b", "i2", ("time",))[:] = [number, 7]
    firn("transform", *files, "--target", tmp_path / "out.zarr", "--concat-dim", "time", check=True)
    assert compare.combined_differences(files, "time", tmp_path / "out.zarr") == []


def test_the_order_of_the_arguments_does_not_matter(tmp_path):
    options = ["--concat-dim", "time_counter", "--concat-key", "time_counter=time_centered"]
    firn("transform", *MONTHS, "--target", tmp_path / "a.zarr", *options, check=True)
    firn("transform", *reversed(MONTHS), "--target", tmp_path / "b.zarr", *options, check=True)
    assert fingerprint.of_directory(tmp_path / "a.zarr") == fingerprint.of_directory(tmp_path / "b.zarr")


def test_a_store_is_never_overwritten(tmp_path):
    firn("transform", TESTDATA / "netcdf4/air.nc", "--target", tmp_path / "out.zarr", check=True)
    before = {p: p.read_bytes() for p in (tmp_path / "out.zarr").rglob("*") if p.is_file()}
    answer = firn("transform", TESTDATA / "netcdf4/ostia_monthly.nc", "--target", tmp_path / "out.zarr")
    assert answer.status == 6 and well_formed_error(answer) == [], str(answer)
    assert before == {p: p.read_bytes() for p in (tmp_path / "out.zarr").rglob("*") if p.is_file()}


def test_a_store_is_a_source_and_is_rechunked(tmp_path):
    source = TESTDATA / "netcdf4/E1_north_america.nc"
    firn("transform", source, "--target", tmp_path / "a.zarr", check=True)
    firn("transform", tmp_path / "a.zarr", "--target", tmp_path / "b.zarr", "--chunks", "time=240,latitude=5,longitude=7", check=True)
    assert zarr.open_group(tmp_path / "b.zarr", mode="r")["air_temperature"].chunks == (240, 5, 7)
    assert compare.store_differences(source, tmp_path / "b.zarr")[0] == []


def test_memory_bound_that_cannot_be_kept_is_refused_before_anything_is_written(tmp_path):
    answer = firn("transform", TESTDATA / "netcdf4/E1_north_america.nc", "--target", tmp_path / "out.zarr", "--memory", "1KiB")
    assert answer.status not in (0, 70, 101, None), str(answer)
    assert well_formed_error(answer) == []
    assert not list((tmp_path / "out.zarr").rglob("c/*"))


def test_over_http(tmp_path, serve):
    server = serve(TESTDATA)
    firn("transform", f"{server.url}/netcdf4/air.nc", "--target", tmp_path / "out.zarr", check=True)
    assert compare.store_differences(TESTDATA / "netcdf4/air.nc", tmp_path / "out.zarr")[0] == []
    assert not [r for r in server.requests if r[0] == "HEAD"], "the size comes from Content-Range"


def test_a_server_without_ranges_is_read_or_refused_with_a_reason(tmp_path, serve):
    server = serve(TESTDATA, ranges=False)
    answer = firn("transform", f"{server.url}/netcdf4/air.nc", "--target", tmp_path / "out.zarr")
    if answer.status == 0:
        assert compare.store_differences(TESTDATA / "netcdf4/air.nc", tmp_path / "out.zarr")[0] == []
    else:
        assert well_formed_error(answer) == []


def test_a_busy_server_is_asked_again(tmp_path, serve):
    server = serve(TESTDATA)
    server.faults = [503, 429, 500]
    firn("transform", f"{server.url}/netcdf4/air.nc", "--target", tmp_path / "out.zarr", check=True)
    assert compare.store_differences(TESTDATA / "netcdf4/air.nc", tmp_path / "out.zarr")[0] == []


def test_what_is_not_there_is_not_found(tmp_path, serve):
    server = serve(TESTDATA)
    for url in (f"{server.url}/netcdf4/none.nc", TESTDATA / "none.nc"):
        answer = firn("transform", url, "--target", tmp_path / "out.zarr")
        assert answer.status == 4 and well_formed_error(answer) == [], str(answer)


def test_from_s3_to_s3(s3, bucket, s3_env):
    s3.client().put_object(Bucket=bucket, Key="in/air.nc", Body=(TESTDATA / "netcdf4/air.nc").read_bytes())
    firn("transform", f"s3://{bucket}/in/air.nc", "--target", f"s3://{bucket}/out.zarr", env=s3_env, check=True)
    assert compare.store_differences(TESTDATA / "netcdf4/air.nc", s3.zarr_store(bucket, "out.zarr"))[0] == []
    again = firn("transform", f"s3://{bucket}/in/air.nc", "--target", f"s3://{bucket}/out.zarr", env=s3_env)
    assert again.status == 6, str(again)


def test_denied_is_said_as_denied(s3, bucket, s3_env):
    if not s3.real:
        pytest.skip("moto does not check credentials: runs with make acceptance")
    answer = firn("transform", TESTDATA / "netcdf4/air.nc", "--target", f"s3://{bucket}/out.zarr", env=s3_env | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert answer.status == 5 and well_formed_error(answer) == [], str(answer)
    assert "wrong" not in answer.stdout + answer.stderr, "a secret is never printed"


def test_the_plain_line_works(tmp_path):
    firn("transform", TESTDATA / "netcdf4/air.nc", "--target", tmp_path / "out.zarr", check=True)
    with xr.open_zarr(tmp_path / "out.zarr") as store, xr.open_dataset(TESTDATA / "netcdf4/air.nc") as source:
        assert (store.time.values == source.time.values).all()
        assert float(abs(store.air - source.air).max()) < 1e-4
