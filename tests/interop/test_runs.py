"""Who may write, and when a run is another run: leases, parts, changed sources and options, abandoning, stopping, full disks."""
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from support import compare, fingerprint
from support.binary import binary, environment, firn, well_formed_error
from support.runs import SMALL_CHUNKS, Local, Zarr, feedstock, killed_when, read_recipe, record, start, write_recipe

ZARR = dict(format="zarr3", chunks=SMALL_CHUNKS)
NATIVE = dict(format="icechunk", chunks=SMALL_CHUNKS)
VIRTUAL = dict(format="icechunk")
TARGETS = pytest.mark.parametrize("target", [ZARR, NATIVE, VIRTUAL], ids=["zarr3", "icechunk-native", "icechunk-virtual"])


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def command(stock, target, *options):
    return ["run", stock, "--target", target, "--no-write", *options]


def run(stock, target, *options):
    return firn(*command(stock, target, *options))


def files(root):
    """Every file below, also what no listing of firn shows."""
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()) if root.exists() else []


def first_task(target):
    return lambda: next(target.rglob(".firn/runs/*/tasks/*.json"), None) is not None


def killed_in_the_middle(stock, target, condition=None, number=signal.SIGKILL):
    status = killed_when(command(stock, target), condition or first_task(target), environment(), number)
    assert status == (-9 if number == signal.SIGKILL else 130), status


def store(target):
    if (target / "refs").exists():
        return compare.icechunk_session(target)
    return compare.published(target)


def is_right(months, target):
    assert compare.combined_differences(months, "time", store(target)) == []


# ------------------------------------------------------------------ one process at a time
def refused_as_busy(answer, process):
    assert answer.status == 6 and answer.code == "target-busy" and well_formed_error(answer) == [], str(answer)
    what = answer.error["what"]
    assert f"process {process.pid} on " in what and f"since {time.strftime('%Y-%m-%dT', time.gmtime())}" in what, what
    assert "run the same command again" in answer.error["next"]


@TARGETS
def test_a_run_that_is_alive_is_not_joined_and_a_killed_one_is_continued_at_once(months, target, tmp_path, out):
    stock = feedstock(tmp_path / "stock", months, **target)
    first = start(command(stock, out), environment())
    leases = "v1/.firn/runs/*/leases/all/0*.json" if target is ZARR else ".firn/runs/*/leases/all/0*.json"
    while first.poll() is None and not list(out.glob(leases)):
        time.sleep(0.0005)
    first.send_signal(signal.SIGSTOP)
    assert first.poll() is None, "the run ended before it could be stopped"
    refused_as_busy(run(stock, out), first)
    refused_as_busy(run(stock, out, "--task-range", "1/2"), first)
    refused_as_busy(run(stock, out, "--abandon"), first)
    first.kill()
    first.wait()
    assert run(stock, out).status == 0
    is_right(months, out)


def test_a_holder_on_another_machine_keeps_its_lease_until_it_ends(months, tmp_path, out):
    stock = feedstock(tmp_path / "stock", months, **ZARR)
    killed_in_the_middle(stock, out)
    lease = next(out.glob("v1/.firn/runs/*/leases/all/*.json"))
    held = json.loads(lease.read_text())
    held["holder"]["name"] = "process 17 on elsewhere"
    held["holder"]["process"]["place"] = "another boot"
    lease.write_text(json.dumps(held))
    answer = run(stock, out)
    assert answer.status == 6 and "process 17 on elsewhere" in answer.error["what"], str(answer)
    lease.write_text(json.dumps(held | {"ends": int((time.time() - 31) * 1000)}))
    assert run(stock, out).status == 0
    is_right(months, out)


def test_two_writers_of_one_target_make_one_store(months, out):
    """Both at once: one wins, the other stops with a conflict or finds the work done; the store is whole."""
    words = ["transform", *months[:12], "--target", out, "--concat-dim", "time", "--chunks", "time=1", "-o", "json"]
    both = [start(words, environment(), stderr=subprocess.PIPE) for _ in range(2)]
    statuses = sorted(p.wait(120) for p in both)
    assert 0 in statuses and set(statuses) <= {0, 6}, [p.stderr.read().decode()[-500:] for p in both]
    is_right(months[:12], out)


def test_parts_go_side_by_side_a_killed_one_continues_and_one_of_two_finishers_publishes(months, tmp_path, out):
    stock = feedstock(tmp_path / "stock", months, **ZARR)
    killed = command(stock, out, "--task-range", "1/3")
    assert killed_when(killed, first_task(out), environment()) == -9
    parts = [start(command(stock, out, "--task-range", f"{n}/3"), environment(), stderr=subprocess.PIPE) for n in (1, 2, 3)]
    assert [p.wait(120) for p in parts] == [0, 0, 0], [p.stderr.read().decode()[-500:] for p in parts]
    assert not (out / "v1/zarr.json").exists(), "a part publishes nothing"
    finishers = [start(command(stock, out, "--finish"), environment(), stderr=subprocess.PIPE) for _ in range(2)]
    statuses = sorted(p.wait(120) for p in finishers)
    assert 0 in statuses and set(statuses) <= {0, 6}, [p.stderr.read().decode()[-500:] for p in finishers]
    assert run(stock, tmp_path / "whole").status == 0
    assert fingerprint.of_directory(out / "v1") == fingerprint.of_directory(tmp_path / "whole/v1")
    assert files(out) == files(tmp_path / "whole")


