"""What firn copied, as other tools see it: rclone compares it, xarray opens it."""
import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
import zarr
from support import mixed
from support.binary import firn
from test_outputs import fits


@pytest.fixture
def here(tmp_path):
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n')
    return tmp_path


@pytest.fixture
def rclone(tmp_path, s3):
    """`rclone(words…)`, with the remote `s3:`."""
    command = shutil.which("rclone", path=f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert command, "rclone is among requirements/test.txt"
    (tmp_path / "rclone.conf").write_text(
        f"[s3]\ntype = s3\nprovider = Ceph\nendpoint = {s3.endpoint}\naccess_key_id = {s3.key}\nsecret_access_key = {s3.secret}\nregion = us-east-1\nforce_path_style = true\n")

    def run(*words):
        return subprocess.run([command, "--config", tmp_path / "rclone.conf", *map(str, words)], capture_output=True, text=True, timeout=300)
    return run


def stores(here):
    """A store of each format, and files."""
    mixed.to_zarr(here / "src/v3.zarr", 1, 3)
    mixed.to_zarr(here / "src/v2.zarr", 2, 2)
    mixed.to_netcdf(here / "src/files/a b.nc", 3)
    (here / "src/files/large.bin").write_bytes(np.random.default_rng(1).bytes(40 << 20))
    return here / "src"


def test_s3_rclone_agrees_with_what_was_copied(here, s3, bucket, s3_env, rclone):
    source = stores(here)
    fits("cp", firn("cp", "-r", source, f"s3://{bucket}/there", cwd=here, env=s3_env))
    same = rclone("check", source, f"s3:{bucket}/there", "--download")
    assert same.returncode == 0 and "0 differences found" in same.stderr, same.stderr
    fits("cp", firn("cp", "-r", f"s3://{bucket}/there", f"s3://{bucket}/again", cwd=here, env=s3_env))
    by_sums = rclone("check", f"s3:{bucket}/there", f"s3:{bucket}/again")
    assert by_sums.returncode == 0 and "0 differences found" in by_sums.stderr, by_sums.stderr
    # And firn agrees with what rclone copied.
    assert rclone("copy", source, f"s3:{bucket}/rclone").returncode == 0
    checked = fits("check", firn("check", source, f"s3://{bucket}/rclone", cwd=here, env=s3_env))
    assert checked["ok"] and checked["objects"] == checked["equal"]
    assert fits("check", firn("check", f"s3://{bucket}/rclone", f"s3://{bucket}/there", cwd=here, env=s3_env))["ok"]
    # What rclone copied is not copied again.
    assert fits("cp", firn("cp", "-r", source, f"s3://{bucket}/rclone", cwd=here, env=s3_env))["copied"] == 0


def test_s3_xarray_opens_copied_stores_signed_and_anonymous(here, s3, bucket, s3_env):
    source = stores(here)
    fits("cp", firn("cp", "-r", source, f"s3://{bucket}/there", cwd=here, env=s3_env))
    # Who may not list is told 403 of what is not there, which zarr takes for an error.
    allow = lambda action, resource: {"Effect": "Allow", "Principal": "*", "Action": [action], "Resource": [f"arn:aws:s3:::{bucket}{resource}"]}
    everybody = {"Version": "2012-10-17", "Statement": [allow("s3:GetObject", "/*"), allow("s3:ListBucket", "")]}
    s3.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(everybody))
    from obstore.store import S3Store
    from zarr.storage import ObjectStore
    for name, number in (("v3.zarr", 1), ("v2.zarr", 2)):
        signed = xr.open_zarr(s3.zarr_store(bucket, f"there/{name}"), decode_times=False)
        xr.testing.assert_identical(signed.load(), mixed.dataset(number))
        anonymous = ObjectStore(S3Store(bucket, prefix=f"there/{name}", endpoint=s3.endpoint, skip_signature=True, region="us-east-1",
                                        virtual_hosted_style_request=False, client_options={"allow_http": True}), read_only=True)
        xr.testing.assert_identical(xr.open_zarr(anonymous, decode_times=False).load(), mixed.dataset(number))
        web = xr.open_zarr(f"{s3.endpoint}/{bucket}/there/{name}", decode_times=False)
        xr.testing.assert_identical(web.load(), mixed.dataset(number))
    assert zarr.open_group(s3.zarr_store(bucket, "there/v3.zarr"), mode="r").attrs["title"] == "Field 1"
