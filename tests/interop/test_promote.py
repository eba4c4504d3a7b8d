"""Push → seal → review → promote between two places, local and S3: what is published equals the source, a kill at any moment is
continued by the same command, and every refusal leaves both sides as they were.

FIRN_TEST_KILLS is how many kills must hit a running process in each case (default 4 local, 2 against moto).
"""
import concurrent.futures
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import time

import numpy as np
import pytest
import xarray as xr
from support.binary import environment, firn, well_formed_error
from support.runs import Bucket, killed_after, killed_when, moments

KILLS = os.environ.get("FIRN_TEST_KILLS")
SEED = int(os.environ.get("FIRN_TEST_SEED", "20261123"))


def dataset(steps=6, seed=0):
    chance = np.random.default_rng(seed)
    raw = xr.Dataset(
        {"air": (("time", "lat", "lon"), chance.random((steps, 12, 16), dtype="f4"), {"units": "K", "long_name": "air temperature"}),
         "flag": (("time",), np.arange(steps, dtype="i2"))},
        coords={"time": ("time", np.arange(steps), {"units": "days since 2000-01-01"}),
                "lat": ("lat", np.linspace(-80, 80, 12), {"units": "degrees_north"}), "lon": ("lon", np.arange(16.0), {"units": "degrees_east"})},
        attrs={"license": "CC-BY-4.0", "title": "made for a test"})
    return xr.decode_cf(raw)


def write(path, version=3, consolidated=True, steps=6, seed=0):
    dataset(steps, seed).to_zarr(path, zarr_format=version, consolidated=consolidated, encoding={"air": {"chunks": (1, 12, 16)}})
    return pathlib.Path(path)


class Places:
    """An inbox and a place where is published, by locations of a firn.toml; `root` is a folder, or the bucket."""

    def __init__(self, directory, inbox, published, env):
        self.directory = directory
        quoted = {"inbox": inbox, "published": published}
        text = "".join(f'[locations.{name}]\nurl = "{url}"\nrole = "{name}"\n' for name, url in quoted.items())
        (directory / "firn.toml").write_text(text)
        self.environment = env | {"FIRN_STATE_DIR": str(directory / "state")}

    def firn(self, *words, **options):
        return firn(*words, env=self.environment, cwd=self.directory, **options)

    def digests(self):
        return {key: hashlib.sha256(self.read(key)).hexdigest() for key in self.keys()}


class LocalPlaces(Places):
    remote = False

    def __init__(self, directory):
        self.root = directory / "places"
        self.root.mkdir()
        super().__init__(directory, self.root / "inbox", self.root / "published", environment())

    def keys(self):
        return {path.relative_to(self.root).as_posix() for path in self.root.rglob("*") if path.is_file()}

    def read(self, key):
        path = self.root / key
        return path.read_bytes() if path.is_file() else None

    def write(self, key, body):
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def delete(self, key):
        (self.root / key).unlink()

    def store(self, key):
        return str(self.root / key)

    def copy_in(self, folder, key):
        shutil.copytree(folder, self.root / key)

    def writable_store(self, key):
        return str(self.root / key)


class BucketPlaces(Places):
    remote = True

    def __init__(self, directory, s3, bucket):
        self.s3, self.bucket, self.client = s3, bucket, s3.client()
        super().__init__(directory, f"s3://{bucket}/inbox", f"s3://{bucket}/published", environment(**s3.environment))

    def keys(self):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def read(self, key):
        try:
            return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None

    def write(self, key, body):
        self.client.put_object(Bucket=self.bucket, Key=key, Body=body)

    def delete(self, key):
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def store(self, key):
        return self.s3.zarr_store(self.bucket, key)

    def copy_in(self, folder, key):
        for path in pathlib.Path(folder).rglob("*"):
            if path.is_file():
                self.write(f"{key}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def writable_store(self, key):
        from obstore.store import S3Store
        from zarr.storage import ObjectStore
        s3 = self.s3
        return ObjectStore(S3Store(self.bucket, prefix=key, endpoint=s3.endpoint, access_key_id=s3.key, secret_access_key=s3.secret,
                                   region="us-east-1", virtual_hosted_style_request=False, client_options={"allow_http": True}))


@pytest.fixture(params=["local", "s3"])
def places(request, tmp_path):
    if request.param == "local":
        return LocalPlaces(tmp_path)
    return BucketPlaces(tmp_path, request.getfixturevalue("s3"), request.getfixturevalue("bucket"))


@pytest.fixture
def local(tmp_path):
    return LocalPlaces(tmp_path)


def equal(places, key, source, **options):
    seen = xr.open_zarr(places.store(key), consolidated=True, **options)
    xr.testing.assert_identical(seen.load(), source.load())


# ------------------------------------------------------------------ what is published equals the source
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
def test_a_pushed_store_is_published_with_equal_values(places, tmp_path, version, consolidated):
    write(tmp_path / "air.zarr", version, consolidated)
    pushed = places.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True).result
    assert pushed["stores"] == ["air.zarr"] and pushed["kept"] == 0 and pushed["seal"]["read"] == 0
    assert pushed["digest"] and pushed["objects"] == len([p for p in (tmp_path / "air.zarr").rglob("*") if p.is_file()])
    card = places.firn("inbox", "review", "inbox/air", check=True).result
    assert card["ok"] and card["problems"] == [] and card["files"] == 0
    [store] = card["stores"]
    assert store["license"] == "CC-BY-4.0" and store["verification"]["ok"] and set(store["variables"]) == {"/air", "/flag", "/lat", "/lon", "/time"}
    promoted = places.firn("inbox", "promote", "inbox/air", "--to", "published", check=True).result
    equal(places, "published/air/v1", dataset())
    assert promoted["promotion"]["stores"][0]["derived_consolidated"] is not consolidated
    assert json.loads(places.read("published/air/firn.json"))["format"] == f"zarr{version}"
    assert places.firn("verify", "published:air", "--full", check=True).result["checked"]["absent"] == 0
    assert places.read("inbox/air/air.zarr/" + ("zarr.json" if version == 3 else ".zgroup")) is not None, "the inbox copy is kept"


