"""A real `firn serve` over a catalog of stores, as tests and guides start it."""
import contextlib
import http.client
import json
import pathlib
import signal
import subprocess
import urllib.parse

import yaml

from .binary import binary, environment, firn


def feedstock(directory, stores):
    """A feedstock of these stores: their entries as in `catalog.yaml`, by id."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "meta.yaml").write_text(yaml.safe_dump({
        "title": "Stores of all kinds", "description": "What the gateway serves.", "recipes": [],
        "provenance": {"providers": [{"name": "firn contributors", "roles": ["producer"], "url": "https://example.org"}], "license": "CC0-1.0"},
        "maintainers": [{"name": "firn contributors"}]}))
    entries = [{"id": name} | ({"url": str(entry)} if isinstance(entry, (str, pathlib.Path)) else entry) for name, entry in stores.items()]
    (directory / "catalog.yaml").write_text(yaml.safe_dump({"meta_yaml_url": "meta.yaml", "stores": entries}))
    return directory


def catalog(directory, stores):
    """A built catalog of these stores; the id of a dataset is `all.<id of the store>`."""
    directory = pathlib.Path(directory)
    stock = feedstock(directory / "all", stores)
    answer = firn("catalog", "build", stock, "--out", directory / "catalog")
    assert (directory / "catalog/firn-catalog.json").exists(), str(answer)
    return directory / "catalog"


class Gateway:
    """`firn serve` of a catalog, until it is stopped."""

    def __init__(self, directory, *words, **variables):
        command = [binary(), "serve", "--catalog", str(directory), "--listen", "127.0.0.1:0", "-o", "json", *map(str, words)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(**variables))
        line = self.process.stdout.readline()
        if not line or not json.loads(line)["ok"]:
            raise AssertionError(f"the server did not start: {line}{self.process.communicate()[1]}")
        self.serving = json.loads(line)["result"]
        self.url = f"http://{self.serving['address']}"

    def dataset(self, name, version=None):
        return f"{self.url}/d/{name}{'@' + version if version else ''}"

    def get(self, path, method="GET", **headers):
        """The raw answer: the path is sent as it is."""
        address = urllib.parse.urlsplit(self.url)
        with contextlib.closing(http.client.HTTPConnection(address.hostname, address.port, timeout=60)) as connection:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            answer = connection.getresponse()
            return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            _, errors = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, errors

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()


class Response:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def error(self):
        return json.loads(self.body)["error"]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:500]!r}"
