"""Copies between locations: what `config check A B` says, that the policy it prints is enough, and the storage suite on a service."""
import os
import subprocess
import uuid

import pytest
from support.binary import REPOSITORY, firn
from test_outputs import fits

# The second user of tests/ceph/up.sh. moto checks no policies.
OTHER = ("AKOTHER", "secret-of-the-other")


def locations(tmp_path, endpoint, **urls):
    text = "".join(f'[locations.{name}]\nurl = "{url}"\n' + (f'endpoint = "{endpoint}"\n' if url.startswith("s3:") else "") for name, url in urls.items())
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n' + text)


def test_s3_locations_of_one_service_are_copied_by_it(tmp_path, s3, bucket, s3_env):
    other = s3.bucket(f"firn-{uuid.uuid4().hex[:12]}")
    locations(tmp_path, s3.endpoint, inbox=f"s3://{bucket}/in", published=f"s3://{other}/data", local=str(tmp_path / "local"))
    copy = fits("config-check", firn("config", "check", "inbox", "published", cwd=tmp_path, env=s3_env))["copy"]
    assert copy["how"] == "server" and copy["policy"] is None, copy
    assert [copy["capabilities"][name]["answer"] for name in ("server side", "in parts")] == ["yes", "yes"]
    assert s3.objects(bucket) == s3.objects(other) == {}
    tables = [path.read_text() for path in (tmp_path / "state/capabilities").iterdir()]
    assert any("copies_from" in table and bucket in table.split("copies_from")[1] for table in tables)
    for pair in (("inbox", "local"), ("local", "inbox")):
        copy = fits("config-check", firn("config", "check", *pair, cwd=tmp_path, env=s3_env))["copy"]
        assert copy["how"] == "through" and copy["policy"] is None, copy
    fits("config-check", firn("config", "check", "inbox", cwd=tmp_path, env=s3_env))
    assert any(bucket in path.read_text().split("copies_from")[1] for path in (tmp_path / "state/capabilities").iterdir()), "checked anew, and forgotten"


def test_s3_services_do_not_copy_from_each_other(tmp_path, s3, bucket, s3_env):
    locations(tmp_path, s3.endpoint, inbox=f"s3://{bucket}/in")
    elsewhere = s3.endpoint.replace("127.0.0.1", "localhost")
    with (tmp_path / "firn.toml").open("a") as file:
        file.write(f'[locations.elsewhere]\nurl = "s3://{bucket}/out"\nendpoint = "{elsewhere}"\naddressing = "path"\n')
    copy = fits("config-check", firn("config", "check", "inbox", "elsewhere", cwd=tmp_path, env=s3_env))["copy"]
    assert copy["how"] == "through" and "different services" in copy["capabilities"]["server side"]["detail"], copy


def test_s3_policy_that_is_printed_makes_the_copy_possible(tmp_path, s3, bucket, s3_env):
    if not s3.real:
        pytest.skip("moto checks no policies; make acceptance has a service that does")
    import json

    import boto3
    owner = boto3.client("s3", endpoint_url=s3.endpoint, aws_access_key_id=OTHER[0], aws_secret_access_key=OTHER[1], region_name="us-east-1")
    theirs = f"firn-{uuid.uuid4().hex[:12]}"
    owner.create_bucket(Bucket=theirs)
    owner.put_object(Bucket=theirs, Key="their/data/deep/x.nc", Body=b"hello")
    owner.put_object(Bucket=theirs, Key="private", Body=b"secret")
    locations(tmp_path, s3.endpoint, theirs=f"s3://{theirs}/their/data", published=f"s3://{bucket}/data")
    copy = fits("config-check", firn("config", "check", "theirs", "published", cwd=tmp_path, env=s3_env), 10)["copy"]
    assert copy["how"] == "none" and copy["policy"]["bucket"] == theirs, copy
    owner.put_bucket_policy(Bucket=theirs, Policy=json.dumps(copy["policy"]["document"]).replace("user/USER", "user/writer"))
    copy = fits("config-check", firn("config", "check", "theirs", "published", cwd=tmp_path, env=s3_env))["copy"]
    assert copy["how"] == "server" and copy["policy"] is None, copy
    for call in (lambda: s3.client().get_object(Bucket=theirs, Key="private"), lambda: s3.client().put_object(Bucket=theirs, Key="their/data/y", Body=b""),
                 lambda: s3.client().list_objects_v2(Bucket=theirs)):
        with pytest.raises(s3.client().exceptions.ClientError):
            call()


def test_s3_service_conforms_to_the_storage_suite(s3, bucket):
    environment = {
        **os.environ, "FIRN_TEST_S3_ENDPOINT": s3.endpoint, "FIRN_TEST_S3_KEY": s3.key, "FIRN_TEST_S3_SECRET": s3.secret,
        "FIRN_TEST_S3_BUCKET": bucket, "FIRN_TEST_S3_OTHER_BUCKET": s3.bucket(f"firn-{uuid.uuid4().hex[:12]}")}
    command = [os.environ.get("CARGO", "cargo"), "test", "--locked", "--workspace", "--test", "storage", "s3::", "--", "--nocapture"]
    run = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert "not run: FIRN_TEST" not in run.stdout, run.stdout[-4000:]
