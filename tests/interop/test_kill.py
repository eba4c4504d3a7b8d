"""`kill -9` at random moments: a reader who polls the root never sees a partial store, the same command finishes, and the result is
identical to that of a run nobody disturbed.

FIRN_TEST_KILLS is how many moments (default 20 local, 6 against moto), FIRN_TEST_SEED repeats a series.
"""
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import make_drift
import pytest
import yaml
from support import compare, fingerprint
from support.binary import binary, environment, firn, well_formed_error

KILLS = os.environ.get("FIRN_TEST_KILLS")
SEED = int(os.environ.get("FIRN_TEST_SEED", "20261122"))


@pytest.fixture(scope="session")
def months(tmp_path_factory):
    """54 real monthly files: many small outputs, so that there are many moments to die in."""
    directory = tmp_path_factory.mktemp("months")
    files = []
    for month in range(54):
        files.append(directory / f"ostia.{2006 + (month + 3) // 12}{(month + 3) % 12 + 1:02d}.nc")
        make_drift.cut(make_drift.OSTIA, files[-1], slice(month, month + 1))
    return files


def feedstock(directory, months, **target):
    directory.mkdir()
    recipe = {"id": "ostia", "source": {"files": [m.as_uri() for m in months], "dims": {"time": {"concat": True}}}, "target": target}
    (directory / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [recipe]}))
    (directory / "meta.yaml").write_text(yaml.safe_dump({
        "title": "OSTIA months", "description": "Sea surface temperature.", "recipes": [{"id": "ostia"}], "maintainers": [{"name": "firn contributors"}],
        "provenance": {"providers": [{"name": "Met Office", "roles": ["producer"]}], "license": "OGL-UK-3.0"}}))
    (directory / "catalog.yaml").write_text("meta_yaml_url: meta.yaml\nstores: []\n")
    return directory


class Poller(threading.Thread):
    """Reads the root as fast as it can. What it sees at the first sight of a root must be the whole store."""

    def __init__(self, look):
        super().__init__(daemon=True)
        self.look, self.stopped, self.polls, self.findings, self.seen = look, threading.Event(), 0, [], False

    def run(self):
        while not self.stopped.is_set():
            self.polls += 1
            objects = self.look()
            if objects is not None:
                self.seen = True
                self.findings = fingerprint.missing_chunks(objects)
                return

    def finish(self):
        self.stopped.set()
        self.join(60)
        return self.findings