def test_several_stores_of_one_upload_and_files_as_they_are(places, tmp_path):
    (tmp_path / "results/deep").mkdir(parents=True)
    write(tmp_path / "results/one.zarr", 3, False, seed=1)
    write(tmp_path / "results/deep/two.zarr", 2, True, seed=2)
    (tmp_path / "results/readme.txt").write_text("what this is\n")
    refused = places.firn("push", "results", "--to", "inbox/many")
    assert refused.code == "push-no-store" and refused.status == 2 and well_formed_error(refused) == []
    pushed = places.firn("push", "results", "--to", "inbox/many", "--as-is", "--seal", check=True).result
    assert pushed["stores"] == ["deep/two.zarr", "one.zarr"]
    promoted = places.firn("inbox", "promote", "inbox/many", "--to", "published/some/where", check=True).result
    equal(places, "published/some/where/v1/one.zarr", dataset(seed=1))
    equal(places, "published/some/where/v1/deep/two.zarr", dataset(seed=2))
    assert places.read("published/some/where/v1/readme.txt") == b"what this is\n"
    assert [store["id"] for store in promoted["stores"]] == ["two", "one", "many-files"]
    for key in ("one.zarr", "deep/two.zarr"):
        assert places.firn("verify", f"published:some/where/v1/{key}", "--full", check=True).result["ok"]


def test_raw_files_are_published_as_they_are(places, tmp_path):
    bodies = {"a.bin": b"x" * 5000, "b.nc": b"", "c d.csv": b"1,2\n"}
    for name, body in bodies.items():
        (tmp_path / name).write_bytes(body)
    places.firn("push", *bodies, "--to", "inbox/raw", "--as-is", "--seal", check=True)
    places.firn("inbox", "promote", "inbox/raw", "--to", "published", check=True)
    assert {name: places.read(f"published/raw/v1/{name}") for name in bodies} == bodies
    assert json.loads(places.read("published/raw/firn.json"))["format"] == "files"


@pytest.mark.parametrize("version", [2, 3])
def test_what_to_zarr_left_in_the_inbox_is_sealed_by_reading(places, version):
    dataset().to_zarr(places.writable_store("inbox/air"), zarr_format=version, consolidated=False, encoding={"air": {"chunks": (1, 12, 16)}})
    sealed = places.firn("seal", "inbox/air", check=True).result
    assert sealed["stores"] == [""] and sealed["read"] == sealed["seal"]["objects"] > 0
    places.firn("inbox", "promote", "inbox/air", "--to", "published", check=True)
    equal(places, "published/air/v1", dataset())


def test_a_plain_copy_is_sealed_to_the_same_digest_as_a_push(places, tmp_path):
    write(tmp_path / "air.zarr")
    pushed = places.firn("push", "air.zarr", "--to", "inbox/pushed", "--seal", check=True).result
    places.copy_in(tmp_path / "air.zarr", "inbox/copied/air.zarr")
    sealed = places.firn("seal", "inbox/copied", check=True).result
    assert sealed["seal"]["digest"] == pushed["seal"]["seal"]["digest"] == pushed["digest"]
    uploads = {upload["upload"]: upload["state"] for upload in places.firn("inbox", "list", "inbox", check=True).result["uploads"]}
    assert uploads == {"inbox/copied": "sealed", "inbox/pushed": "sealed"}


