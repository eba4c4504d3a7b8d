"""`firn virtualize`: the Icechunk repository it writes, opened by icechunk 1.x for Python, equals the source opened by xarray."""
import hashlib
import json
import os
import subprocess
import sys

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


# What paths may hold, and URLs hold as escapes or not at all.
NAMES = ["a b", "a#b", "a%b", "a%20b", "a?b", 'a"b', "a'b", "a{b}", "a[b]", "a\\b", "a:b", "a+b&c=d", "é", "日本"]
AIR = TESTDATA / "netcdf4/air.nc"


def digest_by_snippet(report, setup=""):
    """What xarray reads by the lines that firn printed, in a process of its own."""
    code = f"{setup}\n{report['snippet']['code']}\nimport hashlib\nprint(hashlib.sha256(ds['air'].load().values.tobytes()).hexdigest())"
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120)
    return run.stdout.strip() or run.stderr


def digest_of_air():
    return hashlib.sha256(compare.open_source(AIR, "/")["air"].values.tobytes()).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_folder_or_file_can_be_referred_to(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    (folder / f"{name}.nc").write_bytes(AIR.read_bytes())
    report = firn("virtualize", folder / f"{name}.nc", "--target", folder / f"{name}.icechunk", check=True).result
    assert report["containers"] == [f"file://{folder}/"]
    assert digest_by_snippet(report) == digest_of_air()
    firn("verify", folder / f"{name}.icechunk", check=True)


def test_any_key_of_a_bucket_can_be_referred_to(s3, bucket, s3_env):
    for number, name in enumerate(name for name in NAMES if name != "a\\b"):
        key = f"in {number}/{name}.nc"
        s3.client().put_object(Bucket=bucket, Key=key, Body=AIR.read_bytes())
        target = f"{number}.icechunk"
        firn("virtualize", f"s3://{bucket}/{key}", "--target", f"s3://{bucket}/{target}", env=s3_env, check=True)
        access = icechunk.containers_credentials({f"s3://{bucket}/": icechunk.s3_credentials(access_key_id=s3.key, secret_access_key=s3.secret)})
        session = icechunk.Repository.open(s3.icechunk_storage(bucket, target), authorize_virtual_chunk_access=access).readonly_session("main")
        assert compare.store_differences(AIR, session.store)[0] == [], key


@pytest.mark.parametrize("target", ["sub/out.icechunk", "./sub/out.icechunk", "sub/../sub/deep/out.icechunk", "out.icechunk"])
def test_a_relative_target_is_where_it_says(target, tmp_path):
    """Native chunks below a folder: `transform`; read again by firn, from the same folder and from another."""
    (tmp_path / "sub/deep").mkdir(parents=True)
    firn("transform", AIR, "--format", "icechunk", "--target", target, cwd=tmp_path, check=True)
    found = (tmp_path / target).resolve()
    assert compare.store_differences(AIR, compare.icechunk_session(found))[0] == []
    for place, spelled in [(tmp_path, target), (found.parent, found.name), (tmp_path / "sub", f"../{target}"), (tmp_path, found)]:
        firn("verify", spelled, cwd=place, check=True)
    again = firn("transform", AIR, "--format", "icechunk", "--target", found)
    assert again.status == 6 and again.error["code"] == "target-exists", str(again)
    copy = tmp_path / "copy.zarr"
    firn("transform", target, "--target", copy, cwd=tmp_path, check=True)
    assert compare.store_differences(AIR, copy)[0] == []


def test_sources_may_lie_above_and_their_links_are_kept(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "data/air.nc").write_bytes(AIR.read_bytes())
    (tmp_path / "linked").symlink_to("data")
    for number, source in enumerate(["../data/air.nc", "../work/./../data//air.nc", "../linked/air.nc"]):
        target = f"{number}.icechunk"
        report = firn("virtualize", source, "--target", target, cwd=tmp_path / "work", check=True).result
        folder = "linked" if "linked" in source else "data"
        assert report["containers"] == [f"file://{tmp_path}/{folder}/"]
        assert digest_by_snippet(report) == digest_of_air()


def test_a_target_by_another_spelling_is_the_same_run(tmp_path):
    """An interrupted run is continued under every spelling of its target and sources."""
    (tmp_path / "work").mkdir()
    (tmp_path / "air.nc").write_bytes(AIR.read_bytes())
    runs = set()
    for number, (source, target) in enumerate([("../air.nc", "out"), ("../air.nc", "../work/out"), (tmp_path / "air.nc", tmp_path / "work/out")]):
        answer = firn("virtualize", source, "--target", target, cwd=tmp_path / "work", check=True)
        runs.add(answer.result["run"])
        subprocess.run(["rm", "-r", str(tmp_path / "work/out")], check=True)
    assert len(runs) == 1, runs


def test_what_no_reader_can_follow_is_refused_before_anything_is_written(tmp_path, serve):
    server = serve(TESTDATA)
    target = tmp_path / "out.icechunk"
    answer = firn("virtualize", f"{server.url}/netcdf4/air.nc", "--target", target)
    assert answer.status == 7 and well_formed_error(answer) == [], str(answer)
    assert not target.exists()
    firn("virtualize", AIR, "--target", target, check=True)


def test_stale_references_say_what_changed_and_what_to_do(tmp_path):
    source, target = tmp_path / "air.nc", tmp_path / "out.icechunk"
    source.write_bytes(AIR.read_bytes())
    firn("virtualize", source, "--target", target, check=True)
    os.utime(source, (2_000_000_000, 2_000_000_000))
    read = firn("transform", target, "--target", tmp_path / "copy.zarr")
    assert read.error["code"] == "source-stale" and well_formed_error(read) == [], str(read)
    assert "2000000000" in read.error["what"] and "stale" in read.error["what"]
    assert f"firn virtualize {source}" in read.error["next"]
    checked = firn("verify", target)
    assert checked.status == 10 and "stale" in checked.stdout, str(checked)


def test_a_circle_of_links_is_an_error_of_the_call(tmp_path):
    (tmp_path / "a.nc").symlink_to("a.nc")
    answer = firn("transform", tmp_path / "a.nc", "--target", tmp_path / "out.zarr")
    assert answer.status == 2 and "circle" in answer.error["what"] and well_formed_error(answer) == [], str(answer)


@pytest.mark.parametrize("name", ["netcdf4/air.nc", "netcdf3/uv300.nc", "netcdf4/hybrid_height.nc", "hdf5/simple_contiguous.h5", "hdf5/chunked_lz4.h5"])
def test_inspect_says_beforehand_what_virtualize_does(name, tmp_path):
    said = firn("inspect", TESTDATA / name, check=True).result["files"][0]["inspected"]
    verdicts = {v["path"]: v["verdict"] for group in said["groups"] for v in group["variables"]}
    answer = firn("virtualize", TESTDATA / name, "--target", tmp_path / "out.icechunk")
    kinds = {verdict["kind"] for verdict in verdicts.values()}
    if answer.status != 0:
        assert kinds & {"transformable", "refused"}, f"{verdicts}\n{answer}"
        return
    assert kinds <= {"virtual", "copied"}, verdicts
    for array in answer.result["arrays"]:
        verdict = verdicts[array["path"]]
        assert (array["storage"] == "virtual") == (verdict["kind"] == "virtual"), array
        assert array.get("copied_because") == verdict.get("reason"), array
