"""Objects on any location: ls, du, cat, cp, sync, check, rm."""
import functools
import http.server
import io
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading
import time

import pytest
from support.binary import TESTDATA, binary, environment, firn
from support.servers import BadNetwork
from test_outputs import fits


@pytest.fixture
def here(tmp_path):
    """A folder with a state of its own, and `run(words…)` in it."""
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n')
    return tmp_path


def fill(root, count=40, size=500, seed=1):
    """A tree with a Zarr store, odd but right names, an empty file."""
    rng = random.Random(seed)
    write(root / "a.zarr/zarr.json", b'{"zarr_format":3,"node_type":"group","attributes":{}}')
    write(root / "a.zarr/x/zarr.json", b"{}")
    for number in range(count):
        write(root / f"a.zarr/x/c/{number}", rng.randbytes(size))
    for name in ("note.txt", "with space.nc", "plus+percent%41.nc", "ümläut/❄.nc", "empty", "quote'\"`$&.nc"):
        write(root / name, b"" if name == "empty" else rng.randbytes(50))
    return root


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def tree(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in pathlib.Path(root).rglob("*") if p.is_file()}


def refused(answer, code, status):
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.error["next"], answer
    return answer


# ------------------------------------------------------------------ copies
def test_a_folder_is_copied_once_and_then_kept(here):
    source = fill(here / "src")
    count = len(tree(source))
    first = fits("cp", firn("cp", "-r", "src", "dst", cwd=here))
    assert (first["copied"], first["kept"], first["route"], first["failures"]) == (count, 0, "local", [])
    assert tree(here / "dst") == tree(source)
    again = fits("cp", firn("cp", "-r", "src", "dst", cwd=here))
    assert (again["copied"], again["kept"], again["kept_by"]["record"]) == (0, count, count)
    shutil.rmtree(here / "state")
    by_reading = fits("cp", firn("cp", "-r", "src", "dst", cwd=here))
    assert (by_reading["copied"], by_reading["kept_by"]["reading"]) == (0, count)


def test_an_object_gets_the_name_that_is_asked_for(here):
    source = fill(here / "src")
    for target, name in [("new.txt", "new.txt"), ("folder/", "folder/note.txt"), ("deep/er/x", "deep/er/x"), (".", "note.txt")]:
        fits("cp", firn("cp", "src/note.txt", target, cwd=here))
        assert (here / name).read_bytes() == (source / "note.txt").read_bytes(), target
    fits("cp", firn("cp", "src/note.txt", "src/empty", "both", cwd=here))
    assert sorted(tree(here / "both")) == ["empty", "note.txt"]
    fits("cp", firn("cp", "src/*.nc", "netcdf", cwd=here))
    assert sorted(tree(here / "netcdf")) == sorted(p.name for p in source.glob("*.nc"))
    fits("cp", firn("cp", "-r", "src/a.zarr", "src/note.txt", "mixed", cwd=here))
    assert (here / "mixed/a.zarr/zarr.json").exists() and (here / "mixed/note.txt").exists()


def test_what_is_not_meant_is_refused(here):
    fill(here / "src")
    before = tree(here)
    refused(firn("cp", "src", "dst", cwd=here), "objects-folder", 2)
    assert "firn cp -r src dst" in firn("cp", "src", "dst", cwd=here).error["next"]
    refused(firn("cp", "-r", "src", "src/inside", cwd=here), "usage", 2)
    refused(firn("cp", "-r", "src", "src", cwd=here), "usage", 2)
    refused(firn("cp", "src/note.txt", "src/note.txt", cwd=here), "usage", 2)
    refused(firn("cp", "nothing", "dst", cwd=here), "source-not-found", 4)
    refused(firn("cp", "src/*.grib", "dst", cwd=here), "source-not-found", 4)
    refused(firn("cp", "-r", "src", "https://127.0.0.1:1/x", cwd=here), "storage-unsupported", 7)
    assert tree(here) == before


def test_other_objects_are_replaced_only_on_demand(here):
    source = fill(here / "src")
    fits("cp", firn("cp", "-r", "src", "dst", cwd=here))
    write(here / "dst/note.txt", b"mine")
    (here / "dst/a.zarr/x/c/0").unlink()
    before = tree(here / "dst")
    answer = refused(firn("cp", "-r", "src", "dst", cwd=here), "objects-different", 6)
    assert "note.txt" in answer.error["what"] and answer.error["next"] == "firn cp -r --replace src dst"
    assert tree(here / "dst") == before, "nothing is copied where something would be lost"
    report = fits("cp", firn("cp", "-r", "--replace", "src", "dst", cwd=here))
    assert (report["copied"], report["replaced"]) == (2, 1) and tree(here / "dst") == tree(source)