def test_absent_chunks_are_recorded_and_read_as_fill(places, tmp_path):
    write(tmp_path / "air.zarr")
    (tmp_path / "air.zarr/air/c/3/0/0").unlink()
    places.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)
    assert places.firn("inbox", "review", "inbox/air", check=True).result["stores"][0]["verification"]["checked"]["absent"] == 1
    promoted = places.firn("inbox", "promote", "inbox/air", "--to", "published", check=True).result
    assert promoted["promotion"]["stores"][0]["absent"] == 1
    assert b"air/c/3/0/0\t-\t-\n" in places.read("published/air/v1/.firn/ledger")
    places.delete("published/air/v1/air/c/2/0/0")
    assert places.firn("verify", "published:air").status == 10, "another chunk that is missing is an error"


def test_the_entry_of_the_feedstock_is_written_once(places, tmp_path):
    write(tmp_path / "air.zarr")
    stock = tmp_path / "reanalysis-feedstock"
    stock.mkdir()
    (stock / "catalog.yaml").write_text("# kept\ntitle: Reanalysis\n")
    places.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)
    words = ["inbox", "promote", "inbox/air", "--to", "published", "--feedstock", stock]
    dry = places.firn(*words, "--no-write", check=True).result["catalog_entries"][0]
    assert not dry["written"] and "+" in dry["diff"] and (stock / "catalog.yaml").read_text() == "# kept\ntitle: Reanalysis\n"
    done = places.firn(*words, check=True).result
    assert done["already"] and done["catalog_entries"][0]["written"]
    text = (stock / "catalog.yaml").read_text()
    assert text.startswith("# kept\n") and "published/air/v1" in text and "consolidated: true" in text
    assert places.firn(*words, check=True).result["catalog_entries"] == []
    assert (stock / "catalog.yaml").read_text() == text


def test_purge_removes_the_inbox_copy_and_nothing_else(places, tmp_path):
    write(tmp_path / "air.zarr")
    for name in ("air", "other"):
        places.firn("push", "air.zarr", "--to", f"inbox/{name}", "--seal", check=True)
    places.firn("inbox", "promote", "inbox/air", "--to", "published", check=True)
    before = places.digests()
    purged = places.firn("inbox", "promote", "inbox/air", "--to", "published", "--purge", check=True).result
    assert purged["purged"] and purged["already"]
    after = places.digests()
    assert {key for key in before if not key.startswith(("inbox/air/", "inbox/air.firn/"))} == set(after)
    assert all(before[key] == digest for key, digest in after.items())
    again = places.firn("inbox", "promote", "inbox/air", "--to", "published", "--purge", check=True).result
    assert again["purged"] and places.digests() == after
    unknown = places.firn("inbox", "promote", "inbox/nothing", "--to", "published")
    assert (unknown.code, unknown.status) == ("upload-not-found", 4)


@pytest.mark.parametrize("published", [False, True], ids=["after-the-seal", "after-the-promotion"])
def test_purge_keeps_what_was_never_published(places, tmp_path, published):
    write(tmp_path / "air.zarr")
    places.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)
    words = ["inbox", "promote", "inbox/air", "--to", "published"]
    if published:
        places.firn(*words, check=True)
    for key, body, code in [("new.txt", b"the only copy", "upload-object-added"), ("air.zarr/zarr.json", b"{}", "upload-object-size")]:
        kept = places.read(f"inbox/air/{key}")
        places.write(f"inbox/air/{key}", body)
        before = places.digests()
        refused = places.firn(*words, "--purge")
        assert (refused.code, places.digests()) == (code, before), str(refused)
        assert well_formed_error(refused) == []
        places.delete(f"inbox/air/{key}") if kept is None else places.write(f"inbox/air/{key}", kept)
    assert places.firn(*words, "--purge", check=True).result["purged"]
    assert not [key for key in places.keys() if key.startswith("inbox/")]


@pytest.mark.parametrize("change", ["removed", "cut"])
def test_purge_keeps_the_inbox_copy_where_the_published_one_is_damaged(places, tmp_path, change):
    write(tmp_path / "air.zarr")
    places.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)
    words = ["inbox", "promote", "inbox/air", "--to", "published"]
    places.firn(*words, check=True)
    key = "published/air/v1/air/c/2/0/0"
    places.delete(key) if change == "removed" else places.write(key, places.read(key)[:-1])
    before = places.digests()
    refused = places.firn(*words, "--purge")
    assert (refused.code, refused.status, places.digests()) == ("upload-copy-lost", 8, before), str(refused)
    assert well_formed_error(refused) == []


