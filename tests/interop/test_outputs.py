"""What each verb prints with `-o json` and `-o jsonl` fits the schema that is checked in, where it succeeds and where it fails."""
import json
import shutil

import jsonschema
import pytest
import yaml
from support.binary import REPOSITORY, TESTDATA, firn, well_formed_error

SCHEMAS = REPOSITORY / "schemas/output"
AIR = TESTDATA / "netcdf4/air.nc"


def schema(name):
    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{name}.json").read_text()))


def fits(name, answer, status=0):
    assert answer.status == status, str(answer)
    document = answer.document
    assert document is not None and document["ok"] is (status == 0), str(answer)
    problems = [f"{list(p.absolute_path)}: {p.message}" for p in schema(name).iter_errors(document)]
    if status and document["result"] is None:
        problems += [f"{list(p.absolute_path)}: {p.message}" for p in schema("error").iter_errors(document)] + well_formed_error(answer)
    assert not problems, f"{problems}\n{answer}"
    return document["result"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A feedstock, its published dataset, a plain store, a catalog."""
    base = tmp_path_factory.mktemp("outputs")
    stock = base / "air"
    fits("init", firn("init", stock, "--from", AIR))
    fits("run", firn("run", stock, "--target", base / "published"))
    fits("catalog-build", firn("catalog", "build", stock, "--out", base / "catalog", "--static"))
    fits("transform", firn("transform", AIR, "--target", base / "air.zarr"))
    fits("virtualize", firn("virtualize", AIR, "--target", base / "air.icechunk"))
    return base


def test_what_reads_fits_its_schema(made):
    fits("inspect", firn("inspect", AIR, made / "air.zarr", made / "air.icechunk", made / "published"))
    fits("inspect", firn("inspect", AIR, made / "air.icechunk", "--chunks", "air"))
    fits("plan", firn("plan", made / "air"))
    fits("plan", firn("plan", AIR))
    fits("plan", firn("plan", made / "air.icechunk"))
    fits("verify", firn("verify", made / "air.zarr", "--against", AIR, "--full"))
    fits("verify", firn("verify", made / "published"))
    fits("catalog-validate", firn("catalog", "validate", made / "air"))
    fits("catalog-show", firn("catalog", "show", "air", "--catalog", made / "catalog"))
    fits("catalog-snippet", firn("catalog", "snippet", "air", "--catalog", made / "catalog"))
    fits("config-show", firn("config", "show"))
    fits("explain", firn("explain", "target-exists"))
    fits("run", firn("run", made / "air", "--target", made / "published"))
    fits("link", firn("link", made / "air.zarr"))


def test_the_verbs_of_an_upload_fit_their_schemas(made, tmp_path):
    for name in ("inbox", "published"):
        (tmp_path / name).mkdir()
    (tmp_path / "firn.toml").write_text("".join(f'[locations.{name}]\nurl = "{tmp_path / name}"\nrole = "{name}"\n' for name in ("inbox", "published")))
    for name, words in [("push", ["push", made / "air.zarr", "--to", "inbox/air"]), ("seal", ["seal", "inbox/air"]), ("inbox-list", ["inbox", "list", "inbox"]),
                        ("inbox-review", ["inbox", "review", "inbox/air"]), ("inbox-promote", ["inbox", "promote", "inbox/air", "--to", "published"])]:
        fits(name, firn(*words, cwd=tmp_path))


def test_the_demo_fits_its_schema(tmp_path):
    fits("demo", firn("demo", tmp_path / "demo", "--no-serve"))


def test_lines_fit_their_schemas(made):
    cases = [
        ("inspect.line", ["inspect", AIR, made / "air.zarr"]),
        ("inspect.chunk-line", ["inspect", AIR, "--chunks", "air"]),
        ("catalog-validate.line", ["catalog", "validate", made / "air"]),
    ]
    for name, words in cases:
        answer = firn(*words, "-o", "jsonl")
        lines = [json.loads(line) for line in answer.stdout.splitlines()]
        assert answer.status == 0 and lines, str(answer)
        for line in lines:
            schema(name).validate(line)


def test_failures_fit_the_schemas_too(made, tmp_path):
    cases = [
        ("inspect", 4, ["inspect", tmp_path / "nothing.nc"]),
        ("plan", 4, ["plan", tmp_path / "nothing.nc"]),
        ("init", 6, ["init", made / "air", "--from", AIR]),
        ("run", 4, ["run", tmp_path / "nothing"]),
        ("transform", 6, ["transform", AIR, "--target", made / "air.zarr"]),
        ("virtualize", 7, ["virtualize", AIR, "--target", tmp_path / "v", "--format", "kerchunk-parquet"]),
        ("verify", 4, ["verify", tmp_path / "nothing"]),
        ("catalog-validate", 4, ["catalog", "validate", tmp_path / "nothing"]),
        ("catalog-show", 4, ["catalog", "show", "nothing", "--catalog", made / "catalog"]),
        ("catalog-snippet", 4, ["catalog", "snippet", "nothing", "--catalog", made / "catalog"]),
        ("explain", 4, ["explain", "nothing"]),
        ("error", 7, ["update", made / "air"]),
        ("error", 2, ["serve"]),
        ("error", 2, ["inspect"]),
    ]
    for name, status, words in cases:
        fits(name, firn(*words), status)


def test_a_report_of_differences_is_a_result_and_an_error(made, tmp_path):
    shutil.copytree(made / "air.zarr", tmp_path / "broken.zarr")
    chunk = next(path for path in sorted((tmp_path / "broken.zarr/air/c").rglob("*")) if path.is_file())
    chunk.unlink()
    result = fits("verify", firn("verify", tmp_path / "broken.zarr"), 10)
    assert result["ok"] is False and result["against_sources"] is False and result["findings"]


def test_a_plan_that_would_stop_is_a_result_and_an_error(made, tmp_path):
    stock = tmp_path / "air"
    stock.mkdir()
    source = {"files": [str(tmp_path / "gone.nc")], "dims": {"time": {"concat": True}}}
    (stock / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [{"id": "air", "source": source}]}))
    result = fits("plan", firn("plan", stock), 4)
    assert result["recipes"][0]["files"]["missing"]["count"] == 1
