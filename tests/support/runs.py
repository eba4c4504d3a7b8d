"""What the tests of runs share: places that stores go to, a feedstock of many small files, and processes that are killed."""
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import yaml

from . import compare, fingerprint
from .binary import binary, environment

SMALL_CHUNKS = {"time": 1, "latitude": 6, "longitude": 36}


def feedstock(directory, months, **target):
    """A feedstock of these files; `target` is that of its recipe."""
    directory.mkdir()
    recipe = {"id": "ostia", "source": {"files": [m.as_uri() for m in months], "dims": {"time": {"concat": True}}}, "target": target}
    write_recipe(directory, recipe)
    (directory / "meta.yaml").write_text(yaml.safe_dump({
        "title": "OSTIA months", "description": "Sea surface temperature.", "recipes": [{"id": "ostia"}], "maintainers": [{"name": "firn contributors"}],
        "provenance": {"providers": [{"name": "Met Office", "roles": ["producer"]}], "license": "OGL-UK-3.0"}}))
    (directory / "catalog.yaml").write_text("meta_yaml_url: meta.yaml\nstores: []\n")
    return directory


def write_recipe(directory, recipe):
    (directory / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [recipe]}))


def read_recipe(directory):
    return yaml.safe_load((directory / "recipe.yaml").read_text())["recipes"][0]


# ------------------------------------------------------------------ places
class Local:
    """Targets below a directory."""

    def __init__(self, root):
        self.root, self.environment = pathlib.Path(root), environment()

    def url(self, name):
        return str(self.root / name)

    def read(self, key):
        try:
            return (self.root / key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def keys(self, name):
        """Everything below, also what no listing of firn shows; empty directories end with a slash. Directories may vanish
        meanwhile: `os.walk` passes over them."""
        root, keys = self.root / name, set()
        for directory, folders, files in os.walk(root):
            below = pathlib.Path(directory).relative_to(root)
            keys |= {(below / file).as_posix() for file in files}
            if not folders and not files and directory != str(root):
                keys.add(f"{below.as_posix()}/")
        return keys

    def zarr(self, name):
        return str(self.root / name)

    def icechunk(self, name):
        return compare.icechunk_session(self.root / name)


class Bucket:
    """Targets in a bucket."""

    def __init__(self, s3, bucket):
        self.s3, self.bucket, self.environment, self.client = s3, bucket, environment(**s3.environment), s3.client()

    def url(self, name):
        return f"s3://{self.bucket}/{name}"

    def read(self, key):
        try:
            return self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except self.client.exceptions.NoSuchKey:
            return None

    def keys(self, name):
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=f"{name}/")
        return {item["Key"].removeprefix(f"{name}/") for page in pages for item in page.get("Contents", [])}

    def zarr(self, name):
        return self.s3.zarr_store(self.bucket, name)

    def icechunk(self, name):
        return compare.icechunk_session(None, self.s3.icechunk_storage(self.bucket, name))


# ------------------------------------------------------------------ kinds of stores
class Zarr:
    """A plain Zarr store: `store` is where it lies below the target."""
    chunks = staticmethod(lambda keys: {key for key in keys if "/c/" in key or key.endswith("/c")})

    def __init__(self, store):
        self.store = store

    def path(self, name):
        return f"{name}/{self.store}".rstrip("/")

    def look(self, place, name):
        """What a reader finds wrong with the store, `None` where there is no root."""
        path = self.path(name)
        root = place.read(f"{path}/zarr.json")
        if root is None:
            return None
        objects = dict.fromkeys(place.keys(path), b"") | {"zarr.json": root, ".firn/ledger": place.read(f"{path}/.firn/ledger") or b""}
        return fingerprint.missing_chunks(objects)

    def fingerprint(self, place, name):
        path = self.path(name)
        return fingerprint.of_objects({key: place.read(f"{path}/{key}") for key in place.keys(path) if not key.endswith("/")})

    def reader(self, place, name):
        return place.zarr(self.path(name))


class Icechunk:
    """An Icechunk repository, spec v1: what `main` names may be the initial snapshot or the whole one."""
    chunks = staticmethod(lambda keys: {key for key in keys if key.startswith("chunks/")})

    def look(self, place, name):
        if (place.read(f"{name}/refs/branch.main/ref.json")) is None:
            return None
        seen = self.fingerprint(place, name)
        if not seen or set(seen) == {"zarr.json"}:
            return None
        return [] if seen == self.expected else ["main names a partial store"]

    expected = None

    def fingerprint(self, place, name):
        return fingerprint.of_icechunk(place.icechunk(name))

    def reader(self, place, name):
        return place.icechunk(name)


class Poller(threading.Thread):
    """Opens the root as a reader would, again and again: no store, or the whole store, and once it is there it stays."""

    def __init__(self, kind, place, name, pause):
        super().__init__(daemon=True)
        self.kind, self.place, self.name_of_store, self.pause = kind, place, name, pause
        self.stopped, self.polls, self.findings, self.seen = threading.Event(), 0, [], False

    def run(self):
        while not self.stopped.wait(self.pause):
            self.polls += 1
            try:
                found = self.kind.look(self.place, self.name_of_store)
            except Exception as error:
                # A poller that died would find nothing any more.
                self.findings.append(f"the reader failed: {error!r}")
                return
            if found is None:
                if self.seen:
                    self.findings.append("the store was there and is not any more")
                continue
            self.seen = True
            self.findings += found
            if found:
                return

    def finish(self):
        self.stopped.set()
        self.join(60)
        return self.findings


# ------------------------------------------------------------------ processes
def start(command, env, **options):
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([binary(), *map(str, command)], env=env, **quiet | options)


def killed_after(command, seconds, env, **options):
    """Starts the command and kills it after so many seconds; whether it died of that."""
    process = start(command, env, **options)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def killed_when(command, condition, env, number=signal.SIGKILL, **options):
    """Starts the command and kills it as soon as the condition holds; its exit status."""
    process = start(command, env, **options)
    while process.poll() is None and not condition():
        time.sleep(0.0002)
    process.send_signal(number)
    return process.wait(120)


def moments(seed, duration):
    chance = random.Random(seed)
    while True:
        yield chance.uniform(0, duration)


def record(place, path):
    body = place.read(f"{path}/.firn/run.json")
    return json.loads(body) if body else None
