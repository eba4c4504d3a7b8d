"""adopt: what other tools left in a place becomes managed datasets, where it lies."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time
import warnings

import blake3
import pytest
import xarray as xr
import yaml
from support import mixed
from support.binary import binary, environment, firn
from test_outputs import fits


def tree(root, records=False):
    """Every file with its bytes, without what firn recorded."""
    own = lambda name: ".firn" in name.split("/") or name.endswith("firn.json")
    names = (str(p.relative_to(root)) for p in pathlib.Path(root).rglob("*") if p.is_file())
    return {name: (pathlib.Path(root) / name).read_bytes() for name in names if records or not own(name)}


def manifest(folder):
    lines = (folder / ".firn/manifest").read_text().splitlines()
    assert lines[0] == "firn-manifest 1"
    return {key: (int(size), digest) for key, size, digest, *_ in (line.split("\t") for line in lines[1:])}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """The mixed place, and what firn has to say of it."""
    here = tmp_path_factory.mktemp("adopt")
    expected = mixed.fill(here / "place")
    return here, expected


@pytest.fixture
def here(filled, tmp_path):
    """A copy of it for one test."""
    origin, expected = filled
    shutil.copytree(origin, tmp_path / "here", symlinks=True)
    # References name the files by their whole paths.
    for document in (tmp_path / "here/place").rglob("r*.json"):
        if document.parent.name.startswith(("refs", "lost")):
            document.write_text(document.read_text().replace(str(origin), str(tmp_path / "here")))
    (tmp_path / "here/firn.toml").write_text(f'state_dir = "state"\n[locations.old]\nurl = "{tmp_path}/here/place"\nrole = "persistent"\n')
    return tmp_path / "here", expected


def test_each_of_200_stores_and_files_is_told(here):
    root, expected = here
    assert len(expected) >= 200 - 20 * 3
    before = tree(root / "place")
    dry = fits("adopt", firn("adopt", "old", "--dry-run", cwd=root), status=10)
    assert tree(root / "place", records=True) == before and not (root / "feedstocks").exists()
    answer = firn("adopt", "old", "--owner", "Ada Example", "--as", "produced", cwd=root)
    report = fits("adopt", answer, status=10)
    assert answer.code == "adopt-incomplete"
    found = {f["key"]: (f["kind"], f["state"], (f.get("problem") or {}).get("code")) for f in report["finds"]}
    assert len(found) == len(report["finds"])
    wrong = {
        key: (expected.get(key), found.get(key)) for key in expected.keys() | found.keys()
        if expected.get(key) != found.get(key) and not (expected.get(key, (0, 0, 0))[2] == "*" and found.get(key, (0, 0))[:2] == expected[key][:2])
    }
    assert not wrong
    assert [(f["key"], f["state"]) for f in dry["finds"]] == [(f["key"], f["state"]) for f in report["finds"]]
    # Nothing that lay there changed.
    assert tree(root / "place") == before
    for find in report["finds"]:
        folder = root / "place" / find["key"]
        if find["state"] != "adopted":
            assert find["problem"]["next"], find
            assert not (folder / "firn.json").exists() and not (folder / ".firn").exists(), find
            continue
        assert find["id"] and pathlib.Path(root / find["feedstock"] / "meta.yaml").exists(), find
        if find["kind"] == "kerchunk-json":
            continue
        document = json.loads((folder / "firn.json").read_text())
        assert (document["owner"], document["id"], document["versions"][0]["in_place"]) == ("Ada Example", find["id"], True)
        for key, (size, digest) in manifest(folder).items():
            data = (folder / key).read_bytes()
            assert (len(data), blake3.blake3(data).hexdigest()) == (size, digest), (find["key"], key)
    sparse = next(f for f in report["finds"] if f["key"] == "sparse/s3.zarr")
    assert sparse["absent"] == [{"path": "/air", "absent": 1, "chunks": 4, "first": "air/c/1/0/0"}]
    assert "air/c/1/0/0\t-\t-" in (root / "place/sparse/s3.zarr/.firn/ledger").read_text()
    files = next(f for f in report["finds"] if f["key"] == "broken1/files")
    assert {pathlib.Path(f["key"]).name for f in files["broken_files"]} == mixed.BROKEN_FILES
    assert set(manifest(root / "place/broken1/files")) == {"good.nc"}
    assert next(f for f in report["finds"] if f["key"] == "files03")["endings"] == {"csv": 1, "h5": 1, "nc": 2}
    # A second look finds what was adopted as it was, and does not read it again.
    again = fits("adopt", firn("adopt", "old", cwd=root), status=10)
    states = {f["key"]: f["state"] for f in again["finds"]}
    adopted = {key for key, (kind, state, _) in expected.items() if state == "adopted" and kind != "kerchunk-json"}
    assert {key for key, state in states.items() if state == "managed"} >= adopted
    assert tree(root / "place") == before
    # From then on they are datasets: feedstocks are valid, the catalog opens them, readers open them as ever.
    feedstocks = sorted((root / "feedstocks").iterdir())
    fits("catalog-validate", firn("catalog", "validate", *feedstocks, cwd=root))
    meta = yaml.safe_load((root / "feedstocks/v3/meta.yaml").read_text())
    catalog = yaml.safe_load((root / "feedstocks/v3/catalog.yaml").read_text())
    assert meta["maintainers"] == [{"name": "Ada Example"}] and catalog["type"] == "produced" and len(catalog["stores"]) == 40
    built = firn("catalog", "build", root / "feedstocks/v3", root / "feedstocks/legacy", root / "feedstocks/ice", "--out", "site", cwd=root)
    assert built.status == 0, built
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for key in ("v3/run03.zarr", "legacy/run04.zarr"):
            opened = xr.open_zarr(root / "place" / key, decode_times=False)
            xr.testing.assert_identical(opened.load(), mixed.dataset(int(key[-7:-5])))


def test_what_changed_since_is_told_and_adopted_when_asked(tmp_path):
    place = tmp_path / "place"
    mixed.to_zarr(place / "a/x.zarr", 1)
    for name in ("1.nc", "2.nc"):
        mixed.to_netcdf(place / "b/files" / name, 1)
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n')
    fits("adopt", firn("adopt", "place", cwd=tmp_path))
    verified = firn("verify", place / "a/x.zarr", cwd=tmp_path)
    assert verified.status == 0, verified
    # A file that was only touched is as it was.
    os.utime(place / "b/files/1.nc", (1, 1))
    same = fits("adopt", firn("adopt", "place", cwd=tmp_path))
    assert {f["state"] for f in same["finds"]} == {"managed"}
    chunk = place / "a/x.zarr/air/c/0/0/0"
    data = bytearray(chunk.read_bytes())
    data[-1] ^= 1
    chunk.write_bytes(data)
    (place / "b/files/2.nc").unlink()
    mixed.to_netcdf(place / "b/files/3.nc", 3)
    changed = fits("adopt", firn("adopt", "place", cwd=tmp_path), status=10)
    told = {(f["key"], f["state"]): f["problem"]["what"] for f in changed["finds"]}
    assert "air/c/0/0/0 has other bytes" in told["a/x.zarr", "changed"]
    assert any("2.nc is not there any more" in what for what in told.values()) and any("3.nc is new" in what for what in told.values())
    # Its readers are told too.
    assert firn("verify", place / "a/x.zarr", "--full", cwd=tmp_path).status == 10
    shutil.copytree(place / "a/x.zarr", tmp_path / "kept")
    mixed.to_zarr(tmp_path / "new.zarr", 2)
    shutil.rmtree(place / "a/x.zarr")
    shutil.copytree(tmp_path / "new.zarr", place / "a/x.zarr")
    shutil.copytree(tmp_path / "kept/.firn", place / "a/x.zarr/.firn")
    shutil.copy(tmp_path / "kept/firn.json", place / "a/x.zarr/firn.json")
    taken = firn("adopt", "place", "--again", cwd=tmp_path)
    states = {f["key"]: f["state"] for f in taken.result["finds"]}
    assert states["a/x.zarr"] == "adopted", taken
    versions = json.loads((place / "a/x.zarr/firn.json").read_text())
    assert (versions["current"], [v["version"] for v in versions["versions"]]) == ("v2", ["v2"])
    fits("adopt", firn("adopt", "place", "--again", cwd=tmp_path))
    last = fits("adopt", firn("adopt", "place", cwd=tmp_path))
    assert {f["state"] for f in last["finds"]} == {"managed"}


def test_what_is_adopted_is_protected_and_served(tmp_path):
    place = tmp_path / "place"
    mixed.to_zarr(place / "x.zarr", 1)
    (tmp_path / "firn.toml").write_text(f'state_dir = "state"\n[locations.p]\nurl = "{place}"\nrole = "published"\n')
    fits("adopt", firn("adopt", "p", "--no-hash", cwd=tmp_path))
    assert manifest(place / "x.zarr")["zarr.json"][1] == "-"
    refused = firn("rm", "-r", place / "x.zarr/air", "--yes", cwd=tmp_path)
    assert (refused.status, refused.code) == (5, "objects-protected"), refused
    target = firn("transform", place / "x.zarr", "--target", "copy.zarr", "--chunks", "time=8", cwd=tmp_path)
    assert target.status == 0, target
    xr.testing.assert_equal(xr.open_zarr(tmp_path / "copy.zarr", decode_times=False), mixed.dataset(1))
    (place / "x.zarr/air/c/0/0/0").unlink()
    lost = firn("transform", place / "x.zarr", "--target", "copy2.zarr", "--chunks", "time=8", cwd=tmp_path)
    assert (lost.status, lost.code) == (8, "source-not-as-written"), lost


@pytest.mark.parametrize("words, code, status", [
    (["https://host.invalid/x"], "adopt-web", 7),
    (["nothing"], "source-not-found", 4),
    (["inbox"], "usage", 2),
    (["place", "--owner", " "], "usage", 2),
    (["place", "--as", "stolen"], "usage", 2),
    (["place/x.zarr/air"], "target-not-empty", 6),
])
def test_what_cannot_be_adopted_is_refused(tmp_path, words, code, status):
    mixed.to_zarr(tmp_path / "place/x.zarr", 1)
    (tmp_path / "inbox").mkdir()
    (tmp_path / "firn.toml").write_text(f'state_dir = "state"\n[locations.inbox]\nurl = "{tmp_path}/inbox"\nrole = "inbox"\n')
    answer = firn("adopt", *words, cwd=tmp_path)
    assert (answer.code, answer.status) == (code, status), answer
    assert not list((tmp_path / "place").rglob("firn.json"))


def test_s3_each_of_200_stores_and_files_of_a_bucket_is_told(filled, s3, bucket, tmp_path):
    origin, expected = filled
    # References lead to files of this machine, which is nobody's business in a bucket.
    local = ("refs", "lost")
    expected = {key: told for key, told in expected.items() if not key.startswith(local)}
    client = s3.client()
    put = lambda item: client.put_object(Bucket=bucket, Key=f"old/{item[0]}", Body=item[1])
    data = {name: body for name, body in tree(origin / "place").items() if not name.startswith(local)}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(put, data.items()))
    (tmp_path / "firn.toml").write_text(f'state_dir = "state"\n[locations.b]\nurl = "s3://{bucket}/old"\nrole = "persistent"\n')
    env = environment(**s3.environment)
    report = fits("adopt", firn("adopt", "b", cwd=tmp_path, env=env, timeout=900), status=10)
    found = {f["key"]: (f["kind"], f["state"], (f.get("problem") or {}).get("code")) for f in report["finds"]}
    wrong = {
        key: (expected.get(key), found.get(key)) for key in expected.keys() | found.keys()
        if expected.get(key) != found.get(key) and not (expected.get(key, (0, 0, 0))[2] == "*" and found.get(key, (0, 0))[:2] == expected[key][:2])
    }
    assert not wrong
    there = s3.objects(bucket, "old/")
    assert {name: body for name, body in there.items() if ".firn" not in name.split("/") and not name.endswith("firn.json")} == data
    again = fits("adopt", firn("adopt", "b", cwd=tmp_path, env=env, timeout=900), status=10)
    assert again["counts"]["managed"] == report["counts"]["adopted"] and again["counts"]["broken"] == report["counts"]["broken"]


def test_s3_a_bucket_is_adopted_with_keys_that_nobody_can_use(s3, bucket, tmp_path):
    client = s3.client()
    store = mixed.to_zarr(tmp_path / "x.zarr", 1, 2)
    for name, data in tree(store).items():
        client.put_object(Bucket=bucket, Key=f"old/x.zarr/{name}", Body=data)
    for key in ("old/files/a//b.nc", "old/files/../up.nc", "old/files/plain.csv"):
        client.put_object(Bucket=bucket, Key=key, Body=b"1")
    (tmp_path / "firn.toml").write_text(f'state_dir = "state"\n[locations.b]\nurl = "s3://{bucket}"\nrole = "published"\n')
    env = environment(**s3.environment)
    answer = firn("adopt", "b/old", cwd=tmp_path, env=env)
    report = fits("adopt", answer, status=10)
    assert {f["key"]: f["state"] for f in report["finds"]} == {"x.zarr": "adopted", "files": "adopted"}
    assert len(report["left_alone"]) == 2
    assert json.loads(client.get_object(Bucket=bucket, Key="old/x.zarr/firn.json")["Body"].read())["format"] == "zarr2"
    again = fits("adopt", firn("adopt", "b/old", cwd=tmp_path, env=env), status=10)
    assert {f["state"] for f in again["finds"]} == {"managed"}
    entry = yaml.safe_load((tmp_path / "feedstocks/x/catalog.yaml").read_text())["stores"][0]
    assert entry["url"] == f"s3://{bucket}/old/x.zarr"


def test_kill_and_the_same_command_goes_on(tmp_path):
    place = tmp_path / "place"
    for number in range(6):
        to = mixed.to_zarr(place / f"s{number}.zarr", number)
        (to / "big.bin").write_bytes(os.urandom(40 << 20))
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n')
    before = tree(place)
    for after in (0.2, 0.35, 0.5, 0.8):
        process = subprocess.Popen([binary(), "adopt", "place"], cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(after)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for document in place.rglob("firn.json"):
            assert (document.parent / ".firn/manifest").exists() and (document.parent / ".firn/ledger").exists()
    report = fits("adopt", firn("adopt", "place", cwd=tmp_path))
    assert {f["state"] for f in report["finds"]} <= {"adopted", "managed"} and len(report["finds"]) == 6
    assert tree(place) == before
    names = sorted(p.name for p in (tmp_path / "feedstocks").iterdir())
    assert names == [f"s{number}" for number in range(6)]
    fits("catalog-validate", firn("catalog", "validate", *sorted((tmp_path / "feedstocks").iterdir()), cwd=tmp_path))
