"""The five datasets of `firn demo`: each opens through the gateway with xarray, zarr and fsspec[http] alone, and with its native lines
without any process of firn, also as the static pages print them. Values are those of the source, opened with xarray."""
import functools
import html
import importlib.metadata
import pickle
import re
import subprocess
import sys
import urllib.request

import pytest
import xarray as xr
from support import compare
from support.binary import TESTDATA, environment, firn
from support.gateway import Gateway
from test_demo_snippets import as_readers_do, opened

SOURCES = {"uv300": "netcdf3/uv300.nc", "ostia": "netcdf4/ostia_monthly.nc", "air": "netcdf4/air.nc", "soi": "netcdf4/SOI_Darwin.nc"}
IDS = ["nemo", *SOURCES]
OPEN = """
import pickle, sys, warnings
warnings.simplefilter("ignore")
import xarray as xr
url, out, options = sys.argv[1], sys.argv[2], eval(sys.argv[3])
found = {
    "as it is": lambda: xr.open_zarr(url, **options),
    "not consolidated": lambda: xr.open_zarr(url, consolidated=False, **options),
    "a tree": lambda: xr.open_datatree(url, engine="zarr", **options).to_dataset(),
}
pickle.dump({name: open_it().load() for name, open_it in found.items()}, open(out, "wb"))
"""


@functools.cache
def source(name):
    if name == "nemo":
        return as_readers_do(sorted((TESTDATA / "nemo").glob("*.nc")), "time_counter")
    return compare.open_source(TESTDATA / SOURCES[name], "/")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo") / "here"
    return directory, {dataset["id"]: dataset for dataset in firn("demo", directory, "--no-serve", check=True).result["datasets"]}


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A Python with xarray, zarr and fsspec[http], in the versions of the tests, and what these need; nothing else."""
    directory = tmp_path_factory.mktemp("reader")
    versions = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
    (directory / "versions.txt").write_text("".join(f"{name}=={version}\n" for name, version in sorted(versions.items()) if name not in ("pip", "setuptools")))
    subprocess.run([sys.executable, "-m", "venv", directory / "venv"], check=True)
    python = directory / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", directory / "versions.txt", "xarray", "zarr", "fsspec[http]"], check=True)
    lacks = subprocess.run([python, "-c", "import icechunk"], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in lacks.stderr
    return python


def differences(name, data):
    return compare.decoded_differences("/", source(name), data)[0]


def test_there_is_one_of_each_kind(demo):
    _, datasets = demo
    assert {name: (found["storage"], found["store"].rsplit("/", 3)[1:]) for name, found in datasets.items()} == {
        "uv300": ("linked", ["here", "elsewhere", "uv300.zarr"]), "nemo": ("virtual", ["here", "published", "nemo"]),
        "ostia": ("copied", ["published", "ostia", "v1"]), "air": ("virtual", ["sources", "air", "air.json"]), "soi": ("promoted", ["published", "soi", "v1"])}
    directory, _ = demo
    assert (directory / "elsewhere/uv300.zarr/.zmetadata").exists() and (directory / "published/nemo/refs").is_dir()
    assert "sharding_indexed" in (directory / "published/ostia/v1/surface_temperature/zarr.json").read_text()
    assert all(found["verified"] > 0 for name, found in datasets.items() if name != "uv300")


@pytest.mark.parametrize("name", IDS)
def test_the_gateway_needs_only_xarray_zarr_and_fsspec(demo, reader, tmp_path, name):
    directory, _ = demo
    # xarray itself needs cftime for dates of 360-day years; without it, times stay numbers.
    options = {"decode_times": False} if name == "nemo" else {}
    with Gateway(directory / "catalog") as gateway:
        run = subprocess.run([reader, "-c", OPEN, gateway.dataset(name), tmp_path / "out", repr(options)], capture_output=True, text=True, cwd=tmp_path, env=environment(), timeout=120, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    for way, data in pickle.loads((tmp_path / "out").read_bytes()).items():
        data = xr.decode_cf(data) if options else data
        assert differences(name, data) == [], way


@pytest.mark.parametrize("name", IDS)
def test_native_lines_need_no_process_of_firn(demo, tmp_path, name):
    _, datasets = demo
    assert differences(name, opened(datasets[name]["native"]["code"], tmp_path)) == []


@pytest.mark.parametrize("name", IDS)
def test_the_lines_of_the_static_pages_are_those(demo, serve, tmp_path, name):
    directory, datasets = demo
    with serve(directory / "catalog") as site:
        with urllib.request.urlopen(f"{site.url}/datasets/{name}/index.html", timeout=30) as answer:
            page = answer.read().decode()
        lines = [html.unescape(found) for found in re.findall(r"<pre><code>(.*?)</code></pre>", page, re.DOTALL)]
        assert datasets[name]["native"]["code"].strip() in [found.strip() for found in lines]
        for number, found in enumerate(lines):
            (tmp_path / str(number)).mkdir()
            assert differences(name, opened(found, tmp_path / str(number))) == []


def test_the_printed_commands_do_the_same(demo, tmp_path):
    """Each in a second demo's folder, from which what the first commands made was removed."""
    import shlex
    import shutil
    directory = tmp_path / "again"
    datasets = firn("demo", directory, "--no-serve", check=True).result["datasets"]
    for folder in ("published", "inbox", "producer"):
        shutil.rmtree(directory / folder)
        if folder != "producer":
            (directory / folder).mkdir()
    (directory / "sources/air/air.json").unlink()
    shutil.rmtree(directory / ".state", ignore_errors=True)
    for catalog in directory.glob("feedstocks/*/catalog.yaml"):
        catalog.write_text("type: produced\nstores: []\n")
    for dataset in datasets:
        assert dataset["commands"]
        for command in dataset["commands"]:
            words = shlex.split(command)
            assert words[0] == "firn"
            firn(*words[1:], cwd=directory, check=True)
        assert differences(dataset["id"], opened(dataset["native"]["code"], tmp_path)) == []


def test_settings_of_somebody_are_never_replaced(tmp_path):
    (tmp_path / "firn.toml").write_text('[locations.mine]\nurl = "s3://b/p"\n')
    answer = firn("demo", tmp_path, "--no-serve")
    assert answer.status == 6 and answer.error["code"] == "folder-in-use", answer
    assert (tmp_path / "firn.toml").read_text() == '[locations.mine]\nurl = "s3://b/p"\n'
    assert [path.name for path in tmp_path.iterdir()] == ["firn.toml"]