def test_copies_of_single_objects_are_all_remembered(here):
    fill(here / "src")
    for name in ("note.txt", "empty", "with space.nc"):
        fits("cp", firn("cp", f"src/{name}", "dst/", cwd=here))
    again = fits("cp", firn("cp", "src/note.txt", "src/empty", "src/with space.nc", "dst/", cwd=here))
    assert (again["copied"], again["kept_by"]["record"]) == (0, 3)


def test_a_dry_run_does_nothing(here):
    source = fill(here / "src")
    report = fits("cp", firn("cp", "-r", "--dry-run", "src", "dst", cwd=here))
    assert report["dry_run"] and report["copied"] == len(tree(source)) and not (here / "dst").exists()
    assert not list((here / "state").rglob("*.jsonl"))


def test_sync_shows_its_deletions_and_needs_a_word_for_them(here):
    source = fill(here / "src")
    fits("sync", firn("sync", "src", "dst", cwd=here))
    write(here / "dst/old/a", b"a")
    write(here / "dst/note.txt", b"other")
    dry = fits("sync", firn("sync", "src", "dst", "--dry-run", "--delete", cwd=here))
    assert (dry["extra"], dry["copied"], dry["deleted"]) == (["old/a"], 1, 1) and (here / "dst/note.txt").read_bytes() == b"other"
    shown = fits("sync", firn("sync", "src", "dst", cwd=here))
    assert (shown["extra"], shown["deleted"], shown["replaced"]) == (["old/a"], 0, 1) and (here / "dst/old/a").exists()
    assert shown["next"] == "firn sync --delete src dst"
    done = fits("sync", firn("sync", "src", "dst", "--delete", cwd=here))
    assert (done["copied"], done["deleted"]) == (0, 1) and tree(here / "dst") == tree(source) and not (here / "dst/old").exists()


def test_sync_takes_a_folder_that_holds_something(here):
    fill(here / "src")
    write(here / "work/file", b"1")
    write(here / "work/precious", b"2")
    (here / "empty").mkdir()
    before = tree(here)
    for words in (["work/file", "work/copy"], ["src/*.nc", "work"], ["empty", "work"]):
        refused(firn("sync", "--delete", *words, cwd=here), "usage", 2)
    assert tree(here) == before
    fits("sync", firn("sync", "empty", "work", cwd=here))
    assert {k: v for k, v in tree(here).items() if not k.startswith("state")} == before


def test_a_store_appears_last_or_not_at_all(here):
    fill(here / "src")
    (here / "dst/a.zarr/x").mkdir(parents=True)
    (here / "elsewhere").mkdir()
    (here / "dst/a.zarr/x/c").symlink_to(here / "elsewhere")
    answer = firn("cp", "-r", "src", "dst", cwd=here)
    assert answer.status not in (0, 70) and answer.result["failures"] and answer.result["held_back"] == 2, answer
    assert not (here / "dst/a.zarr/zarr.json").exists() and not any((here / "elsewhere").iterdir())
    (here / "dst/a.zarr/x/c").unlink()
    report = fits("cp", firn("cp", "-r", "src", "dst", cwd=here))
    assert report["copied"] == 42 and tree(here / "dst") == tree(here / "src")


def test_s3_there_and_back_and_on_the_server(here, s3, bucket, s3_env):
    source = fill(here / "src")
    count = len(tree(source))
    up = fits("cp", firn("cp", "-r", "src", f"s3://{bucket}/up", cwd=here, env=s3_env))
    assert (up["copied"], up["route"]) == (count, "through") and s3.objects(bucket, "up/") == tree(source)
    across = fits("cp", firn("cp", "-r", f"s3://{bucket}/up", f"s3://{bucket}/across", cwd=here, env=s3_env))
    assert (across["copied"], across["route"]) == (count, "server") and s3.objects(bucket, "across/") == tree(source)
    fits("cp", firn("cp", "-r", f"s3://{bucket}/across", "back", cwd=here, env=s3_env))
    assert tree(here / "back") == tree(source)
    for pair, how in [(("src", f"s3://{bucket}/up"), "record"), (("back", f"s3://{bucket}/across"), "record"), (("src", f"s3://{bucket}/across"), "tag"), (("src", "back"), "reading")]:
        report = fits("check", firn("check", *pair, cwd=here, env=s3_env))
        assert report["ok"] and report["equal_by"][how] == count, (pair, report)