# ------------------------------------------------------------------ which run it is
CHANGES = {
    "attributes": lambda recipe: recipe | {"attributes": {"comment": "another"}},
    "rename": lambda recipe: recipe | {"transform": [{"rename": {"surface_temperature": "sst"}}]},
    "chunks": lambda recipe: recipe | {"target": recipe["target"] | {"chunks": {"time": 2, "latitude": 18, "longitude": 72}}},
    "codec": lambda recipe: recipe | {"target": recipe["target"] | {"codec": "zstd:7"}},
}


@pytest.mark.parametrize("target", [ZARR, NATIVE], ids=["zarr3", "icechunk"])
@pytest.mark.parametrize("change", [*CHANGES, "encoding"])
def test_whatever_decides_the_result_makes_another_run(months, change, target, tmp_path, out):
    stock = feedstock(tmp_path / "stock", months[:3], **target)
    assert run(stock, out).result["recipes"][0]["build"]["version"] == "v1"
    assert run(stock, out).result["recipes"][0]["build"]["up_to_date"]
    options = ["--encoding", "latin-1"] if change == "encoding" else []
    if change in CHANGES:
        write_recipe(stock, CHANGES[change](read_recipe(stock)))
    answer = firn(*command(stock, out, *options), check=True)
    build = answer.result["recipes"][0]["build"]
    assert not build["up_to_date"] and build["version"] == "v2", answer


def test_changed_sources_make_another_run_that_says_so_and_abandon_removes_the_old_one(months, tmp_path, out):
    copies = [tmp_path / m.name for m in months[:12]]
    for copy, month in zip(copies, months):
        copy.write_bytes(month.read_bytes())
    stock = feedstock(tmp_path / "stock", copies, **ZARR)
    killed_in_the_middle(stock, out)
    os.utime(copies[0], (0, 0))
    answer = firn(*command(stock, out), check=True)
    build = answer.result["recipes"][0]["build"]
    assert build["version"] == "v2"
    assert [note["at"] for note in build["noted"] if note["code"] == "other-run" and "earlier state" in note["what"]] == ["v1"], build["noted"]
    assert run(stock, out, "--abandon").result["recipes"][0]["removed"] == [str(out / "v1")]
    assert not (out / "v1").exists()
    is_right(copies, out)


def test_an_unfinished_icechunk_run_of_changed_sources_is_refused_until_it_is_abandoned(months, tmp_path, out):
    copies = [tmp_path / m.name for m in months[:12]]
    for copy, month in zip(copies, months):
        copy.write_bytes(month.read_bytes())
    stock = feedstock(tmp_path / "stock", copies, **NATIVE)
    killed_in_the_middle(stock, out)
    os.utime(copies[0], (0, 0))
    answer = run(stock, out)
    assert answer.status == 6 and answer.code == "target-not-empty" and "earlier state" in answer.error["what"], str(answer)
    assert "--abandon" in answer.error["next"]
    assert run(stock, out, "--abandon").status == 0 and files(out) == []
    assert run(stock, out).status == 0
    is_right(copies, out)


# ------------------------------------------------------------------ what lies at the target
@pytest.mark.parametrize("target", [ZARR, VIRTUAL], ids=["zarr3", "icechunk"])
def test_a_dataset_is_not_made_where_something_else_lies(months, target, tmp_path, out):
    stock = feedstock(tmp_path / "stock", months[:3], **target)
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    answer = run(stock, out)
    assert answer.status == 6 and answer.code == "target-not-empty" and "thesis.txt" in answer.error["what"], str(answer)
    assert files(out) == ["thesis.txt"]


@pytest.mark.parametrize("before, after", [(ZARR, NATIVE), (NATIVE, ZARR)], ids=["zarr3-then-icechunk", "icechunk-then-zarr3"])
@pytest.mark.parametrize("finished", [True, False], ids=["published", "unfinished"])
def test_a_dataset_keeps_its_format(months, before, after, finished, tmp_path, out):
    stock = feedstock(tmp_path / "stock", months, **before)
    if finished:
        assert run(stock, out).status == 0
    else:
        killed_in_the_middle(stock, out)
    lies = files(out)
    other = feedstock(tmp_path / "other", months, **after)
    answer = run(other, out)
    assert answer.status == 6 and answer.code == "target-not-empty", str(answer)
    assert files(out) == lies
    if not finished:
        assert run(other, out, "--abandon").status == 0 and files(out) == []
        assert run(other, out).status == 0
        is_right(months, out)


# ------------------------------------------------------------------ abandoning
@TARGETS
def test_an_abandoned_run_leaves_nothing(months, target, tmp_path, out):
    stock = feedstock(tmp_path / "stock", months, **target)
    killed_in_the_middle(stock, out)
    assert run(stock, out, "--abandon").status == 0
    assert files(out) == []
    assert run(stock, out).status == 0
    is_right(months, out)


