"""What somebody does who has read no documentation: mistakes that must be refused, and said rightly."""
import http.server
import os
import pathlib
import shlex
import shutil
import tempfile
import threading

import pytest
import yaml
from support.binary import TESTDATA, environment, firn

META = """title: Air temperature
description: Monthly air temperature.
maintainers: [{name: Somebody, github: somebody}]
provenance: {providers: [{name: Somebody, roles: [host]}], license: CC0-1.0}
"""
AIR = TESTDATA / "netcdf4/air.nc"


def feedstock(folder, recipe, **documents):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [recipe]}, sort_keys=False))
    for name, text in documents.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_a_dataset_without_anything_never_replaces_one(tmp_path):
    files = tmp_path / "files.txt"
    files.write_text(f"{AIR}\n")
    stock = feedstock(tmp_path / "stock", {"id": "air", "source": {"list": "../files.txt"}, "target": {"format": "zarr3"}})
    target = tmp_path / "out"
    firn("run", stock, "--target", target, check=True)
    before = (target / "firn.json").read_bytes()
    files.write_text("# the command that lists them failed\n")
    answer = firn("run", stock, "--target", target)
    assert (answer.status, answer.code) == (4, "sources-empty"), str(answer)
    assert (target / "firn.json").read_bytes() == before


def test_sources_without_a_variable_are_not_stored(tmp_path):
    import h5py
    source = tmp_path / "attributes.nc"
    with h5py.File(source, "w") as file:
        file.attrs["title"] = "nothing else"
    for verb in ("transform", "virtualize"):
        answer = firn(verb, source, "--target", tmp_path / verb)
        assert (answer.status, answer.code) == (7, "unsupported-no-variable"), str(answer)
        assert not (tmp_path / verb).exists()


def test_a_source_that_was_replaced_by_an_older_file_is_noticed(tmp_path):
    import os
    source, target = tmp_path / "air.nc", tmp_path / "air.ic"
    shutil.copy(AIR, source)
    firn("virtualize", source, "--target", target, check=True)
    assert firn("verify", target).status == 0
    shutil.copy(TESTDATA / "netcdf4/ostia_monthly.nc", source)
    os.utime(source, (1_577_836_800, 1_577_836_800))
    answer = firn("verify", target)
    assert answer.status == 10 and "earlier" in answer.stdout, str(answer)
    answer = firn("transform", target, "--target", tmp_path / "copy")
    assert (answer.status, answer.code) == (8, "source-stale"), str(answer)


def test_addresses_are_not_taken_for_names_of_folders(tmp_path):
    stock = feedstock(tmp_path / "stock", {"id": "air", "source": {"files": [str(AIR)]}}, catalog="stores: []\n", meta=META)
    place = tmp_path / "cwd"
    place.mkdir()
    for address in ("s3://bucket/x", "http://127.0.0.1:9/x"):
        for words in (
            ["init", address], ["demo", address], ["plan", AIR, "--write", address], ["run", address],
            ["catalog", "build", stock, "--out", address], ["link", AIR, "--feedstock", address],
        ):
            answer = firn(*words, cwd=place)
            assert (answer.status, answer.code) == (7, "folder-not-local"), str(answer)
    assert not list(place.iterdir())
    for number, words in enumerate((["init", "{}"], ["plan", AIR, "--write", "{}"], ["catalog", "build", stock, "--out", "{}"])):
        firn(*(str(word).format(f"file://{tmp_path}/made%20{number}") for word in words), cwd=place, check=True)
        assert (tmp_path / f"made {number}").is_dir() and not list(place.iterdir())


def test_feedstocks_are_found_by_file_urls_and_names_of_locations(tmp_path):
    stock = feedstock(tmp_path / "stock", {"id": "air", "source": {"files": [str(AIR)]}}, catalog="stores: []\n")
    (tmp_path / "firn.toml").write_text(f'[locations.lab]\nurl = "{tmp_path}"\n')
    for number, address in enumerate((f"file://{stock}", "lab:stock")):
        assert firn("plan", address, cwd=tmp_path, check=True).result["kind"] == "feedstock"
        firn("run", address, "--target", tmp_path / f"out{number}", cwd=tmp_path, check=True)
    firn("init", "lab:new", cwd=tmp_path, check=True)
    assert (tmp_path / "new/meta.yaml").exists()