def test_s3_large_objects_go_in_parts_and_are_known_by_their_tags(here, s3, bucket, s3_env):
    write(here / "large", random.Random(2).randbytes((64 << 20) + 12345))
    fits("cp", firn("cp", "large", f"s3://{bucket}/large", cwd=here, env=s3_env))
    assert s3.client().head_object(Bucket=bucket, Key="large")["ETag"].strip('"').endswith("-9")
    shutil.rmtree(here / "state")
    assert fits("check", firn("check", "large", f"s3://{bucket}/large", cwd=here, env=s3_env))["equal_by"]["tag"] == 1
    fits("cp", firn("cp", f"s3://{bucket}/large", "again", cwd=here, env=s3_env))
    assert (here / "again").read_bytes() == (here / "large").read_bytes()


# ------------------------------------------------------------------ check
def test_one_flipped_truncated_missing_and_extra_object_among_ten_thousand(here):
    for number in range(10_000):
        path = here / f"src/{number // 1000}/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d\n" % number * 4)
    fits("cp", firn("cp", "-r", "src", "dst", cwd=here))
    flipped = here / "dst/1/1234"
    stat = flipped.stat()
    with flipped.open("r+b") as file:
        file.write(b"X")
    os.utime(flipped, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as a disk does that loses a bit
    (here / "dst/2/2345").write_bytes(b"23")
    (here / "dst/3/3456").unlink()
    (here / "dst/extra").write_bytes(b"")
    for state in ("with records", "without"):
        report = fits("check", refused(firn("check", "src", "dst", cwd=here), "check-differs", 10), 10)
        assert (report["missing"], report["extra"], [d["key"] for d in report["different"]]) == (["3/3456"], ["extra"], ["1/1234", "2/2345"]), state
        assert report["equal"] == 9997 and not report["ok"]
        shutil.rmtree(here / "state", ignore_errors=True)


def test_s3_a_changed_object_is_found(here, s3, bucket, s3_env):
    fill(here / "src")
    fits("cp", firn("cp", "-r", "src", f"s3://{bucket}/x", cwd=here, env=s3_env))
    body = bytearray((here / "src/a.zarr/x/c/7").read_bytes())
    body[3] ^= 1
    s3.client().put_object(Bucket=bucket, Key="x/a.zarr/x/c/7", Body=bytes(body))
    report = fits("check", refused(firn("check", "src", f"s3://{bucket}/x", cwd=here, env=s3_env), "check-differs", 10), 10)
    assert [d["key"] for d in report["different"]] == ["a.zarr/x/c/7"]
    refused(firn("check", "src/note.txt", f"s3://{bucket}/x", cwd=here, env=s3_env), "usage", 2)


# ------------------------------------------------------------------ names
def test_names_that_no_key_can_hold_are_told_and_hide_no_others(here):
    source = fill(here / "src")
    good = tree(source)
    write(source / "new\nline", b"1")
    write(source / "tab\there/x", b"2")
    with open(os.fsencode(source) + b"/not-\xff-utf8", "wb") as file:
        file.write(b"3")
    (source / "dangling").symlink_to("nowhere")
    os.mkfifo(source / "pipe")
    answer = firn("cp", "-r", "src", "dst", cwd=here)
    assert (answer.status, answer.code) == (7, "objects-unusable-key"), answer
    assert tree(here / "dst") == good
    assert sorted(f["key"] for f in answer.result["failures"]) == ["dangling", "new\\nline", "not-\\xff-utf8", "pipe", "tab\\there/x"]
    listed = fits("ls", firn("ls", "-r", "src", cwd=here))
    assert len(listed["unusable"]) == 5 and {e["key"] for e in listed["entries"]} == set(good)
    assert {odd["key"] for odd in fits("ls", firn("ls", "src", cwd=here))["unusable"]} == {"dangling", "new\\nline", "not-\\xff-utf8", "pipe", "tab\\there/"}


def test_s3_hostile_keys_stay_below_the_target(here, s3, bucket, s3_env):
    client = s3.client()
    for key in ("x/good", "x/a b+c%41", "x//double", "x/./dot"):
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    (here / "deep").mkdir()
    answer = firn("cp", "-r", f"s3://{bucket}/x", "deep/dst", cwd=here, env=s3_env)
    names = {f["key"] for f in answer.result["failures"]}
    assert answer.status == 7 and "/double" in names, answer
    assert set(tree(here / "deep")) == {"dst/good", "dst/a b+c%41"}
    assert {e["key"] for e in fits("ls", firn("ls", "-r", f"s3://{bucket}/x", cwd=here, env=s3_env))["entries"]} == {"good", "a b+c%41"}


def test_s3_a_key_that_is_the_folder_of_another_is_refused_for_files(here, s3, bucket, s3_env):
    client = s3.client()
    for key in ("x/a", "x/a/b", "x/A"):
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    refused(firn("cp", "-r", f"s3://{bucket}/x", "dst", cwd=here, env=s3_env), "objects-occupied", 6)
    assert not (here / "dst").exists()


def test_a_web_server_cannot_lead_elsewhere(here):
    write(here / "web/data/a.nc", b"a" * 100)
    write(here / "web/data/sub/b.nc", b"b" * 3_000_000)
    write(here / "web/secret", b"secret")

    evil = b'<a href="../secret">x</a><a href="//127.0.0.1:1/evil">y</a><a href="%2e%2e%2fsecret">z</a>'

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def list_directory(self, path):
            return io.BytesIO(super().list_directory(path).read() + evil)

        def send_header(self, name, value):
            is_page = name == "Content-Length" and self.path.endswith("/")
            super().send_header(name, str(int(value) + len(evil)) if is_page else value)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(here / "web")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/data/"
        report = fits("cp", firn("cp", "-r", url, "dst", cwd=here))
        assert report["copied"] == 2 and tree(here / "dst") == tree(here / "web/data")
        assert {e["key"]: e.get("size") for e in fits("ls", firn("ls", url, cwd=here))["entries"]} == {"sub/": None, "a.nc": 100}
        assert fits("check", firn("check", url, "dst", cwd=here))["ok"]
        fits("cp", firn("cp", f"{url}a.nc?token=abc", "signed.nc", cwd=here))
        assert (here / "signed.nc").read_bytes() == b"a" * 100
        assert "abc" not in "".join(p.read_text() for p in (here / "state").rglob("*.jsonl"))
        assert firn("cat", f"{url}a.nc", cwd=here).result["text"] == "a" * 100
    finally:
        server.shutdown()


# ------------------------------------------------------------------ what is protected
def test_places_that_others_rely_on(here):
    fill(here / "src", count=3)
    roles = ("scratch", "persistent", "inbox", "published", "pipeline")
    with (here / "firn.toml").open("a") as file:
        for role in roles:
            file.write(f'[locations.{role}]\nurl = "{here}/{role}"\nrole = "{role}"\n')
    for role in roles:
        fits("cp", firn("cp", "-r", "src", f"{role}:data", cwd=here))
        write(here / role / "data/note.txt", b"other")
        write(here / role / "data/more", b"more")
    for role in roles[2:]:
        before = tree(here / role)
        for words in (["cp", "-r", "--replace", "src", f"{role}:data"], ["sync", "src", f"{role}:data"], ["sync", "--delete", "src", f"{role}:data"],
                      ["rm", "-r", "--yes", f"{role}:data"], ["rm", "--yes", f"{role}:data/more"], ["rm", "-r", "--yes", str(here / role)],
                      ["rm", "--yes", f"{here}/{role}/data/m*"]):
            refused(firn(*words, cwd=here), "objects-protected", 5)
        assert tree(here / role) == before, role
    refused(firn("rm", "-r", "--yes", str(here), cwd=here), "objects-protected", 5)
    for role in roles[:2]:
        fits("sync", firn("sync", "--delete", "src", f"{role}:data", cwd=here))
        fits("rm", firn("rm", "-r", "--yes", f"{role}:data", cwd=here))
        assert tree(here / role) == {}


def test_published_stores_are_not_changed_object_by_object(here):
    import xarray
    xarray.Dataset({"t": ("x", [1.0, 2.0, 3.0])}, {"x": [1, 2, 3]}).to_netcdf(here / "a.nc", engine="netcdf4")
    assert firn("transform", "a.nc", "--target", "made", cwd=here).status == 0
    fits("cp", firn("cp", "-r", "made", "copy", cwd=here))
    before = tree(here / "made")
    chunk = next(name for name in before if name.startswith("t/c"))
    write(here / "chunk", b"other")
    refused(firn("cp", "--replace", "chunk", f"made/{chunk}", cwd=here), "objects-protected", 5)
    write(here / "many/made" / chunk, b"other")
    refused(firn("cp", "-r", "--replace", "many", ".", cwd=here), "objects-protected", 5)
    refused(firn("sync", "--delete", "copy/t", "made", cwd=here), "objects-protected", 5)
    assert tree(here / "made") == before
    assert xarray.open_zarr(here / "copy").t.values.tolist() == [1.0, 2.0, 3.0]
    assert firn("verify", "copy", cwd=here).status == 0


def test_rm_asks(here):
    fill(here / "src")
    before = tree(here / "src")
    refused(firn("rm", "-r", "src", cwd=here), "objects-unconfirmed", 2)
    refused(firn("rm", "--yes", "src", cwd=here), "objects-folder", 2)
    dry = fits("rm", firn("rm", "-r", "--dry-run", "src", cwd=here))
    assert (dry["objects"], dry["removed"]) == (len(before), 0) and tree(here / "src") == before
    fits("rm", firn("rm", "--yes", "src/note.txt", cwd=here))
    fits("rm", firn("rm", "-r", "--yes", "src/a.zarr", cwd=here))
    assert set(before) - set(tree(here / "src")) == {name for name in before if name.startswith("a.zarr") or name == "note.txt"}
    refused(firn("rm", "--yes", "src/note.txt", cwd=here), "source-not-found", 4)
    write(here / "precious/data", b"1")
    (here / "src/link").symlink_to(here / "precious")
    (here / "whole").symlink_to(here / "precious")
    refused(firn("rm", "-r", "--yes", "src", cwd=here), "objects-protected", 5)
    refused(firn("rm", "-r", "--yes", "whole", cwd=here), "objects-protected", 5)
    assert (here / "precious/data").exists() and (here / "src/a.zarr").exists() is False and (here / "src/empty").exists()


# ------------------------------------------------------------------ reading
def test_ls_du_and_cat(here):
    source = fill(here / "src")
    level = fits("ls", firn("ls", "src", cwd=here))["entries"]
    assert [e["key"] for e in level if e["kind"] == "folder"] == ["a.zarr/", "ümläut/"]
    assert next(e for e in level if e["key"] == "note.txt")["size"] == 50
    lines = [json.loads(line) for line in firn("ls", "-r", "src", "-o", "jsonl", cwd=here).stdout.splitlines()]
    assert {line["key"] for line in lines} == set(tree(source))
    assert [e["key"] for e in fits("ls", firn("ls", "src/note.txt", cwd=here))["entries"]] == ["note.txt"]
    refused(firn("ls", "nothing", cwd=here), "source-not-found", 4)
    usage = fits("du", firn("du", "src", cwd=here))
    assert (usage["objects"], usage["bytes"]) == (len(tree(source)), sum(map(len, tree(source).values())))
    store = usage["places"][0]["stores"][0]
    assert (store["key"], store["objects"], [(n["path"], n["objects"]) for n in store["nodes"]]) == ("a.zarr", 42, [("", 1), ("x", 41)])
    raw = subprocess.run([binary(), "cat", "src/a.zarr/x/c/3"], cwd=here, capture_output=True, env=environment())
    assert raw.stdout == (source / "a.zarr/x/c/3").read_bytes() and raw.returncode == 0
    refused(firn("cat", "src", cwd=here), "objects-folder", 2)
    fits("cat", firn("cat", "src/note.txt", cwd=here))


# ------------------------------------------------------------------ stops
def copy_until_killed(here, target, env, moment):
    process = subprocess.Popen([binary(), "cp", "-r", "src", target, "-q", "--jobs", "2"], cwd=here, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    return process.wait()


@pytest.mark.parametrize("place", ["local", "s3"])
def test_a_copy_that_is_killed_goes_on(here, s3, bucket, s3_env, place):
    source = fill(here / "src", count=600, size=20_000)
    kills = int(os.environ.get("FIRN_TEST_KILLS", "6"))
    rng, killed, kept = random.Random(place), 0, 0
    begun = time.monotonic()
    target = str(here / "whole") if place == "local" else f"s3://{bucket}/whole"
    fits("cp", firn("cp", "-r", "src", target, "--jobs", "2", cwd=here, env=s3_env))
    whole = time.monotonic() - begun
    for number in range(kills):
        target = str(here / f"dst{number}") if place == "local" else f"s3://{bucket}/dst{number}"
        killed += copy_until_killed(here, target, s3_env, rng.uniform(0.02, whole)) == -signal.SIGKILL
        there = tree(here / f"dst{number}") if place == "local" else s3.objects(bucket, f"dst{number}/")
        assert "a.zarr/zarr.json" not in there or all(there.get(key) == data for key, data in tree(source).items() if key.startswith("a.zarr")), "a part appeared as a whole"
        report = fits("cp", firn("cp", "-r", "src", target, cwd=here, env=s3_env))
        kept += report["kept"]
        assert report["copied"] + report["kept"] == len(tree(source))
        now = tree(here / f"dst{number}") if place == "local" else s3.objects(bucket, f"dst{number}/")
        assert {k: v for k, v in now.items() if ".firn-tmp-" not in k} == tree(source)
    assert killed and kept, "no kill came while there was something to lose"


def test_s3_nothing_is_lost_on_a_bad_network(here, s3, bucket, s3_env):
    count = int(os.environ.get("FIRN_TEST_OBJECTS", "400"))
    source = fill(here / "src", count=count, size=3000)
    with BadNetwork(s3.endpoint, share=0.05 if count < 1000 else 0.02) as network:
        env = s3_env | {"AWS_ENDPOINT_URL": network.url}
        fits("cp", firn("cp", "-r", "src", f"s3://{bucket}/x", cwd=here, env=env))
        assert s3.objects(bucket, "x/") == tree(source)
        fits("cp", firn("cp", "-r", f"s3://{bucket}/x", f"s3://{bucket}/y", cwd=here, env=env))
        assert s3.objects(bucket, "y/") == tree(source)
        fits("cp", firn("cp", "-r", f"s3://{bucket}/y", "back", cwd=here, env=env))
        assert tree(here / "back") == tree(source)
        shutil.rmtree(here / "state")
        assert fits("check", firn("check", "back", f"s3://{bucket}/x", cwd=here, env=env))["ok"]
        fits("rm", firn("rm", "-r", "--yes", f"s3://{bucket}/y", cwd=here, env=env))
        assert s3.objects(bucket, "y/") == {} and min(network.counts.values()) > 3, network.counts


def test_s3_no_secret_is_told(here, s3, bucket, s3_env):
    fill(here / "src", count=3)
    for words in (["cp", "-r", "src", f"s3://{bucket}/x", "-vv"], ["check", "src", f"s3://{bucket}/x", "-vv"], ["ls", "-r", f"s3://{bucket}/x", "-vv"], ["du", f"s3://{bucket}/x", "-vv"]):
        answer = firn(*words, cwd=here, env=s3_env)
        assert answer.status == 0 and s3.secret not in str(answer.stdout + answer.stderr), words
    assert s3.secret not in "".join(p.read_text() for p in (here / "state").rglob("*") if p.is_file())


def test_s3_patterns_match_folders_where_these_are_meant(here, s3, bucket, s3_env):
    for name in ("a1.zarr", "a2.zarr", "b.zarr"):
        fill(here / "src" / name, count=3)
    (here / "src/a3.nc").write_bytes(b"1")
    refused(firn("cp", "src/*.zarr", "dst", cwd=here), "objects-folder", 2)
    fits("cp", firn("cp", "src/a*", "files", cwd=here))
    assert sorted(tree(here / "files")) == ["a3.nc"]
    fits("cp", firn("cp", "-r", "src/a*", f"s3://{bucket}/x", cwd=here, env=s3_env))
    assert {key.split("/")[0] for key in s3.objects(bucket, "x/")} == {"a1.zarr", "a2.zarr", "a3.nc"}
    fits("cp", firn("cp", "-r", f"s3://{bucket}/x/a[12].zarr", f"s3://{bucket}/x/*.nc", "back", cwd=here, env=s3_env))
    assert tree(here / "back") == {key: data for key, data in tree(here / "src").items() if key.startswith("a")}
    refused(firn("rm", "--yes", f"s3://{bucket}/x/*.zarr", cwd=here, env=s3_env), "objects-folder", 2)
    fits("rm", firn("rm", "-r", "--yes", f"s3://{bucket}/x/*.zarr", cwd=here, env=s3_env))
    assert set(s3.objects(bucket, "x/")) == {"a3.nc"}


# ------------------------------------------------------------------ rules of places
def test_rules_of_places_hold_for_copies(here):
    write(here / "src/a.nc", b"a")
    roots = {name: here / name for name in ("mine", "open", "secret")}
    (here / "firn.toml").write_text('state_dir = "state"\n' + "".join(f'[locations.{name}]\nurl = "{root}"\n{rule}\n' for (name, root), rule in zip(
        roots.items(), ('owner = "{user}/"\nretention = "7d"', "public = true\negress = \"none\"", "private = true"), strict=True)))
    env = environment(JUPYTERHUB_USER="ana")
    run = functools.partial(firn, cwd=here, env=env)
    for target in ("mine:bob/x", "mine:x", "mine:anab/x"):
        answer = refused(run("cp", "-r", "src", target), "policy-forbids", 5)
        assert 'owner = "{user}/"' in answer.error["what"] and "mine:ana/" in answer.error["what"]
        refused(run("cp", "-r", "src", target, "--dry-run"), "policy-forbids", 5)
    refused(run("transform", TESTDATA / "netcdf4/air.nc", "--target", "mine:bob/air.zarr"), "policy-forbids", 5)
    fits("cp", run("cp", "-r", "src", "mine:ana/x"))
    fits("transform", run("transform", TESTDATA / "netcdf4/air.nc", "--target", "mine:ana/air.zarr"))
    fits("cp", run("cp", "-r", "src", "secret:x"))
    answer = refused(run("cp", "-r", "secret:x", "open:x"), "policy-forbids", 5)
    assert "private = true" in answer.error["what"] and "public = true" in answer.error["what"]
    refused(run("cp", "-r", "src", "secret:x", "open:x"), "policy-forbids", 5)
    assert not (here / "open/x").exists() and not (here / "mine/bob").exists()
    fits("cp", run("cp", "-r", "mine:ana/x", "open:x"))
    for wrong, word in (('owner = "x"', "{user}"), ('retention = "soon"', "7d"), ("private = true\npublic = true", "exclude"), ('egress = "free"', "provider")):
        (here / "firn.toml").write_text(f'[locations.a]\nurl = "{here}/a"\n{wrong}\n')
        answer = run("ls", "a:")
        assert answer.status == 3 and word in str(answer.error), str(answer)


def test_explain_says_how_it_would_go_and_does_nothing(here, s3, bucket, s3_env):
    source = fill(here / "src")
    (here / "firn.toml").write_text(f'state_dir = "state"\n[locations.pod]\nurl = "s3://{bucket}/pod"\nretention = "30d"\negress = "none"\n')
    run = functools.partial(firn, cwd=here, env=s3_env)
    there = fits("cp", run("cp", "-r", "--explain", "src", "pod:x"))
    advice = there["advice"]
    assert there["dry_run"] and there["copied"] == len(tree(source)) and advice["requests"] == len(tree(source))
    assert any("30d" in rule for rule in advice["rules"]) and advice["egress"] == "none" and advice["seconds"][0] <= advice["seconds"][1]
    assert s3.objects(bucket) == {} and not (here / "state").exists()
    fits("cp", run("cp", "-r", "src", "pod:x"))
    across = fits("cp", run("cp", "-r", "--explain", "pod:x", "pod:y"))
    assert across["route"] == "server" and "no byte passes this machine" in across["advice"]["method"]
    back = fits("cp", run("cp", "-r", "--explain", "pod:x", "back", "--bwlimit", "1MB"))
    assert back["route"] == "through" and "locations.pod" in back["advice"]["egress_because"] and "1.0 MB/s" in back["advice"]["assuming"]
    assert "advice" not in fits("cp", run("cp", "-r", "--dry-run", "src", "pod:z"))
    text = run("cp", "-r", "--explain", "src", "pod:x", "-o", "text").stdout
    assert "method" in text and "traffic" in text and "rule" in text, text