def test_records_of_firn_are_never_published_as_data(places, tmp_path):
    """An upload of files cannot write into the records of the version that it becomes."""
    (tmp_path / "up").mkdir()
    (tmp_path / "up/a.txt").write_text("a")
    places.copy_in(tmp_path / "up", "inbox/up")
    for key in (".firn/promotion.json", ".firn/run.json", ".firn/ledger"):
        places.write(f"inbox/up/{key}", b'{"forged": true}')
    places.firn("seal", "inbox/up", check=True)
    card = places.firn("inbox", "review", "inbox/up", check=True).result
    assert (card["left_out"], card["files"]) == (3, 1)
    promoted = places.firn("inbox", "promote", "inbox/up", "--to", "published", check=True).result
    assert promoted["promotion"]["objects"] == 1 and places.read("published/up/v1/a.txt") == b"a"
    assert not [key for key in places.keys() if key.startswith("published/") and b"forged" in places.read(key)]


def test_letters_that_look_the_same_are_refused(s3, bucket, tmp_path):
    places = BucketPlaces(tmp_path, s3, bucket)
    places.write("inbox/up/caf\u00e9.txt", b"1")
    places.write("inbox/up/cafe\u0301.txt", b"2")
    if len(places.keys()) != 2:
        pytest.skip("this server makes one key of them")
    assert places.firn("seal", "inbox/up").code == "upload-case-collision"


def test_what_contains_the_inbox_is_not_pushed_into_it(local, tmp_path):
    write(local.root / "mine/air.zarr")
    local.write("inbox/air/x", b"x")
    before = local.digests()
    for path in (local.root, local.root / "inbox/air", local.root / "inbox"):
        refused = local.firn("push", path, "--to", "inbox/air", "--as-is")
        assert (refused.code, refused.status) == ("usage", 2), str(refused)
    assert local.digests() == before
    local.firn("push", local.root / "mine/air.zarr", "--to", "inbox/other", check=True)


def test_a_list_shows_the_others_where_one_upload_cannot_be_listed(local, tmp_path):
    write(tmp_path / "air.zarr")
    local.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)
    local.write("inbox/bad/x", b"x")
    (local.root / "inbox/bad/loop").symlink_to(local.root)
    listed = local.firn("inbox", "list", "inbox", check=True).result["uploads"]
    assert {upload["upload"]: upload["state"] for upload in listed} == {"inbox/air": "sealed", "inbox/bad": "refused"}


def test_no_credentials_are_written_anywhere(s3, bucket, tmp_path):
    places = BucketPlaces(tmp_path, s3, bucket)
    write(tmp_path / "air.zarr")
    said = [places.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)]
    held = {key: places.read(key) for key in places.keys()}
    said += [places.firn("inbox", "review", "inbox/air", check=True), places.firn("inbox", "promote", "inbox/air", "--to", "published", check=True)]
    held |= {key: places.read(key) for key in places.keys()}
    # Moto takes any key; one that is also a word would be found by chance.
    secrets = [secret for secret in (s3.key, s3.secret) if len(secret) > 6]
    assert secrets and any(key.endswith("manifest") for key in held)
    for secret in secrets:
        assert not [key for key, body in held.items() if secret.encode() in body]
        assert not [str(answer) for answer in said if secret in str(answer)]


def test_a_trusted_entity_tag_is_recorded(places, tmp_path):
    write(tmp_path / "air.zarr")
    places.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)
    promoted = places.firn("inbox", "promote", "inbox/air", "--to", "published", "--trust-etag", check=True).result
    assert promoted["promotion"]["trust_etag"] is True
    assert json.loads(places.read("published/air/v1/.firn/promotion.json"))["trust_etag"] is True
    equal(places, "published/air/v1", dataset())


def test_a_push_sends_only_what_is_not_proven(places, tmp_path):
    store = write(tmp_path / "air.zarr")
    first = places.firn("push", "air.zarr", "--to", "inbox/air", check=True).result
    again = places.firn("push", "air.zarr", "--to", "inbox/air", check=True).result
    assert (again["sent"], again["kept"], again["digest"]) == (0, first["objects"], first["digest"])
    chunk = store / "air/c/0/0/0"
    chunk.write_bytes(bytes(reversed(chunk.read_bytes())))      # other bytes, same size
    places.delete("inbox/air/air.zarr/air/c/1/0/0")             # lost
    places.write("inbox/air/air.zarr/air/c/2/0/0", b"other")    # overwritten
    mended = places.firn("push", "air.zarr", "--to", "inbox/air", check=True).result
    assert (mended["sent"], mended["kept"]) == (3, first["objects"] - 3)
    for path in store.rglob("*"):
        if path.is_file():
            assert places.read(f"inbox/air/{path.relative_to(tmp_path).as_posix()}") == path.read_bytes()


