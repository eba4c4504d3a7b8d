"""`kill -9` at random moments and at every step of a run: a reader who polls the root never sees a partial store, the same command
finishes, the result is identical to that of a run nobody disturbed, and nothing else is left.

FIRN_TEST_KILLS is how many kills must have hit a running process in each case (default 5 local, 3 against moto, 20 against a real S3
endpoint); FIRN_TEST_SEED repeats a series.
"""
import itertools
import json
import os
import time

import pytest
from support import compare
from support.binary import firn
from support.runs import SMALL_CHUNKS, Bucket, Icechunk, Local, Poller, Zarr, feedstock, killed_after, killed_when, moments, record

KILLS = os.environ.get("FIRN_TEST_KILLS")
SEED = int(os.environ.get("FIRN_TEST_SEED", "20261122"))

# How a store is built: the words of the command before the target, and after it; and where the store then is.
CASES = {
    "transform": (None, ["--concat-dim", "time", "--chunks", "time=1,latitude=6,longitude=36"], Zarr("")),
    "run-zarr": (dict(format="zarr3", chunks=SMALL_CHUNKS), [], Zarr("v1")),
    "run-sharded": (dict(format="zarr3", chunks=SMALL_CHUNKS, shards={"time": 2, "latitude": 18, "longitude": 72}), [], Zarr("v1")),
    "run-icechunk-virtual": (dict(format="icechunk"), [], Icechunk()),
    "run-icechunk-native": (dict(format="icechunk", chunks=SMALL_CHUNKS), [], Icechunk()),
}
# Against a server each request costs much more than on a disk.
S3_CHUNKS = {"time": 6, "latitude": 9, "longitude": 108}


class Case:
    """One way to build a store at one kind of place, with the reference that nobody disturbed."""

    def __init__(self, name, place, months, directory):
        target, self.options, self.kind = CASES[name]
        if isinstance(self.kind, Icechunk):
            self.kind = Icechunk()
        self.place, self.target, self.months = place, target, months
        self.remote = isinstance(place, Bucket)
        if self.remote and target is None:
            self.options = ["--concat-dim", "time", "--chunks", "time=6,latitude=9,longitude=108"]
        elif self.remote and "chunks" in target:
            shards = {"shards": {"time": 12, "latitude": 18, "longitude": 216}} if "shards" in target else {}
            target = target | {"chunks": S3_CHUNKS} | shards
        self.stock = feedstock(directory / "stock", months, **target) if target else None
        self.run("warm", check=True)
        started = time.monotonic()
        self.run("reference", check=True)
        self.duration = time.monotonic() - started
        self.fingerprint = self.kind.fingerprint(place, "reference")
        self.kind.expected = self.fingerprint
        self.keys = self.place.keys("reference")
        self.check_values("reference")

    def command(self, name):
        target = self.place.url(name)
        if self.stock is None:
            return ["transform", *self.months, "--target", target, *self.options]
        return ["run", self.stock, "--target", target, "--no-write"]

    def run(self, name, **options):
        return firn(*self.command(name), env=self.place.environment, timeout=250, **options)

    def record(self, name):
        return record(self.place, f"{name}/v1" if isinstance(self.kind, Zarr) and self.kind.store else name)

    def check_continues(self, name, what):
        """The same command finishes what a killed one began, and what there is then is what an undisturbed one leaves."""
        finished = (self.record(name) or {}).get("finished", False)
        cleared = finished and not any("/runs/" in f"/{key}" and not key.endswith("/") for key in self.place.keys(name))
        again = self.run(name)
        # A store that is written once is refused once it is there; nothing tells a killed process that had done all from one that ended.
        assert again.status == 0 or (self.target is None and cleared and again.code == "target-exists"), f"{what}: {again}"
        assert self.kind.fingerprint(self.place, name) == self.fingerprint, what
        keys = self.place.keys(name)
        if isinstance(self.kind, Zarr):
            assert keys == self.keys, f"{what}: left over {sorted(keys - self.keys)[:5]}, missing {sorted(self.keys - keys)[:5]}"
        else:
            assert len(self.kind.chunks(keys)) == len(self.kind.chunks(self.keys)), f"{what}: chunks that no snapshot names"
            own = {key for key in keys if ".firn" in key}
            assert own == {key for key in self.keys if ".firn" in key}, f"{what}: left over {sorted(own)}"
            assert not any(key.endswith("/") or "branch.run-" in key for key in keys), f"{what}: left over"
        assert self.record(name)["finished"], what

    def check_values(self, name):
        assert compare.combined_differences(self.months, "time", self.kind.reader(self.place, name)) == []


