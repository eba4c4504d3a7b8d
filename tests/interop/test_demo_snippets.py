"""`firn demo`: every printed native line, run in plain Python, shows values equal to the bundled source opened with xarray."""
import json
import pathlib
import pickle
import subprocess
import sys
import time

import pytest
import xarray as xr
from support import compare
from support.binary import TESTDATA, environment, firn

PICKLE = """
import pickle, sys, warnings
warnings.simplefilter("ignore")
import xarray as xr
space = {}
exec(compile(sys.stdin.read(), "snippet", "exec"), space)  # plain, as a reader would paste it
found = [v for k, v in space.items() if isinstance(v, xr.Dataset) and not k.startswith("_")]
assert len(found) == 1, f"the snippet binds {len(found)} datasets"
pickle.dump(found[0].load(), open(sys.argv[1], "wb"))
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo") / "here"
    started = time.monotonic()
    answer = firn("demo", directory, "--no-serve", check=True)
    return {"directory": directory, "seconds": time.monotonic() - started, "result": answer.result, "answer": answer}


def snippets(value, found=None):
    """Every native snippet of the result, by dataset id, wherever the result keeps it."""
    found = {} if found is None else found
    if isinstance(value, dict):
        native = value.get("native") or value.get("snippet")
        if isinstance(native, dict):
            native = native.get("native") or native.get("python") or native.get("code")
        if isinstance(native, str) and value.get("id"):
            found[value["id"]] = native
        for child in value.values():
            snippets(child, found)
    elif isinstance(value, list):
        for child in value:
            snippets(child, found)
    return found


def opened(snippet, directory):
    """The dataset that a snippet opens, in a fresh Python started elsewhere."""
    out = directory / "opened.pickle"
    run = subprocess.run([sys.executable, "-c", PICKLE, str(out)], input=snippet, text=True, capture_output=True, cwd=directory, env=environment(), timeout=120)
    assert run.returncode == 0, f"{snippet}\n{run.stderr[-2000:]}"
    return pickle.loads(out.read_bytes())


def as_readers_do(files, dim):
    """Several files joined with xarray's default decoding."""
    parts = [compare.open_source(f, "/") for f in files]
    return xr.concat(parts, dim=dim, data_vars="minimal", coords="minimal", compat="override", join="override", combine_attrs="drop_conflicts")


def sources():
    """What may have been bundled: single files, and the three months joined."""
    yield "nemo", as_readers_do(sorted((TESTDATA / "nemo").glob("*.nc")), "time_counter")
    for path in sorted((TESTDATA / "netcdf4").glob("*.nc")) + sorted((TESTDATA / "netcdf3").iterdir()):
        try:
            yield path.name, compare.open_source(path, "/")
        except compare.SourceUnreadable:
            continue


def test_it_takes_seconds_and_needs_no_network(demo):
    assert demo["seconds"] < 15


def test_there_are_a_virtual_icechunk_and_a_transformed_zarr(demo):
    found = snippets(demo["result"])
    assert len(found) >= 2, json.dumps(demo["result"])[:2000]
    assert any("icechunk" in s for s in found.values()) and any("open_zarr" in s and "icechunk" not in s for s in found.values()), found


def test_each_snippet_shows_the_values_of_its_source(demo, tmp_path):
    candidates = dict(sources())
    for name, snippet in snippets(demo["result"]).items():
        data = opened(snippet, tmp_path)
        fitting = {key: source for key, source in candidates.items() if set(source.data_vars) == set(data.data_vars) and len(source.data_vars)}
        assert fitting, f"{name}: no bundled source has the variables {sorted(data.data_vars)}"
        reasons = {}
        for key, source in fitting.items():
            reasons[key] = compare.decoded_differences("/", source, data)[0]
        assert [] in reasons.values(), f"{name}: {snippet}\n{reasons}"


def test_the_text_prints_the_same_lines(demo, tmp_path):
    answer = firn("demo", tmp_path / "again", "--no-serve", "-o", "text")
    assert answer.status == 0, str(answer)
    said = " ".join(answer.stdout.split())
    for snippet in snippets(demo["result"]).values():
        relocated = snippet.replace(str(demo["directory"]), str(tmp_path / "again"))
        missing = [line for line in relocated.splitlines() if line.strip() and " ".join(line.split()) not in said]
        assert missing == [], answer.stdout


def test_the_directory_is_never_overwritten(demo):
    before = {p: p.stat().st_mtime_ns for p in pathlib.Path(demo["directory"]).rglob("*") if p.is_file()}
    firn("demo", demo["directory"], "--no-serve")
    after = {p: p.stat().st_mtime_ns for p in before if p.exists()}
    changed = [str(p) for p in before if after.get(p) != before[p] and "/c/" in str(p)]
    assert changed == []


def test_the_catalog_of_the_demo_tests_its_own_snippets(demo):
    catalogs = [p for p in pathlib.Path(demo["directory"]).rglob("catalog.json")]
    assert catalogs, "the demo builds a catalog"