def test_an_abandoned_version_of_a_repository_leaves_the_published_one_as_it_was(months, tmp_path, out):
    stock = feedstock(tmp_path / "stock", months[:12], **NATIVE)
    recipe = read_recipe(stock)
    assert run(stock, out).status == 0
    before = fingerprint.of_icechunk(store(out))
    chunks = {f for f in files(out) if f.startswith("chunks/")}
    write_recipe(stock, recipe | {"source": recipe["source"] | {"files": [m.as_uri() for m in months]}})
    killed_in_the_middle(stock, out)
    assert {f for f in files(out) if f.startswith("chunks/")} > chunks
    assert run(stock, out, "--abandon").status == 0
    left = files(out)
    # A chunk that was written and not recorded stays, as any killed writer of an Icechunk repository leaves some.
    assert fingerprint.of_icechunk(store(out)) == before and {f for f in left if f.startswith("chunks/")} >= chunks
    assert not [f for f in left if "branch.run-" in f or "/runs/" in f or ".firn-tmp" in f], left
    write_recipe(stock, recipe)
    assert run(stock, out).result["recipes"][0]["build"]["up_to_date"], "it is again the dataset that was published"


def test_abandoning_a_run_that_had_published_names_it(months, tmp_path, out):
    """Killed between moving `main` and `firn.json`, and the sources are no more what they were."""
    stock = feedstock(tmp_path / "stock", months, **NATIVE)
    first = []

    def main_moved():
        try:
            now = (out / "refs/branch.main/ref.json").read_text()
        except OSError:
            return False
        first.append(now)
        return now != first[0]
    killed_in_the_middle(stock, out, main_moved)
    named = (out / "firn.json").exists()
    answer = run(stock, out, "--abandon")
    assert answer.status == 0, str(answer)
    assert json.loads((out / "firn.json").read_text())["current"] == "v1"
    assert record(Local(tmp_path), "out")["finished"]
    is_right(months, out)
    assert run(stock, out).result["recipes"][0]["build"]["up_to_date"]
    print(f"killed {'after' if named else 'before'} it was named")


# ------------------------------------------------------------------ other ways to stop
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
@TARGETS
def test_a_run_that_is_stopped_says_so_and_the_same_command_continues(months, target, number, tmp_path, out):
    stock = feedstock(tmp_path / "stock", months, **target)
    process = start([*command(stock, out), "-o", "json"], environment(), stdout=subprocess.PIPE)
    claimed = out / ("v1/.firn/run.json" if target is ZARR else ".firn/run.json")
    while process.poll() is None and not claimed.exists():
        time.sleep(0.0005)
    process.send_signal(number)
    answer = json.loads(process.communicate(timeout=60)[0])
    assert process.returncode == 130 and answer["error"]["code"] == "interrupted", answer
    assert "same command again" in answer["error"]["next"]
    assert run(stock, out).status == 0
    assert run(stock, tmp_path / "whole").status == 0
    is_right(months, out)
    if target is ZARR:
        assert fingerprint.of_directory(out / "v1") == fingerprint.of_directory(tmp_path / "whole/v1")
        assert files(out) == files(tmp_path / "whole")


@TARGETS
def test_a_disk_that_takes_no_more_is_an_error_and_the_same_command_continues(months, target, tmp_path, out):
    """As a full disk: the system refuses to write any file beyond a size."""
    stock = feedstock(tmp_path / "stock", months, **target)

    def full():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    done = subprocess.run([binary(), *map(str, command(stock, out)), "-o", "json"], env=environment(), stdout=subprocess.PIPE, preexec_fn=full, timeout=120)
    answer = json.loads(done.stdout)
    assert done.returncode == 9 and answer["error"]["code"] and answer["error"]["next"], answer
    place, kind = Local(tmp_path), Zarr("v1")
    assert target is not ZARR or kind.look(place, "out") is None, "nothing is published"
    assert run(stock, out).status == 0
    is_right(months, out)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
@TARGETS
def test_a_target_that_cannot_be_written_is_denied(months, target, tmp_path, out):
    stock = feedstock(tmp_path / "stock", months[:3], **target)
    out.mkdir(mode=0o555)
    answer = run(stock, out)
    assert answer.status == 5 and well_formed_error(answer) == [] and files(out) == [], str(answer)
    out.chmod(0o755)
    assert run(stock, out).status == 0
    is_right(months[:3], out)


def test_files_that_share_only_the_root_of_this_machine_are_copied(months, tmp_path, out):
    """No folder below `/` holds them all, and readers of references authorise one folder."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        second = pathlib.Path(shutil.copy(months[1], elsewhere))
        stock = feedstock(tmp_path / "stock", [months[0], second])
        assert firn("plan", stock, check=True).result["recipes"][0]["strategy"]["name"] == "transform"
        ran = run(stock, out).result["recipes"][0]
        assert ran["strategy"] == "transform" and "container" in ran["strategy_reason"], ran
        is_right([months[0], second], out)