def killed_after(command, seconds, env):
    """Starts the command, kills it after so many seconds; True if it had not ended by itself."""
    process = subprocess.Popen([binary(), *map(str, command)], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


def undisturbed(command, env):
    started = time.monotonic()
    firn(*command, env=env, timeout=250, check=True)
    return time.monotonic() - started


def series(count, duration, attempt):
    """Moments between start and end until `count` of them have hit a running process."""
    moments = random.Random(SEED)
    hits = number = 0
    while hits < count:
        assert number < 4 * count, f"only {hits} of {number} kills hit a running process: the run is too short to test"
        hits += attempt(number, moments.uniform(0, duration))
        number += 1


def local_objects(root):
    if not (root / "zarr.json").exists():
        return None
    return {p.relative_to(root).as_posix(): p.read_bytes() if p.name in ("zarr.json", "ledger") else b"" for p in root.rglob("*") if p.is_file()}


def test_a_local_run_survives_kills(months, tmp_path):
    stock = feedstock(tmp_path / "stock", months, format="zarr3", chunks={"time": 1, "latitude": 6, "longitude": 36})

    def command(target):
        return ["run", stock, "--target", target, "--no-write"]
    duration = undisturbed(command(tmp_path / "reference"), environment())
    reference = fingerprint.of_directory(compare.published(tmp_path / "reference"))
    assert compare.combined_differences(months, "time", compare.published(tmp_path / "reference")) == []

    def attempt(number, seconds):
        target = tmp_path / f"run{number}"
        poller = Poller(lambda: local_objects(target / "v1"))
        poller.start()
        hit = killed_after(command(target), seconds, environment())
        firn(*command(target), check=True)
        assert poller.finish() == [], f"a partial store was visible (killed after {seconds:.3f} s)"
        assert fingerprint.of_directory(compare.published(target)) == reference, f"killed after {seconds:.3f} s"
        assert sorted(p.name for p in target.glob("v*")) == ["v1"], "one run makes one version"
        return hit
    series(int(KILLS or 20), duration, attempt)


def test_a_local_icechunk_run_survives_kills(months, tmp_path):
    stock = feedstock(tmp_path / "stock", months, format="icechunk")

    def command(target):
        return ["run", stock, "--target", target, "--no-write"]
    duration = undisturbed(command(tmp_path / "reference"), environment())
    reference = fingerprint.of_icechunk(compare.icechunk_session(tmp_path / "reference"))
    assert reference

    def attempt(number, seconds):
        target = tmp_path / f"run{number}"
        hit = killed_after(command(target), seconds, environment())
        if hit and (target / "refs/branch.main/ref.json").exists():
            seen = fingerprint.of_icechunk(compare.icechunk_session(target))
            assert seen in ({}, reference) or set(seen) == {"zarr.json"}, f"main moved to a partial store (killed after {seconds:.3f} s)"
        firn(*command(target), check=True)
        assert fingerprint.of_icechunk(compare.icechunk_session(target)) == reference, f"killed after {seconds:.3f} s"
        return hit
    series(int(KILLS or 20), duration, attempt)


def test_a_killed_transform_continues(months, tmp_path):
    def command(target):
        return ["transform", *months, "--target", target, "--concat-dim", "time", "--chunks", "time=1,latitude=6,longitude=36"]
    duration = undisturbed(command(tmp_path / "reference"), environment())
    reference = fingerprint.of_directory(tmp_path / "reference")

    def attempt(number, seconds):
        target = tmp_path / f"run{number}"
        hit = killed_after(command(target), seconds, environment())
        done = (target / "zarr.json").exists()
        again = firn(*command(target))
        assert again.status == 0 or (done and again.status == 6), f"killed after {seconds:.3f} s: {again}"
        assert fingerprint.of_directory(target) == reference, f"killed after {seconds:.3f} s"
        return hit
    series(int(KILLS or 20) // 2, duration, attempt)


def test_a_run_to_s3_survives_kills(months, tmp_path, s3, bucket, s3_env):
    stock = feedstock(tmp_path / "stock", months, format="zarr3", chunks={"time": 6, "latitude": 9, "longitude": 108})
    client = s3.client()

    def command(name):
        return ["run", stock, "--target", f"s3://{bucket}/{name}", "--no-write"]

    def look(name):
        try:
            root = client.get_object(Bucket=bucket, Key=f"{name}/v1/zarr.json")["Body"].read()
        except client.exceptions.NoSuchKey:
            time.sleep(0.005)
            return None
        keys = [i["Key"].removeprefix(f"{name}/v1/") for p in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{name}/v1/") for i in p["Contents"]]
        ledger = client.get_object(Bucket=bucket, Key=f"{name}/v1/.firn/ledger")["Body"].read()
        return dict.fromkeys(keys, b"") | {"zarr.json": root, ".firn/ledger": ledger}
    duration = undisturbed(command("reference"), s3_env)
    reference = fingerprint.of_objects(s3.objects(bucket, "reference/v1/"))
    assert json.loads(s3.objects(bucket, "reference/firn.json")[""])["current"]

    def attempt(number, seconds):
        name = f"run{number}"
        poller = Poller(lambda: look(name))
        poller.start()
        hit = killed_after(command(name), seconds, s3_env)
        firn(*command(name), env=s3_env, timeout=250, check=True)
        assert poller.finish() == [], f"a partial store was visible (killed after {seconds:.3f} s)"
        assert fingerprint.of_objects(s3.objects(bucket, f"{name}/v1/")) == reference, f"killed after {seconds:.3f} s"
        return hit
    series(int(KILLS or (20 if s3.real else 6)), duration, attempt)


def test_two_writers_of_one_target_make_one_store(months, tmp_path):
    """Both at once: one wins, the other stops with a conflict or finds the work done; the store is whole."""
    command = ["transform", *months[:12], "--target", tmp_path / "out", "--concat-dim", "time", "--chunks", "time=1", "-o", "json"]
    both = [subprocess.Popen([binary(), *map(str, command)], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    statuses = sorted(p.wait(120) for p in both)
    assert 0 in statuses and set(statuses) <= {0, 6}, [p.stderr.read().decode()[-500:] for p in both]
    assert compare.combined_differences(months[:12], "time", tmp_path / "out") == []


def test_a_run_that_is_alive_is_not_joined_and_a_stopped_one_is(months, tmp_path):
    """A second process of the same run stops with a conflict; once the first is killed, it goes on at once."""
    stock = feedstock(tmp_path / "stock", months, format="zarr3", chunks={"time": 1, "latitude": 6, "longitude": 36})
    command = ["run", stock, "--target", tmp_path / "out", "--no-write"]
    first = subprocess.Popen([binary(), *map(str, command)], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list((tmp_path / "out").glob("v1/.firn/runs/*/leases/all/*")) and first.poll() is None:
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)
    if first.poll() is not None:
        pytest.skip("the run ended before it could be stopped")
    for words in (command, [*command, "--abandon"]):
        answer = firn(*words)
        assert answer.status == 6 and answer.code == "target-busy" and well_formed_error(answer) == [], str(answer)
    first.kill()
    first.wait()
    firn(*command, check=True)
    assert compare.combined_differences(months, "time", compare.published(tmp_path / "out")) == []


def test_parts_go_side_by_side_and_are_finished(months, tmp_path):
    stock = feedstock(tmp_path / "stock", months, format="zarr3", chunks={"time": 1, "latitude": 6, "longitude": 36})

    def command(target, *options):
        return [binary(), *map(str, ["run", stock, "--target", tmp_path / target, "--no-write", *options])]
    parts = [subprocess.Popen(command("out", "--task-range", f"{n}/3"), env=environment(), stderr=subprocess.PIPE) for n in (1, 2, 3)]
    assert [p.wait(120) for p in parts] == [0, 0, 0], [p.stderr.read().decode()[-500:] for p in parts]
    assert not (tmp_path / "out/v1/zarr.json").exists(), "a part publishes nothing"
    subprocess.run(command("out", "--finish"), env=environment(), check=True)
    subprocess.run(command("whole"), env=environment(), check=True)
    assert fingerprint.of_directory(tmp_path / "out/v1") == fingerprint.of_directory(tmp_path / "whole/v1")


@pytest.mark.parametrize("target", [{"format": "zarr3", "chunks": {"time": 1, "latitude": 6, "longitude": 36}},
                                    pytest.param({"format": "icechunk", "chunks": {"time": 1, "latitude": 6, "longitude": 36}},
                                                 marks=pytest.mark.xfail(reason="--abandon leaves an Icechunk run's branch and chunks to garbage collection; the guide says so"))],
                         ids=["zarr3", "icechunk"])
def test_an_abandoned_run_leaves_nothing(months, target, tmp_path):
    stock = feedstock(tmp_path / "stock", months, **target)
    target = tmp_path / "out"
    command = ["run", stock, "--target", target, "--no-write"]
    duration = undisturbed(["run", stock, "--target", tmp_path / "reference", "--no-write"], environment())
    if not killed_after(command, duration / 2, environment()):
        pytest.skip("the run ended before the kill")
    firn(*command, "--abandon", check=True)
    left = [p for p in pathlib.Path(target).rglob("*") if p.is_file()] if target.exists() else []
    assert left == [], left