@pytest.fixture(params=["local", "s3"])
def place(request, tmp_path):
    if request.param == "local":
        return Local(tmp_path)
    return Bucket(request.getfixturevalue("s3"), request.getfixturevalue("bucket"))


@pytest.mark.parametrize("name", CASES)
def test_a_run_survives_kills(name, place, months, tmp_path):
    case = Case(name, place, months, tmp_path)
    slow = case.remote or isinstance(case.kind, Icechunk)
    wanted = int(KILLS or (20 if case.remote and place.s3.real else 3 if case.remote else 5))
    hits = tries = polls = 0
    for seconds in itertools.islice(moments(SEED, case.duration), 4 * wanted):
        tries += 1
        target, what = f"run{tries}", f"killed after {seconds:.3f} of {case.duration:.3f} s"
        poller = Poller(case.kind, place, target, 0.05 if slow else 0.001)
        poller.start()
        hits += killed_after(case.command(target), seconds, place.environment)
        case.check_continues(target, what)
        assert poller.finish() == [], f"{what}: a reader saw a partial store"
        polls += poller.polls
        if hits == wanted:
            break
    case.check_values(target)
    print(f"{name}: {hits} of {tries} kills hit a process that takes {case.duration:.2f} s; {polls} polls")
    assert hits == wanted, f"only {hits} of {tries} kills hit a running process"


def steps(case, target):
    """Moments that chance seldom hits, by what has just appeared."""
    root = case.place.root / target
    of = root / case.kind.store if isinstance(case.kind, Zarr) else root

    def there(pattern):
        return lambda: next(of.glob(pattern), None) is not None

    def finished():
        try:
            return json.loads((of / ".firn/run.json").read_text())["finished"]
        except (OSError, ValueError):
            return False

    def main_moved():
        try:
            return (root / "refs/branch.main/ref.json").stat().st_ino != first_main[0]
        except (OSError, IndexError):
            try:
                first_main.append((root / "refs/branch.main/ref.json").stat().st_ino)
            except OSError:
                pass
            return False
    first_main = []
    common = {"folder": root.exists, "claim": there(".firn/*"), "claimed": there(".firn/run.json"), "lease": there(".firn/runs/*/leases/*/*"),
              "plan": there(".firn/runs/*/plan.json"), "task": there(".firn/runs/*/tasks/*")}
    if isinstance(case.kind, Icechunk):
        extra = {"repository": there("refs/branch.main/ref.json"), "branch": there("refs/branch.run-*"), "main": main_moved}
    else:
        extra = {"ledger": there(".firn/ledger"), "documents": there("*/zarr.json"), "root": there("zarr.json")}
    named = {"named": (root / "firn.json").exists} if case.target else {}
    return common | extra | named | {"finished": finished}


@pytest.mark.parametrize("name", CASES)
def test_a_run_survives_a_kill_at_every_step_local(name, months, tmp_path):
    case = Case(name, Local(tmp_path), months[:12], tmp_path)
    hits = 0
    for step in steps(case, "none"):
        target = f"step-{step}"
        hits += killed_when(case.command(target), steps(case, target)[step], case.place.environment) == -9
        case.check_continues(target, f"killed at {step}")
    case.check_values(target)
    assert hits >= len(steps(case, "none")) - 2, f"only {hits} kills hit a running process"