def test_after_the_seal_nothing_is_accepted(places, tmp_path):
    write(tmp_path / "air.zarr")
    places.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)
    before = places.digests()
    refused = places.firn("push", "air.zarr", "--to", "inbox/air")
    assert (refused.code, refused.status) == ("upload-sealed", 6) and well_formed_error(refused) == []
    assert places.firn("seal", "inbox/air", check=True).result["already"]
    assert places.digests() == before


# ------------------------------------------------------------------ refusals
def unsealed(places, tmp_path):
    places.firn("push", "air.zarr", "--to", "inbox/air", check=True)
    return "upload-not-sealed", 6


def sealed(places):
    places.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)


def missing(places, tmp_path):
    sealed(places)
    places.delete("inbox/air/air.zarr/air/c/3/0/0")
    return "upload-object-missing", 8


def truncated(places, tmp_path):
    sealed(places)
    key = "inbox/air/air.zarr/air/c/3/0/0"
    places.write(key, places.read(key)[:-1])
    return "upload-object-size", 8


def changed(places, tmp_path):
    sealed(places)
    key = "inbox/air/air.zarr/air/c/3/0/0"
    places.write(key, bytes(reversed(places.read(key))))
    return "upload-object-changed", 6


def changed_in_secret(places, tmp_path):
    """Other bytes under the same entity tag: only the digest tells, so it is found while the data are copied. Uncompressed, so
    that they decode."""
    shutil.rmtree(tmp_path / "air.zarr")
    dataset().to_zarr(tmp_path / "air.zarr", zarr_format=3, encoding={"air": {"chunks": (1, 12, 16), "compressors": None}})
    sealed(places)
    if places.remote:
        pytest.skip("an entity tag of S3 tells the bytes")
    path = places.root / "inbox/air/air.zarr/air/c/3/0/0"
    seen = path.stat()
    with path.open("r+b") as file:
        body = file.read()
        file.seek(0)
        file.write(bytes(reversed(body)))
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    return "upload-object-changed", 6


def added(places, tmp_path):
    sealed(places)
    places.write("inbox/air/air.zarr/air/c/9/9/9", b"new")
    return "upload-object-added", 6


def hostile(key):
    def prepare(places, tmp_path):
        """A seal that no firn wrote: its manifest names a key that leaves the upload."""
        sealed(places)
        from blake3 import blake3
        records = "inbox/air.firn"
        lines = places.read(f"{records}/manifest").decode().splitlines()[1:]
        entries = sorted([*(line.split("\t") for line in lines), [key, "1", blake3(b"x").hexdigest(), "-", "-"]], key=lambda e: e[0].encode())
        text = "firn-manifest 1\n" + "".join("\t".join(entry) + "\n" for entry in entries)
        digest = blake3("".join("\t".join(entry[:3]) + "\n" for entry in entries).encode()).hexdigest()
        seal = json.loads(places.read(f"{records}/seal.json"))
        seal |= {"manifest": blake3(text.encode()).hexdigest(), "digest": digest, "objects": len(entries), "bytes": sum(int(entry[1]) for entry in entries)}
        places.write(f"{records}/manifest", text.encode())
        places.write(f"{records}/seal.json", json.dumps(seal).encode())
        places.write("outside", b"x")
        return "upload-key", 3
    return prepare


def case_collision(places, tmp_path):
    places.firn("push", "air.zarr", "--to", "inbox/air", check=True)
    places.write("inbox/air/AIR.zarr/zarr.json", b"{}")
    refused = places.firn("seal", "inbox/air")
    assert (refused.code, refused.status) == ("upload-case-collision", 3)
    return "upload-case-collision", 3


def destination_exists(places, tmp_path):
    sealed(places)
    places.write("published/air/readme.txt", b"of somebody else")
    return "target-not-empty", 6


def dataset_exists(places, tmp_path):
    write(tmp_path / "other.zarr", seed=9)
    places.firn("push", "other.zarr", "--to", "inbox/other", "--seal", check=True)
    places.firn("inbox", "promote", "inbox/other", "--to", "published/air", check=True)
    sealed(places)
    return "target-exists", 6


def no_variables(places, tmp_path):
    shutil.rmtree(tmp_path / "air.zarr")
    xr.Dataset(attrs={"title": "nothing"}).to_zarr(tmp_path / "air.zarr", zarr_format=3)
    sealed(places)
    return "upload-store-empty", 10