class Answers(http.server.BaseHTTPRequestHandler):
    """The same answer on every path, by the first part of it."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, body = {"html": (200, b"<!DOCTYPE html><title>Login please</title>"), "empty": (200, b"")}.get(self.path.split("/")[1], (404, b""))
        if self.path.startswith("/401/"):
            status = 401
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def answers():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.mark.parametrize("query", ["", "?a=1"])
def test_a_page_on_every_path_is_not_a_damaged_store(answers, query):
    for place, words in (("html", "HTML page"), ("empty", "empty")):
        for verb in ("inspect", "verify", "plan"):
            answer = firn(verb, f"{answers}/{place}/x.nc{query}")
            assert answer.code == "not-an-array-file" and words in answer.error["what"], str(answer)
            assert "zarr.json" not in answer.stdout, str(answer)


def test_what_is_not_there_is_not_found_also_with_a_query(answers, tmp_path):
    for words in (["inspect"], ["plan"], ["transform", "--target", tmp_path / "x"]):
        answer = firn(words[0], f"{answers}/gone/x.nc?a=1", *words[1:])
        assert (answer.status, answer.code) == (4, "source-not-found"), str(answer)


@pytest.fixture
def denied():
    """A folder that may be read and not written, and how to run firn as somebody to whom that applies."""
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    nobody = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}

    def run(*words):
        (folder / "readonly").chmod(0o555)
        return firn(*words, cwd=folder, process=nobody, env=environment(HOME=folder / "free"))
    (folder / "readonly").mkdir()
    (folder / "free").mkdir()
    (folder / "free").chmod(0o777)
    shutil.copy(AIR, folder / "air.nc")
    yield folder, run
    (folder / "readonly").chmod(0o755)
    shutil.rmtree(folder, ignore_errors=True)


def test_what_may_not_be_written_is_denied(denied):
    folder, run = denied
    stock = feedstock(folder / "stock", {"id": "air", "source": {"files": ["../air.nc"]}}, catalog="stores: []\n", meta=META)
    for words in (
        ["init", "readonly/fs"], ["plan", "air.nc", "--write", "readonly/fs"], ["catalog", "build", stock, "--out", "readonly/c"],
    ):
        answer = run(*words)
        assert (answer.status, answer.code) == (5, "source-denied"), str(answer)
        assert "ls -ld" in answer.error["next"] and "readonly/fs" not in answer.error["next"], str(answer)


def test_a_run_that_cannot_enter_its_dataset_tells_what_it_published(denied):
    folder, run = denied
    feedstock(folder / "readonly", {"id": "air", "source": {"files": ["../air.nc"]}}, catalog="stores: []\n", meta=META)
    answer = run("run", "readonly", "--target", "free/out")
    assert (answer.status, answer.code) == (5, "source-denied"), str(answer)
    recipe = answer.result["recipes"][0]
    assert recipe["build"]["published"] and (folder / "free/out/firn.json").exists()
    assert "air" in recipe["catalog_entry"]["diff"] and not recipe["catalog_entry"]["written"]
    assert "is published" in answer.error["what"] and "--no-write" in answer.error["next"], str(answer)


def test_a_feedstock_that_could_not_be_begun_is_not_in_its_own_way(tmp_path):
    stock = tmp_path / "stock"
    stock.mkdir()
    (stock / ".github").write_text("not a folder")
    assert firn("init", stock).status != 0
    assert [path.name for path in stock.iterdir()] == [".github"]
    (stock / ".github").unlink()
    firn("init", stock, check=True)


def test_the_next_command_names_the_catalog_that_was_asked(tmp_path):
    stock = feedstock(tmp_path / "a stock", {"id": "air", "source": {"files": [str(AIR)]}}, catalog="stores: []\n", meta=META)
    firn("run", stock, "--target", tmp_path / "out", check=True)
    catalog = tmp_path / "a catalog"
    ids = firn("catalog", "build", stock, "--out", catalog, check=True).result["datasets"]
    for verb in ("show", "snippet"):
        answer = firn("catalog", verb, ids[0] + "x", "--catalog", catalog)
        assert answer.status == 4, str(answer)
        words = shlex.split(answer.error["next"])
        assert words[:3] == ["firn", "catalog", verb], str(answer)
        firn(*words[1:], check=True)


def test_a_web_server_that_refuses_is_not_asked_for_keys_of_a_bucket(answers):
    answer = firn("inspect", f"{answers}/401/x.nc")
    assert (answer.status, answer.code) == (5, "source-denied") and "AWS" not in answer.error["next"], str(answer)


def test_files_without_a_dimension_are_a_mistake_of_the_recipe(tmp_path):
    source = {"files": [str(AIR), str(TESTDATA / "netcdf4/air_linked.nc")]}
    stock = feedstock(tmp_path / "stock", {"id": "air", "source": source}, catalog="stores: []\n")
    for words in (["plan", stock], ["run", stock, "--target", tmp_path / "out"], ["catalog", "validate", stock]):
        answer = firn(*words)
        assert answer.status == 3 and "along which dimension" in answer.stdout and '"line":' in answer.stdout, str(answer)
        assert "--concat-dim" not in answer.stdout
    (tmp_path / "files.txt").write_text("".join(f"{file}\n" for file in source["files"]))
    feedstock(stock, {"id": "air", "source": {"list": "../files.txt"}})
    for words in (["plan", stock], ["run", stock, "--target", tmp_path / "out"]):
        answer = firn(*words)
        assert (answer.status, answer.code) == (3, "source-dims-missing"), str(answer)


def test_a_name_that_begins_with_a_dash_is_no_flag_in_the_next_command(tmp_path):
    answer = firn("init", "-o", "json", "--", "-x", cwd=tmp_path, check=True)
    assert shlex.split(answer.result["next"]) == ["firn", "plan", "./-x"], str(answer)


def test_a_store_behind_a_web_server_is_verified_chunk_by_chunk(tmp_path, serve):
    (tmp_path / "www").mkdir()
    store = tmp_path / "www/air.zarr"
    firn("transform", AIR, "--target", store, check=True)
    local = firn("verify", store, check=True).result["checked"]
    url = f"{serve(tmp_path / 'www').url}/air.zarr"
    assert firn("verify", url, "--against", AIR, check=True).result["checked"]["chunks"] == local["chunks"]
    lost = next(path for path in sorted((store / "air/c").rglob("*")) if path.is_file())
    lost.unlink()
    answer = firn("verify", url)
    assert answer.status == 10 and "no object" in answer.stdout, str(answer)


def test_a_slash_at_the_end_of_a_repository_is_no_difference(tmp_path):
    (tmp_path / "sub").mkdir()
    firn("virtualize", AIR, "--target", "sub/a.ic", cwd=tmp_path, check=True)
    for name in ("sub/a.ic", "sub/a.ic/", "./sub//a.ic/", f"{tmp_path}/sub/a.ic/"):
        assert firn("verify", name, cwd=tmp_path, check=True).result["findings"] == []
    firn("transform", "sub/a.ic/", "--target", "copy", cwd=tmp_path, check=True)


def test_rules_for_names_that_no_file_has_are_refused(tmp_path):
    source = {"files": [str(AIR)], "dims": {"time": {"concat": True}}}
    for number, rules in enumerate((
        {"combine": {"key": {"time": "nope"}}}, {"combine": {"coordinates": {"nope": {"tolerance": 1e-6}}}},
        {"target": {"format": "zarr3", "codec": {"nope": "zstd:1"}}},
    )):
        stock = feedstock(tmp_path / f"stock{number}", {"id": "air", "source": source, **rules}, catalog="stores: []\n")
        answer = firn("run", stock, "--target", tmp_path / f"out{number}")
        assert (answer.status, answer.code) == (3, "name-not-in-sources") and "nope" in answer.error["what"], str(answer)
    answer = firn("transform", AIR, "--target", tmp_path / "t", "--concat-dim", "time", "--concat-key", "time=nope")
    assert answer.code == "name-not-in-sources", str(answer)


def test_a_recipe_that_keeps_nothing_or_names_nothing_is_invalid(tmp_path):
    for number, rules in enumerate(({"select": {"variables": []}}, {"attributes": {"": "x"}})):
        stock = feedstock(tmp_path / f"stock{number}", {"id": "air", "source": {"files": [str(AIR)]}, **rules})
        assert firn("plan", stock).status == 3, rules


def test_a_gap_whose_file_exists_is_told(tmp_path):
    (tmp_path / "data").mkdir()
    for month in (1, 2, 3):
        shutil.copy(AIR, tmp_path / f"data/air.2000{month:02d}.nc")
    source = {
        "pattern": "../data/air.{time:%Y%m}.nc", "gaps": [{"time": "2000-02", "reason": "was lost"}],
        "dims": {"time": {"concat": True, "start": "2000-01", "end": "2000-03", "freq": "1MS"}},
    }
    stock = feedstock(tmp_path / "stock", {"id": "air", "source": source}, catalog="stores: []\n")
    answer = firn("plan", stock)
    assert "air.200002.nc exists" in answer.stdout, str(answer)


def test_what_a_page_says_does_not_reach_the_terminal_as_orders(tmp_path):
    (tmp_path / "e.nc").write_bytes(b"<!DOCTYPE html><title>\x1b[31m\x1b]0;x\x07")
    answer = firn("inspect", tmp_path / "e.nc", "-o", "text")
    assert "HTML" in answer.stderr and not set("\x1b\x07") & set(answer.stdout + answer.stderr), str(answer)


def test_init_writes_the_key_that_orders_the_files_as_plan_does(tmp_path):
    import h5netcdf
    import numpy as np
    for month in (1, 2, 3):
        with h5netcdf.File(tmp_path / f"sea_2015{month:02d}.nc", "w") as file:
            file.dimensions = {"time_counter": 1, "x": 2}
            centred = file.create_variable("time_centered", ("time_counter",), data=np.array([month * 30.0]))
            centred.attrs["units"] = "days since 2015-01-01"
            file.create_variable("time_counter", ("time_counter",), data=np.array([0.0])).attrs["units"] = "days since 2015-01-01"
            file.create_variable("sst", ("time_counter", "x"), data=np.array([[month, month]], "f4"))
    stock = tmp_path / "nemo"
    answer = firn("init", stock, "--from", tmp_path / "sea_201501.nc", check=True)
    assert yaml.safe_load((stock / "recipe.yaml").read_text())["recipes"][0]["combine"]["key"] == {"time_counter": "time_centered"}
    firn(*shlex.split(answer.result["next"])[1:], check=True)


def test_a_neighbour_with_a_strange_name_does_not_stop_a_plan(tmp_path):
    shutil.copy(AIR, tmp_path / "air.nc")
    os.mkdir(os.fsencode(tmp_path) + b"/bad\xff")
    firn("plan", tmp_path / "air.nc", check=True)


def test_no_store_is_written_inside_another(tmp_path):
    store = tmp_path / "air.zarr"
    firn("transform", AIR, "--target", store, check=True)
    before = sorted(store.rglob("*"))
    for words in (["transform", AIR, "--target", store / "sub/deep"], ["virtualize", AIR, "--target", store / "sub"]):
        answer = firn(*words)
        assert (answer.status, answer.code) == (6, "target-not-empty") and "inside" in answer.error["what"], str(answer)
    assert sorted(store.rglob("*")) == before


def days(folder, *dates):
    """A small file for each date, called by it, with the steps of an unlimited time."""
    import netCDF4
    import numpy
    folder.mkdir(parents=True, exist_ok=True)
    for number, date in enumerate(dates):
        with netCDF4.Dataset(folder / f"sst.{date}.nc", "w") as file:
            file.createDimension("time", None)
            file.createDimension("lon", 3)
            time = file.createVariable("time", "f8", ("time",))
            time.units = "days since 1981-01-01"
            time[:] = [number]
            file.createVariable("sst", "f4", ("time", "lon"))[:] = numpy.arange(3)[None] + number
    return folder


NAMES = ("br[1]", "h{x}h", "h#h", "qu?x", "st*r", "b\\s", "h{time:%Y}h", "h{{x}}", "[!a]")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dates", [("19810901", "19810902"), ("19810901", "19810902", "19810919")], ids=["pattern", "glob"])
def test_characters_of_a_name_are_no_wildcards_and_no_placeholders(tmp_path, name, dates):
    first = days(tmp_path / "hyh", *dates)
    for other in ("b1", "br1", "quux", "star", "bs", "h1981h", "x", name):
        shutil.copytree(first, tmp_path / other)
    example, stock = tmp_path / name / "sst.19810901.nc", tmp_path / "stock"
    firn("plan", example, "--write", stock, check=True)
    firn("init", tmp_path / "begun", "--from", example, check=True)
    written, begun = (yaml.safe_load((folder / "recipe.yaml").read_text())["recipes"][0]["source"] for folder in (stock, tmp_path / "begun"))
    assert written == begun and set(written) >= {"pattern" if len(dates) == 2 else "glob"}
    recipe = firn("run", stock, "--target", tmp_path / "out", check=True).result["recipes"][0]
    assert recipe["build"]["files"] == len(dates)
    shapes = {array["path"]: array["shape"] for array in recipe["build"]["arrays"]}
    assert shapes["/sst"] == [len(dates), 3]


def test_what_is_done_is_told_where_that_is_asked_for(tmp_path, serve):
    days(tmp_path, "19810901")
    address = f"{serve(tmp_path).url}/sst.19810901.nc?token=HIDDEN"
    silent, told, all_of_it = (firn("transform", address, *more, "--target", tmp_path / f"out{number}", check=True)
                               for number, more in enumerate(([], ["-v"], ["-vv"])))
    assert silent.stderr == ""
    for words in ("sources opened files=1 format=\"HDF5\"", "scan: done", "requests=", "tasks begin tasks=", "tasks ended tasks=", "verified ok=true",
                  f"published store={tmp_path}/out1"):
        assert words in told.stderr, str(told)
    assert "DEBUG" not in told.stderr and "request method" not in told.stderr, str(told)
    assert "request method=GET url=http://127.0.0.1" in all_of_it.stderr and "token=…" in all_of_it.stderr, str(all_of_it)
    assert "HIDDEN" not in told.stderr + all_of_it.stderr
    stock = feedstock(tmp_path / "stock", {"id": "sst", "source": {"files": ["../sst.19810901.nc"]}, "target": {"format": "zarr3"}})
    run = firn("run", stock, "--target", tmp_path / "run", "-v", check=True)
    assert "strategy chosen recipe=sst strategy=\"transform\" format=\"zarr3\" because=plain Zarr holds no references" in run.stderr, str(run)


@pytest.mark.parametrize(("rule", "node", "code"), [
    ({"select": {"variables": ["nope"]}}, "select.variables[0]", "select-unknown-name"),
    ({"select": {"isel": {"nope": 0}}}, "select.isel.nope", "select-unknown-name"),
    ({"transform": [{"rename": {"nope": "x"}}]}, "transform[0].rename.nope", "select-unknown-name"),
    ({"transform": [{"squeeze": "lat"}]}, "transform[0].squeeze", "squeeze-not-one"),
    ({"target": {"chunks": {"nope": 5}}}, "target.chunks.nope", "layout-unknown-dimension"),
    ({"attributes": {"title": "x"}}, "attributes.title", "recipe-attribute-exists"),
])
def test_a_rule_that_cannot_be_followed_is_told_with_its_line(tmp_path, rule, node, code):
    stock = feedstock(tmp_path / "stock", {"id": "air", "source": {"files": [str(AIR)]}, **rule})
    text = (stock / "recipe.yaml").read_text().splitlines()
    for words in (["run", stock, "--target", tmp_path / "out"], ["plan", stock]):
        answer = firn(*words)
        where = answer.error["where"]
        assert (answer.status, answer.code) == (3, code), str(answer)
        assert where["url"] == str(stock / "recipe.yaml") and where["node"] == f"recipes[0].{node}", where
        assert node.split(".")[-1].split("[")[0] in text[where["line"] - 1] or "nope" in text[where["line"] - 1], where
        assert "FILE" not in answer.error["next"], str(answer)
        if code == "select-unknown-name" and "variables" in node:
            assert "there are: lat, air, lon, time" in answer.error["what"]
    if "inspect" in answer.error["next"]:
        assert str(AIR) in answer.error["next"]


def test_the_next_step_is_one_that_the_verb_has(tmp_path):
    nemo = sorted((TESTDATA / "nemo").glob("*.nc"))
    twice = [AIR, shutil.copy(AIR, tmp_path / "same.nc")]
    apart = list(days(tmp_path / "days", "19810901", "19810902", "19810903", "19810904").iterdir())
    import netCDF4
    with netCDF4.Dataset(sorted(apart)[3], "a") as file:
        file["time"][:] = [9]
    for files, dim, code, flag in (
        (nemo, "time_counter", "axis-no-key", "--concat-key time_counter=time_centered"), (twice, "time", "axis-overlap-identical", "firn plan "),
        (apart, "time", "axis-gap", "--allow-gaps"),
    ):
        for verb in ("transform", "virtualize"):
            answer = firn(verb, *files, "--concat-dim", dim, "--target", tmp_path / "out")
            assert (answer.status, answer.code) == (11, code), str(answer)
            assert flag in answer.error["next"] and ("`" in answer.error["next"]) == (code == "axis-overlap-identical"), str(answer)
            assert "FILE" not in answer.error["next"]
        stock = feedstock(tmp_path / code, {"id": "x", "source": {"files": [str(file) for file in sorted(map(str, files))], "dims": {dim: {"concat": True}}}})
        for words in (["run", stock, "--target", tmp_path / "out"], ["plan", stock]):
            answer = firn(*words)
            assert (answer.status, answer.code) == (11, code), str(answer)
            assert "--" not in answer.error["next"] and "`combine: {" in answer.error["next"], str(answer)
    answer = firn("transform", *nemo, "--concat-dim", "nope", "--target", tmp_path / "out")
    assert (answer.status, answer.code) == (2, "name-not-in-sources"), str(answer)
    stock = feedstock(tmp_path / "dims", {"id": "x", "source": {"files": [str(file) for file in nemo], "dims": {"nope": {"concat": True}}}})
    answer = firn("run", stock, "--target", tmp_path / "out")
    assert (answer.status, answer.code) == (3, "name-not-in-sources") and answer.error["where"]["line"], str(answer)


def test_a_document_that_is_missing_is_named_with_its_folder(tmp_path):
    stock = tmp_path / "stock"
    stock.mkdir()
    (stock / "meta.yaml").write_text(META)
    answer = firn("run", stock, "--target", tmp_path / "out")
    assert (answer.status, answer.code) == (4, "document-missing") and answer.error["where"]["url"] == str(stock / "recipe.yaml"), str(answer)


def test_a_demo_that_was_made_before_does_not_say_that_nothing_was_verified(tmp_path):
    for words in ("values verified", "published before, and unchanged since"):
        answer = firn("demo", tmp_path / "demo", "--no-serve", "-o", "text")
        assert answer.status == 0 and words in answer.stdout and " 0 values" not in answer.stdout, str(answer)


@pytest.mark.parametrize("verb", ["plan", "virtualize", "transform", "run", "inspect", "init", "link", "verify"])
def test_an_example_of_the_help_fits_its_line(verb):
    text = firn(verb, "--help", "-o", "text").stdout
    lines = text[text.index("Examples:"):].splitlines()[1:]
    commands = [line for line in lines if line.strip()]
    assert commands and max(map(len, commands)) <= 100
    for before, line in zip([""] + commands, commands):
        assert line.strip().startswith("firn ") or before.endswith("\\"), text
