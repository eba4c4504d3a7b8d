"""`firn virtualize`: the Icechunk repository it writes, opened by icechunk 1.x for Python, equals the source opened by xarray."""
import json
import os

import icechunk
import netCDF4
import numpy as np
import pytest
from support import compare
from support.binary import TESTDATA, firn, well_formed_error

FILES = ["netcdf3/uv300.nc", "netcdf3/pnetcdf_cdf2_interleaved_records.nc", "netcdf4/air.nc", "netcdf4/E1_north_america.nc",
         "netcdf4/nc4_compressed.nc", "netcdf4/hybrid_height.nc", "netcdf4/nc4_groups.nc"]
MONTHS = sorted((TESTDATA / "nemo").glob("*.nc"))
JOIN = ["--concat-dim", "time_counter", "--concat-key", "time_counter=time_centered"]


@pytest.mark.parametrize("name", FILES)
def test_the_repository_equals_the_source(name, tmp_path):
    answer = firn("virtualize", TESTDATA / name, "--target", tmp_path / "out.icechunk")
    if answer.status == 7:
        pytest.fail(f"refused, though each variable of this file has fixed chunks: {answer}")
    assert answer.status == 0, str(answer)
    assert compare.store_differences(TESTDATA / name, compare.icechunk_session(tmp_path / "out.icechunk"))[0] == []


def test_three_months_are_joined_by_their_own_time(tmp_path):
    firn("virtualize", *MONTHS, "--target", tmp_path / "nemo.icechunk", *JOIN, check=True)
    assert compare.combined_differences(MONTHS, "time_counter", compare.icechunk_session(tmp_path / "nemo.icechunk")) == []


def test_references_point_at_the_source_and_copy_no_data(tmp_path):
    firn("virtualize", *MONTHS, "--target", tmp_path / "nemo.icechunk", *JOIN, check=True)
    written = sum(p.stat().st_size for p in (tmp_path / "nemo.icechunk").rglob("*") if p.is_file())
    assert written < sum(m.stat().st_size for m in MONTHS) / 4
    storage = icechunk.local_filesystem_storage(str(tmp_path / "nemo.icechunk"))
    session = icechunk.Repository.open(storage).readonly_session("main")
    places = session.all_virtual_chunk_locations()
    assert {p.rsplit("/", 1)[1] for p in places} >= {m.name for m in MONTHS}
    assert all(p.startswith("file://") for p in places)


def test_a_source_that_changed_is_noticed_by_the_reader(tmp_path):
    source = tmp_path / "air.nc"
    source.write_bytes((TESTDATA / "netcdf4/air.nc").read_bytes())
    firn("virtualize", source, "--target", tmp_path / "out.icechunk", check=True)
    changed = bytearray(source.read_bytes())
    changed[-1] ^= 1
    source.write_bytes(changed)
    os.utime(source, (2_000_000_000, 2_000_000_000))
    with pytest.raises(Exception, match="(?i)changed|modified|checksum|unmodified|etag"):
        compare.open_store(compare.icechunk_session(tmp_path / "out.icechunk"), "/", **compare.RAW)


def test_a_repository_is_never_overwritten(tmp_path):
    firn("virtualize", TESTDATA / "netcdf4/air.nc", "--target", tmp_path / "out.icechunk", check=True)
    answer = firn("virtualize", TESTDATA / "netcdf4/ostia_monthly.nc", "--target", tmp_path / "out.icechunk")
    assert answer.status == 6 and well_formed_error(answer) == [], str(answer)


def test_filters_that_zarr_has_no_codec_for_are_refused_by_name(tmp_path):
    answer = firn("virtualize", TESTDATA / "hdf5/chunked_lz4.h5", "--target", tmp_path / "out.icechunk")
    assert answer.status == 7 and well_formed_error(answer) == [], str(answer)
    assert "lz4" in json.dumps(answer.error).lower()


def test_checksums_inside_of_a_shuffle_are_copied_where_no_zarr_reader_undoes_them(tmp_path):
    """netCDF-C puts Fletcher32 before shuffle: four more bytes, no whole element of eight."""
    with netCDF4.Dataset(tmp_path / "sums.nc", "w") as file:
        file.createDimension("y", 3)
        file.createDimension("x", 40)
        for dtype in ("i1", "i2", "f4", "f8"):
            variable = file.createVariable(dtype, dtype, ("y", "x"), zlib=True, shuffle=True, fletcher32=True, chunksizes=(1, 8))
            variable[:] = np.arange(120).reshape(3, 40)
    report = firn("virtualize", tmp_path / "sums.nc", "--target", tmp_path / "out.icechunk", check=True).result
    assert compare.store_differences(tmp_path / "sums.nc", compare.icechunk_session(tmp_path / "out.icechunk"))[0] == []
    assert report["references"] == 3 * 15


def test_from_s3_to_s3(s3, bucket, s3_env):
    s3.client().put_object(Bucket=bucket, Key="in/air.nc", Body=(TESTDATA / "netcdf4/air.nc").read_bytes())
    firn("virtualize", f"s3://{bucket}/in/air.nc", "--target", f"s3://{bucket}/out.icechunk", env=s3_env, check=True)
    storage = s3.icechunk_storage(bucket, "out.icechunk")
    containers = icechunk.Repository.fetch_config(storage).virtual_chunk_containers
    assert list(containers) == [f"s3://{bucket}/"]
    access = icechunk.containers_credentials({f"s3://{bucket}/": icechunk.s3_credentials(access_key_id=s3.key, secret_access_key=s3.secret)})
    session = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access).readonly_session("main")
    assert compare.store_differences(TESTDATA / "netcdf4/air.nc", session.store)[0] == []
    everything = b"".join(s3.objects(bucket, "out.icechunk/").values())
    assert s3.secret.encode() not in everything, "no credentials in the repository"


def test_http_with_a_port_is_refused_in_spec_1(tmp_path, serve):
    """icechunk 1.1.21 drops the port of such references: they would be unreadable."""
    server = serve(TESTDATA)
    answer = firn("virtualize", f"{server.url}/netcdf4/air.nc", "--target", tmp_path / "out.icechunk")
    assert answer.status == 7 and well_formed_error(answer) == [], str(answer)