def stale(version, change):
    """Consolidated metadata that say something else than the documents of the arrays."""
    def prepare(places, tmp_path):
        shutil.rmtree(tmp_path / "air.zarr")
        write(tmp_path / "air.zarr", version)
        path = tmp_path / "air.zarr" / ("zarr.json" if version == 3 else ".zmetadata")
        document = json.loads(path.read_text())
        change(document["consolidated_metadata"]["metadata"] if version == 3 else document["metadata"])
        path.write_text(json.dumps(document))
        sealed(places)
        return "upload-consolidated-stale", 10
    return prepare


def shorter(metadata):
    metadata["air"]["shape"][0] = 3


def no_variables_by_consolidated(places, tmp_path):
    path = tmp_path / "air.zarr/zarr.json"
    document = json.loads(path.read_text())
    document["consolidated_metadata"]["metadata"].clear()
    path.write_text(json.dumps(document))
    sealed(places)
    return "upload-store-empty", 10


def lying_seal(places, tmp_path):
    sealed(places)
    seal = json.loads(places.read("inbox/air.firn/seal.json"))
    places.write("inbox/air.firn/seal.json", json.dumps(seal | {"objects": 10**18}).encode())
    return "upload-manifest-damaged", 8


def linked(inside):
    """A link on a file system: what lies behind it is not the producer's."""
    def prepare(places, tmp_path):
        if places.remote:
            pytest.skip("buckets have no links")
        sealed(places)
        (tmp_path / "private").mkdir()
        (tmp_path / "private/key").write_text("of the administrator")
        link = places.root / "inbox" / inside
        link.parent.mkdir(exist_ok=True)
        if link.exists():
            shutil.move(link, tmp_path / "moved")
            link.symlink_to(tmp_path / "moved")
        else:
            link.symlink_to(tmp_path / "private" / ("key" if inside.endswith("file") else ""))
        return "upload-key", 3
    return prepare


def records_of_firn(key):
    def prepare(places, tmp_path):
        sealed(places)
        places.write(f"inbox/air/{key}", b"{}")
        return "upload-key", 3
    return prepare


def damaged_manifest(places, tmp_path):
    sealed(places)
    key = "inbox/air.firn/manifest"
    places.write(key, places.read(key).replace(b"firn-manifest 1", b"firn-manifest 9"))
    return "upload-manifest-damaged", 8


REFUSALS = {
    "unsealed": unsealed, "missing": missing, "truncated": truncated, "changed": changed, "changed-in-secret": changed_in_secret, "added": added,
    "dot-dot": hostile("../outside"), "double-slash": hostile("air.zarr//x"), "case": case_collision, "destination": destination_exists,
    "dataset": dataset_exists, "empty-store": no_variables, "manifest": damaged_manifest,
    "empty-consolidated": no_variables_by_consolidated, "seal-that-lies": lying_seal,
    "stale-v3": stale(3, lambda metadata: metadata.pop("flag")), "stale-shape": stale(3, shorter),
    "stale-v2": stale(2, lambda metadata: [metadata.pop(f"flag/{name}") for name in (".zarray", ".zattrs")]),
    "link-to-file": linked("air/file"), "link-to-folder": linked("air/folder"), "upload-is-a-link": linked("air"), "records-are-a-link": linked("air.firn"),
    "records-of-another": records_of_firn("b.firn/seal.json"), "records-in-capitals": records_of_firn(".FIRN/run.json"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_promotion_changes_nothing(places, tmp_path, name):
    write(tmp_path / "air.zarr")
    code, status = REFUSALS[name](places, tmp_path)
    before = places.digests()
    refused = places.firn("inbox", "promote", "inbox/air", "--to", "published", "--purge")
    assert (refused.code, refused.status) == (code, status), str(refused)
    assert well_formed_error(refused) == []
    assert places.digests() == before, "nothing was copied, moved or deleted"
    assert not places.firn("inbox", "review", "inbox/air").panicked


@pytest.mark.parametrize("key", ["../x", "a//b", "air.zarr/./c"])
def test_hostile_keys_in_a_bucket_are_refused_by_name(s3, bucket, tmp_path, key):
    places = BucketPlaces(tmp_path, s3, bucket)
    write(tmp_path / "air.zarr")
    places.firn("push", "air.zarr", "--to", "inbox/air", check=True)
    try:
        places.write(f"inbox/air/{key}", b"x")
        assert f"inbox/air/{key}" in places.keys()
    except AssertionError:
        pytest.skip("this server makes another key of it")
    before = places.digests()
    for words in (["seal", "inbox/air"], ["inbox", "promote", "inbox/air", "--to", "published"]):
        refused = places.firn(*words)
        assert (refused.code, refused.status) == ("upload-key", 3), str(refused)
    assert places.digests() == before
    assert places.firn("inbox", "review", "inbox/air").result["problems"][0]["code"] == "upload-key"


def test_an_unfinished_push_is_not_sealed(local, tmp_path):
    write(tmp_path / "air.zarr", steps=200)
    sent = local.root / "inbox/air/air.zarr"

    def an_object_arrived():
        # A temporary file is none yet: with nothing else there is no upload to seal.
        return any(not path.name.startswith(".firn-tmp") for path in sent.glob("air/c/*/*/*"))
    for _ in range(20):
        killed_when(["push", str(tmp_path / "air.zarr"), "--to", "inbox/air"], an_object_arrived, local.environment, cwd=local.directory)
        if not (sent / "zarr.json").exists():  # root documents go last
            break
        shutil.rmtree(local.root / "inbox", ignore_errors=True)
    refused = local.firn("seal", "inbox/air")
    assert (refused.code, refused.status) == ("upload-unfinished", 6), str(refused)
    local.firn("push", tmp_path / "air.zarr", "--to", "inbox/air", "--seal", check=True)


@pytest.mark.parametrize("same", [True, False], ids=["same-upload", "two-uploads"])
def test_of_two_admins_at_once_one_wins(places, tmp_path, same):
    write(tmp_path / "air.zarr", steps=150 if not places.remote else 20)
    write(tmp_path / "other.zarr", steps=150 if not places.remote else 20, seed=5)
    names = ["air", "air"] if same else ["air", "other"]
    for name in set(names):
        places.firn("push", f"{name}.zarr", "--to", f"inbox/{name}", "--seal", check=True)
    places.firn("config", "check", "published")
    inbox = {key: digest for key, digest in places.digests().items() if key.startswith("inbox/")}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda name: places.firn("inbox", "promote", f"inbox/{name}", "--to", "published/one"), names))
    winners = [answer for answer in answers if answer.status == 0]
    losers = [answer for answer in answers if answer.status == 6]
    # One that comes after the other has ended finds its own upload published.
    late = [answer for answer in winners if answer.result["already"]]
    assert len(winners) - len(late) == 1 and len(losers) + len(late) == 1, "\n".join(map(str, answers))
    assert same or not late
    won = names[answers.index(next(answer for answer in winners if answer not in late))]
    equal(places, "published/one/v1", xr.open_zarr(tmp_path / f"{won}.zarr"))
    assert {key: digest for key, digest in places.digests().items() if key.startswith("inbox/")} == inbox


