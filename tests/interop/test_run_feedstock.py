"""`firn run`: from a feedstock to a verified, published dataset, from HTTP and to S3, with its entry in catalog.yaml."""
import json

import pytest
import yaml
from support import compare
from support.binary import TESTDATA, environment, firn, well_formed_error

MONTHS = sorted((TESTDATA / "nemo").glob("*.nc"))


def feedstock(directory, source, target=None, **recipe):
    directory.mkdir()
    body = {"id": "nemo-monthly", "source": source, "combine": {"key": {"time_counter": "time_centered"}}, "target": target or {"format": "zarr3"}} | recipe
    (directory / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [body]}, sort_keys=False))
    (directory / "meta.yaml").write_text(yaml.safe_dump({
        "title": "Three months of NEMO", "description": "Ocean model output on the T grid.", "recipes": [{"id": "nemo-monthly"}],
        "provenance": {"providers": [{"name": "Met Office", "roles": ["producer", "licensor"]}], "license": "OGL-UK-3.0"},
        "maintainers": [{"name": "firn contributors"}]}, sort_keys=False))
    (directory / "catalog.yaml").write_text("# kept: a comment\nmeta_yaml_url: meta.yaml\ntags: [ocean, model]\nstores: []\n")
    return directory


def listed(base):
    return {"files": [f"{base}/{m.name}" for m in MONTHS], "dims": {"time_counter": {"concat": True}}}


def test_from_http_to_a_local_zarr(tmp_path, serve):
    server = serve(TESTDATA / "nemo")
    stock = feedstock(tmp_path / "stock", listed(server.url))
    firn("run", stock, "--target", tmp_path / "out", check=True)
    store = compare.published(tmp_path / "out")
    assert store == tmp_path / "out/v1"
    assert compare.combined_differences(MONTHS, "time_counter", store) == []


def test_catalog_yaml_gets_the_store_and_keeps_its_comments(tmp_path):
    stock = feedstock(tmp_path / "stock", listed((TESTDATA / "nemo").as_uri()))
    firn("run", stock, "--target", tmp_path / "out", check=True)
    text = (stock / "catalog.yaml").read_text()
    assert text.startswith("# kept: a comment")
    store = yaml.safe_load(text)["stores"][0]
    assert store["id"] == "nemo-monthly" and str(tmp_path / "out") in store["url"] and store["last_updated"]


def test_no_write_leaves_the_feedstock_as_it_is(tmp_path):
    stock = feedstock(tmp_path / "stock", listed((TESTDATA / "nemo").as_uri()))
    before = (stock / "catalog.yaml").read_text()
    firn("run", stock, "--target", tmp_path / "out", "--no-write", check=True)
    assert (stock / "catalog.yaml").read_text() == before


def test_virtual_icechunk_and_provenance(tmp_path):
    stock = feedstock(tmp_path / "stock", listed((TESTDATA / "nemo").as_uri()), {"format": "icechunk"})
    firn("run", stock, "--target", tmp_path / "out", check=True)
    store = compare.icechunk_session(tmp_path / "out")
    assert compare.combined_differences(MONTHS, "time_counter", store) == []
    attributes = compare.open_store(store, "/", **compare.RAW).attrs
    for key in ("firn:version", "firn:id", "pangeo_forge_build_timestamp"):
        assert key in attributes, key


def test_limit_takes_the_first_files_only(tmp_path):
    stock = feedstock(tmp_path / "stock", listed((TESTDATA / "nemo").as_uri()))
    firn("run", stock, "--target", tmp_path / "out", "--limit", "2", "--no-write", check=True)
    assert compare.combined_differences(MONTHS[:2], "time_counter", compare.published(tmp_path / "out")) == []


