"""`firn run` with `format: kerchunk-json`: versions that are files of references, written once, named by `firn.json`."""
import json
import os
import shutil

import pytest
import xarray as xr
import yaml
from support.binary import TESTDATA, environment, firn
from support.gateway import Gateway
from support.runs import feedstock, killed_after, moments, write_recipe

KILLS = int(os.environ.get("KILLS", 4))
SEED = int(os.environ.get("SEED", 7))


def references(path):
    return xr.open_zarr("reference://", consolidated=False, storage_options={"fo": str(path), "remote_protocol": "file"}).load()


def joined(months):
    parts = [xr.open_dataset(month) for month in months]
    return xr.concat(parts, dim="time", data_vars="minimal", coords="minimal", compat="override", join="override").load()


def same(months, data):
    source = joined(months)
    assert set(source.variables) == set(data.variables)
    for name in source.variables:
        xr.testing.assert_equal(source[name].variable, data[name].variable)


def recipe(months, **target):
    return {"id": "ostia", "source": {"files": [month.as_uri() for month in months], "dims": {"time": {"concat": True}}}, "target": {"format": "kerchunk-json"} | target}


def keys(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_each_run_of_other_sources_is_another_version(tmp_path, months):
    stock = feedstock(tmp_path / "stock", months[:3], format="kerchunk-json")
    target = tmp_path / "out"
    plan = firn("plan", stock, check=True).result["recipes"][0]
    assert plan["strategy"]["format"] == "kerchunk-json" and plan["strategy"]["name"] == "virtualize"
    first = firn("run", stock, "--target", target, check=True).result["recipes"][0]
    assert first["build"]["store"] == str(target / "v1/references.json") and first["build"]["version"] == "v1"
    assert firn("run", stock, "--target", target, check=True).result["recipes"][0]["build"]["up_to_date"]
    write_recipe(stock, recipe(months[:4]))
    second = firn("run", stock, "--target", target, check=True).result["recipes"][0]
    assert second["build"]["version"] == "v2" and keys(target) == ["firn.json", "v1/references.json", "v2/references.json"]
    document = json.loads((target / "firn.json").read_text())
    assert (document["format"], document["current"], [version["version"] for version in document["versions"]]) == ("kerchunk-json", "v2", ["v1", "v2"])
    same(months[:3], references(target / "v1/references.json"))
    same(months[:4], references(target / "v2/references.json"))
    entry = yaml.safe_load((stock / "catalog.yaml").read_text())["stores"][0]
    assert (entry["mode"], entry["url"]) == ("kerchunk", str(target / "v2/references.json"))
    assert firn("verify", target, "--against", stock, "--full", check=True).result["ok"]
    assert firn("inspect", target, check=True).result["files"][0]["inspected"]["url"] == str(target / "v2/references.json")
    firn("catalog", "build", stock, "--out", tmp_path / "catalog", check=True)
    with Gateway(tmp_path / "catalog", FIRN_REFERENCES=str(months[0].parent)) as gateway:
        for version, count in [(None, 4), ("v2", 4), ("v1", 3)]:
            same(months[:count], xr.open_zarr(gateway.dataset(second["id"], version)).load())


def test_a_run_survives_kills_and_readers_see_none_or_all(tmp_path, months):
    stock = feedstock(tmp_path / "stock", months, format="kerchunk-json")
    target, command = tmp_path / "out", ["run", stock, "--target", tmp_path / "out", "--no-write"]
    hits, half = 0, 0
    for seconds, _ in zip(moments(SEED, 0.5), range(10 * KILLS)):
        shutil.rmtree(target, ignore_errors=True)
        if killed_after(command, seconds, environment()):
            hits += 1
            half += target.exists() and not (target / "firn.json").exists()
            if (target / "v1/references.json").exists():
                same(months, references(target / "v1/references.json"))
        assert firn(*command, check=True).result["recipes"][0]["build"]["published"]
        assert keys(target) == ["firn.json", "v1/references.json"]
        same(months, references(target / "v1/references.json"))
        if hits >= KILLS and half:
            break
    print(f"{hits} kills, {half} in the middle")
    assert hits >= min(KILLS, 2)


@pytest.mark.parametrize("stopped", ["before it named the version", "before it cleared away", "while it cleared away"])
def test_what_was_published_is_named_and_cleared_by_the_same_command(tmp_path, months, stopped):
    stock = feedstock(tmp_path / "stock", months[:3], format="kerchunk-json")
    target = tmp_path / "out"
    work, kept = target / "v1/references.json.firn", tmp_path / "kept"
    firn("run", stock, "--target", target, "--task-range", "1/2", check=True)
    assert keys(target) and not (target / "v1/references.json").exists()
    shutil.copytree(work, kept)
    firn("run", stock, "--target", target, check=True)
    body = (target / "v1/references.json").read_bytes()
    assert not work.exists()
    shutil.copytree(kept, work)
    if stopped == "before it named the version":
        (target / "firn.json").unlink()
    if stopped == "while it cleared away":
        for path in work.rglob("*"):
            if path.is_file() and path.name != "run.json":
                path.unlink()
    report = firn("run", stock, "--target", target, check=True).result["recipes"][0]["build"]
    assert report["up_to_date"] and report["version"] == "v1"
    assert keys(target) == ["firn.json", "v1/references.json"] and (target / "v1/references.json").read_bytes() == body


def test_an_unfinished_run_is_given_up_and_passed_over(tmp_path, months):
    stock = feedstock(tmp_path / "stock", months[:3], format="kerchunk-json")
    target = tmp_path / "out"
    firn("run", stock, "--target", target, "--task-range", "1/2", check=True)
    write_recipe(stock, recipe(months[:4]))
    other = firn("run", stock, "--target", target, check=True).result["recipes"][0]["build"]
    assert other["version"] == "v2" and "other-run" in [noted["code"] for noted in other["noted"]]
    removed = firn("run", stock, "--target", target, "--abandon", check=True).result["recipes"][0]["removed"]
    assert len(removed) == 1 and removed[0].rstrip("/").endswith("out/v1")
    assert keys(target) == ["firn.json", "v2/references.json"]
    same(months[:4], references(target / "v2/references.json"))


def test_formats_do_not_mix_in_one_place(tmp_path, months):
    stock = feedstock(tmp_path / "stock", months[:3], format="kerchunk-json")
    target = tmp_path / "out"
    firn("run", stock, "--target", target, check=True)
    before = keys(target)
    for other in ("zarr3", "icechunk"):
        write_recipe(stock, recipe(months[:3], format=other))
        answer = firn("run", stock, "--target", target)
        assert (answer.status, answer.code) == (6, "target-not-empty"), str(answer)
    assert keys(target) == before
    for other in ("zarr3", "icechunk"):
        write_recipe(stock, recipe(months[:3], format=other))
        firn("run", stock, "--target", tmp_path / other, check=True)
        write_recipe(stock, recipe(months[:3]))
        answer = firn("run", stock, "--target", tmp_path / other)
        assert (answer.status, answer.code) == (6, "target-not-empty"), str(answer)
    # An unfinished run of another format holds its version, too.
    write_recipe(stock, recipe(months[:3], format="zarr3"))
    firn("run", stock, "--target", tmp_path / "half", "--task-range", "1/2", check=True)
    write_recipe(stock, recipe(months[:3]))
    assert firn("run", stock, "--target", tmp_path / "half", check=True).result["recipes"][0]["build"]["version"] == "v2"


@pytest.mark.parametrize(("more", "code"), [({"strategy": "transform"}, "recipe-copy-kerchunk"), ({"target": {"format": "kerchunk-json", "chunks": {"time": 3}}}, "recipe-virtual-chunks")])
def test_a_file_of_references_holds_no_copies(tmp_path, months, more, code):
    stock = feedstock(tmp_path / "stock", months[:2], format="kerchunk-json")
    write_recipe(stock, recipe(months[:2]) | more)
    answer = firn("run", stock, "--target", tmp_path / "out")
    assert (answer.status, answer.code) == (3, code) and not (tmp_path / "out").exists(), str(answer)


def test_what_cannot_be_references_is_refused(tmp_path):
    stock = feedstock(tmp_path / "stock", [], format="kerchunk-json")
    write_recipe(stock, recipe([TESTDATA / "hdf5_hostile/bad_nbit_params.h5"]))
    answer = firn("run", stock, "--target", tmp_path / "out")
    assert answer.status == 7 and not (tmp_path / "out").exists(), str(answer)