def test_places_that_are_no_inbox_are_refused(local, tmp_path):
    write(tmp_path / "air.zarr")
    for words in (["push", "air.zarr", "--to", "published/x"], ["push", "air.zarr", "--to", "inbox"], ["push", "air.zarr", "--to", "/nowhere/x"],
                  ["push", "air.zarr", "--to", "inbox/x.firn"], ["inbox", "promote", "inbox/x", "--to", "inbox/y"]):
        answer = local.firn(*words)
        assert answer.status == 2 and well_formed_error(answer) == [], str(answer)
    assert local.firn("push", "air.zarr", "--token", "abc").status == 7
    assert local.firn("inbox", "invite").code == "verb-unsupported"


# ------------------------------------------------------------------ kills
def what_is_there(places, below, names):
    """Keys and digests below a prefix, without leases and without what names the time."""
    kept = {key: digest for key, digest in places.digests().items() if key.startswith(below) and "/leases/" not in key}
    return {key: digest for key, digest in kept.items() if not key.endswith(names)}


def kills(places, command, duration, check):
    wanted = int(KILLS or (2 if places.remote else 4))
    hits = 0
    for tries, seconds in enumerate(itertools.islice(moments(SEED, duration), 5 * wanted)):
        name = f"air{tries}"
        hits += killed_after(command(name), seconds, places.environment, cwd=places.directory)
        answer = places.firn(*command(name), timeout=250)
        assert answer.status == 0, f"killed after {seconds:.3f} of {duration:.3f} s: {answer}"
        check(name, answer)
        if hits == wanted:
            break
    print(f"{hits} of {tries + 1} kills hit a process that takes {duration:.2f} s")
    assert hits == wanted


def steps(places):
    return 40 if places.remote else 150


def test_a_push_survives_kills(places, tmp_path):
    source = write(tmp_path / "air.zarr", steps=steps(places))
    expected = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in source.rglob("*") if path.is_file()}

    def command(name):
        return ["push", str(source), "--to", f"inbox/{name}", "--seal"]
    places.firn(*command("warm"), check=True)
    started = time.monotonic()
    digest = places.firn(*command("reference"), check=True).result["digest"]
    duration = time.monotonic() - started

    def check(name, answer):
        sealed = answer.result["seal"]["seal"]
        assert (sealed["digest"], sealed["objects"]) == (digest, len(expected))
        below = f"inbox/{name}/"
        assert {key.removeprefix(below): places.read(key) for key in places.keys() if key.startswith(below)} == expected
    kills(places, command, duration, check)