def test_the_published_dataset_verifies_against_its_sources(tmp_path):
    stock = feedstock(tmp_path / "stock", listed((TESTDATA / "nemo").as_uri()))
    firn("run", stock, "--target", tmp_path / "out", check=True)
    store = compare.published(tmp_path / "out")
    firn("verify", store, "--against", stock, "--full", check=True)
    chunk = next(p for p in (store / "tos/c").rglob("*") if p.is_file())
    body = bytearray(chunk.read_bytes())
    body[len(body) // 2] ^= 0xFF
    chunk.write_bytes(body)
    damaged = firn("verify", store, "--against", stock, "--full")
    assert damaged.status in (8, 10), f"a damaged chunk goes unnoticed: {damaged}"
    chunk.unlink()
    assert firn("verify", store).status in (8, 10), "a missing chunk goes unnoticed"


def test_to_an_s3_location_of_firn_toml(tmp_path, s3, bucket, s3_env):
    stock = feedstock(tmp_path / "stock", listed((TESTDATA / "nemo").as_uri()), {"format": "zarr3", "location": "public", "path": "ocean/nemo"})
    (tmp_path / "firn.toml").write_text(f'[locations.public]\nurl = "s3://{bucket}/data"\nendpoint = "{s3.endpoint}"\naddressing = "path"\nrole = "published"\n')
    keys = {k: v for k, v in s3_env.items() if k != "AWS_ENDPOINT_URL"}
    firn("run", stock, cwd=tmp_path, env=keys, check=True)
    record = json.loads(s3.objects(bucket, "data/ocean/nemo/firn.json")[""])
    assert record["current"], record
    assert compare.combined_differences(MONTHS, "time_counter", s3.zarr_store(bucket, "data/ocean/nemo/v1")) == []
    table = firn("config", "check", "public", cwd=tmp_path, env=keys, check=True)
    assert table.result, str(table)


def test_what_the_location_can_do_is_kept_and_secrets_are_not_shown(tmp_path, s3, bucket, s3_env):
    (tmp_path / "firn.toml").write_text(f'[locations.public]\nurl = "s3://{bucket}/data"\nendpoint = "{s3.endpoint}"\naddressing = "path"\nrole = "published"\n')
    shown = firn("config", "show", cwd=tmp_path, env=s3_env, check=True)
    assert s3.secret not in shown.stdout + shown.stderr


def test_findings_of_a_recipe_come_all_at_once_with_lines(tmp_path):
    stock = feedstock(tmp_path / "stock", listed((TESTDATA / "nemo").as_uri()))
    (stock / "recipe.yaml").write_text("version: 1\nrecipes:\n  - id: x\n    sorce: {}\n    target: {fromat: zarr3}\n")
    answer = firn("run", stock, "--target", tmp_path / "out")
    assert answer.status == 3 and well_formed_error(answer) == [], str(answer)
    said = json.dumps(answer.error)
    assert "sorce" in said and "fromat" in said and "source" in said and "format" in said, said


def test_keys_of_later_issues_answer_unsupported(tmp_path):
    stock = feedstock(tmp_path / "stock", listed((TESTDATA / "nemo").as_uri()), transform=[{"unpack": {"dtype": "float32"}}])
    answer = firn("run", stock, "--target", tmp_path / "out")
    assert answer.status == 7 and "unpack" in json.dumps(answer.error), str(answer)


def test_plan_runs_nothing_and_ends_with_the_next_command(tmp_path):
    stock = feedstock(tmp_path / "stock", listed((TESTDATA / "nemo").as_uri()))
    answer = firn("plan", stock, "-o", "text", env=environment())
    assert answer.status == 0, str(answer)
    assert answer.stdout.strip().splitlines()[-1].strip().lstrip("$ ").startswith("firn run"), answer.stdout
    assert sorted(p.name for p in stock.iterdir()) == ["catalog.yaml", "meta.yaml", "recipe.yaml"]


def test_init_inspects_the_url_and_its_feedstock_loads(tmp_path):
    firn("init", tmp_path / "stock", "--from", TESTDATA / "netcdf4/air.nc", check=True)
    for name in ("meta.yaml", "catalog.yaml", "recipe.yaml", "README.md"):
        assert (tmp_path / "stock" / name).exists(), name
    firn("catalog", "validate", tmp_path / "stock", check=True)


@pytest.mark.parametrize("selection", [{"variables": ["time_centered", "nav_lat"]}, {"isel": {"x": [0, 100]}}])
def test_selections_name_the_sources_variables(tmp_path, selection):
    stock = feedstock(tmp_path / "stock", listed((TESTDATA / "nemo").as_uri()), select=selection)
    firn("run", stock, "--target", tmp_path / "out", "--no-write", check=True)
    store = compare.open_store(compare.published(tmp_path / "out"), "/", **compare.RAW)
    whole = compare.combined(MONTHS, "time_counter")
    if "variables" in selection:
        assert set(store.variables) == {"time_centered", "nav_lat", "time_centered_bounds", "bounds_lat", "time_counter"}, "with the bounds that they name"
        assert compare.value_difference("nav_lat", whole.nav_lat.values, store.nav_lat.values) is None
    else:
        assert compare.value_difference("tos", whole.tos.values[..., 0:100], store.tos.values) is None