@pytest.mark.parametrize("version", [2, 3])
def test_a_promotion_survives_kills(places, tmp_path, version):
    if places.remote and version == 2:
        pytest.skip("the same steps as on a disk")
    write(tmp_path / "air.zarr", version, False, steps=steps(places))
    source = xr.open_zarr(tmp_path / "air.zarr", consolidated=False)
    places.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)
    volatile = ("firn.json", "run.json", "promotion.json")

    def command(name):
        return ["inbox", "promote", "inbox/air", "--to", f"published/{name}"]
    places.firn(*command("warm"), check=True)
    started = time.monotonic()
    places.firn(*command("reference"), check=True)
    duration = time.monotonic() - started

    def there(name):
        below = f"published/{name}/"
        return {key.removeprefix(below): digest for key, digest in what_is_there(places, below, volatile).items()}
    expected = there("reference")

    def check(name, _answer):
        assert there(name) == expected
        assert not [key for key in places.keys() if key.startswith(f"published/{name}/") and ("/runs/" in key or ".firn-tmp" in key)]
        equal(places, f"published/{name}/v1", source)
    kills(places, command, duration, check)


def test_a_purge_survives_kills(local, tmp_path):
    source = write(tmp_path / "air.zarr", steps=40)
    command = ["inbox", "promote", "inbox/air", "--to", "published", "--purge"]

    def prepare():
        shutil.rmtree(local.root, ignore_errors=True)
        local.firn("push", source, "--to", "inbox/air", "--seal", check=True)
        local.firn("inbox", "promote", "inbox/air", "--to", "published", check=True)
        return local.keys()

    def left():
        # Folders vanish while they are walked, which os.walk takes for empty ones.
        return sum(len(files) for _, _, files in os.walk(local.root / "inbox"))
    prepare()
    most = left()
    wanted, cut_short = int(KILLS or 4), 0
    # By what is gone, not by time: a purge is short beside the start of a process, and most moments would miss it.
    for number, gone in enumerate(itertools.cycle([1, most // 3, 2 * most // 3, most - 1])):
        prepare()
        killed_when(command, lambda gone=gone: left() <= most - gone, local.environment, cwd=local.directory)
        cut_short += 0 < left() < most
        assert local.firn(*command, check=True).result["purged"]
        assert not [key for key in local.keys() if key.startswith("inbox/")]
        if cut_short >= wanted or number == 5 * wanted:
            break
    print(f"{cut_short} of {number + 1} kills left a part of the upload")
    assert cut_short >= min(wanted, 2)
    equal(local, "published/air/v1", xr.open_zarr(source))


def test_a_reader_never_sees_a_partial_store(local, tmp_path):
    """At each moment of a promotion the root is not there, or all of the store is."""
    write(tmp_path / "air.zarr", steps=150)
    local.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)
    wanted = len([path for path in (tmp_path / "air.zarr").rglob("*") if path.is_file()])
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(local.firn, "inbox", "promote", "inbox/air", "--to", "published")
        root = local.root / "published/air/v1"
        while not running.done():
            if (root / "zarr.json").exists():
                assert len([path for path in root.rglob("*") if path.is_file() and not any(part.startswith(".firn") for part in path.parts)]) == wanted
                assert "consolidated_metadata" in (root / "zarr.json").read_text()
        assert running.result().status == 0


def test_between_a_disk_and_a_bucket(s3, bucket, tmp_path):
    """From an inbox on a disk to a bucket, and back."""
    env = environment(**s3.environment)
    write(tmp_path / "air.zarr")
    to_bucket = Places(tmp_path, tmp_path / "inbox", f"s3://{bucket}/published", env)
    to_bucket.firn("push", "air.zarr", "--to", "inbox/air", "--seal", check=True)
    to_bucket.firn("inbox", "promote", "inbox/air", "--to", "published", check=True)
    bucket_place = Bucket(s3, bucket)
    xr.testing.assert_identical(xr.open_zarr(bucket_place.zarr("published/air/v1"), consolidated=True).load(), dataset().load())
    other = tmp_path / "other"
    other.mkdir()
    to_disk = Places(other, f"s3://{bucket}/inbox", other / "published", env)
    to_disk.firn("push", f"s3://{bucket}/published/air/v1", "--to", "inbox/back", "--seal", check=True)
    to_disk.firn("inbox", "promote", "inbox/back", "--to", "published", check=True)
    xr.testing.assert_identical(xr.open_zarr(other / "published/back/v1", consolidated=True).load(), dataset().load())
