"""`firn catalog`: the JSON that existing sites read, and a static STAC catalog that validates, without a network."""
import json
import pathlib

import jsonschema
import pystac
import pytest
import yaml
from pystac.validation.local_validator import LocalValidator
from support import compare
from support.binary import REPOSITORY, TESTDATA, firn, well_formed_error

LEAP = TESTDATA / "leap"
CUBE = "https://stac-extensions.github.io/datacube/v2"


@pytest.fixture
def template(tmp_path):
    """The real feedstock: its two documents, without the JSON that came with it."""
    stock = tmp_path / "template_feedstock"
    stock.mkdir()
    for name in ("meta.yaml", "catalog.yaml"):
        (stock / name).write_bytes((LEAP / name).read_bytes())
    return stock


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A real dataset, run and catalogued: (feedstock, store, output of the build)."""
    base = tmp_path_factory.mktemp("catalog")
    stock = base / "air-temperature"
    stock.mkdir()
    source = {"files": [(TESTDATA / "netcdf4/air.nc").as_uri()], "dims": {"time": {"concat": True}}}
    (stock / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [{"id": "daily", "source": source, "target": {"format": "zarr3"}}]}))
    (stock / "meta.yaml").write_text(yaml.safe_dump({
        "title": "Air temperature", "description": "Near-surface air temperature, 6-hourly.", "recipes": [{"id": "daily"}],
        "provenance": {"providers": [{"name": "NCEP", "roles": ["producer"], "url": "https://www.ncep.noaa.gov"}], "license": "CC0-1.0"},
        "maintainers": [{"name": "firn contributors"}]}))
    (stock / "catalog.yaml").write_text("meta_yaml_url: meta.yaml\ntags: [atmosphere]\nstores: []\n")
    firn("run", stock, "--target", base / "store", check=True)
    firn("catalog", "build", stock, "--out", base / "out", "--static", check=True)
    return stock, compare.published(base / "store"), base / "out"


def without_own(value):
    if isinstance(value, dict):
        return {k: without_own(v) for k, v in value.items() if not k.startswith("firn:")}
    return [without_own(v) for v in value] if isinstance(value, list) else value


def consolidated(directory):
    """The one file of a build that is a list of feedstocks."""
    found = []
    for path in pathlib.Path(directory).rglob("*.json"):
        value = json.loads(path.read_text())
        if isinstance(value, list) and value and "stores" in value[0]:
            found.append(value)
    assert len(found) == 1, f"{len(found)} consolidated documents in {sorted(p.name for p in pathlib.Path(directory).rglob('*.json'))}"
    return found[0]


# ------------------------------------------------------------------ LEAP
def test_existing_documents_give_the_fields_of_the_existing_tool(template, tmp_path):
    firn("catalog", "build", template, "--out", tmp_path / "out", check=True)
    golden = json.loads((LEAP / "single-feedstock-web-catalog.json").read_text())
    assert without_own(consolidated(tmp_path / "out")) == golden


def test_existing_documents_validate_and_the_licence_is_a_warning(template):
    answer = firn("catalog", "validate", template, check=True)
    assert "Just a Test" in json.dumps(answer.result), "a licence that is no SPDX id is named"


def test_all_findings_of_a_bad_document_come_at_once(template):
    (template / "meta.yaml").write_text("title: 3\ndescription: text\nmaintainers: nobody\n")
    answer = firn("catalog", "validate", template)
    assert answer.status == 3 and well_formed_error(answer) == [], str(answer)
    said = answer.stdout
    assert "title" in said and "maintainers" in said and "provenance" in said


# ------------------------------------------------------------------ STAC
def stac_documents(directory):
    for path in sorted(pathlib.Path(directory).rglob("*.json")):
        value = json.loads(path.read_text())
        if isinstance(value, dict) and "stac_version" in value:
            yield path, value


def test_the_static_catalog_is_valid_stac(published):
    kinds = []
    for path, value in stac_documents(published[2]):
        assert value["stac_version"] == "1.1.0", path
        validator = LocalValidator()
        check = {"Catalog": validator.catalog_validator, "Collection": validator.collection_validator, "Feature": validator.item_validator}[value["type"]]
        errors = [f"{path}: {'/'.join(map(str, e.path))}: {e.message}" for e in check("1.1.0").iter_errors(value)]
        assert errors == []
        kinds.append(value["type"])
    assert kinds.count("Collection") == 1 and "Catalog" in kinds, kinds


def test_the_validator_finds_an_error(published):
    """A validator that accepts everything would prove nothing."""
    _, value = next((p, v) for p, v in stac_documents(published[2]) if v["type"] == "Collection")
    broken = {k: v for k, v in value.items() if k != "license"}
    with pytest.raises(jsonschema.ValidationError):
        LocalValidator().collection_validator("1.1.0").validate(broken)


def test_every_link_leads_somewhere(published):
    for path, value in stac_documents(published[2]):
        for link in value["links"]:
            if "://" not in link["href"]:
                assert (path.parent / link["href"]).exists(), f"{path}: {link}"
    root = next(p for p, v in stac_documents(published[2]) if v["type"] == "Catalog")
    catalog = pystac.Catalog.from_file(str(root))
    assert [c.id for c in catalog.get_all_collections()] == ["air-temperature.daily"]


def test_the_data_cube_says_what_is_in_the_store(published):
    _, value = next((p, v) for p, v in stac_documents(published[2]) if v["type"] == "Collection")
    assert any(e.startswith(CUBE) for e in value["stac_extensions"])
    source = compare.open_source(TESTDATA / "netcdf4/air.nc", "/")
    dimensions, variables = value["cube:dimensions"], value["cube:variables"]
    assert set(dimensions) == set(source.sizes)
    for name, axis in (("lon", "x"), ("lat", "y")):
        assert dimensions[name]["type"] == "spatial" and dimensions[name]["axis"] == axis
        assert dimensions[name]["extent"] == [float(source[name].min()), float(source[name].max())]
    assert dimensions["time"]["type"] == "temporal"
    assert [t[:10] for t in dimensions["time"]["extent"]] == [str(source.time.values[0])[:10], str(source.time.values[-1])[:10]]
    assert variables["air"]["dimensions"] == ["time", "lat", "lon"] and variables["air"]["type"] == "data"
    assert value["extent"]["temporal"]["interval"][0][0][:10] == str(source.time.values[0])[:10]


# ------------------------------------------------------------------ show, snippet
def test_the_snippet_of_a_store_runs(published, tmp_path):
    from test_demo_snippets import opened
    stock, store, out = published
    answer = firn("catalog", "snippet", "air-temperature.daily", "--catalog", out, "-o", "text")
    assert answer.status == 0, str(answer)
    data = opened(answer.stdout, tmp_path)
    source = compare.open_source(TESTDATA / "netcdf4/air.nc", "/")
    assert compare.decoded_differences("/", source, data)[0] == []


def test_show_names_what_a_reader_asks(published):
    said = firn("catalog", "show", "air-temperature.daily", "--catalog", published[2], check=True).stdout
    for word in ("Air temperature", "CC0-1.0", "NCEP", "air"):
        assert word in said


def test_an_unknown_id_is_not_found_and_near_ones_are_proposed(published):
    answer = firn("catalog", "show", "air-temperature.dayly", "--catalog", published[2])
    assert answer.status == 4 and "air-temperature.daily" in json.dumps(answer.error), str(answer)


# ------------------------------------------------------------------ schemas
def test_the_checked_in_schemas_accept_the_documents(published, template):
    schemas = {p.name.split(".")[0]: json.loads(p.read_text()) for p in (REPOSITORY / "schemas").glob("*.json")}
    for name in ("meta", "catalog", "recipe"):
        assert name in schemas, sorted(schemas)
        validator = jsonschema.validators.validator_for(schemas[name])(schemas[name])
        documents = [published[0] / f"{name}.yaml"] + ([template / f"{name}.yaml"] if name != "recipe" else [])
        for document in documents:
            errors = [e.message for e in validator.iter_errors(json.loads(json.dumps(yaml.safe_load(document.read_text()), default=str)))]
            assert errors == [], f"{document}: {errors}"
    recipe = yaml.safe_load((published[0] / "recipe.yaml").read_text())
    recipe["recipes"][0]["sorce"] = {}
    assert not jsonschema.validators.validator_for(schemas["recipe"])(schemas["recipe"]).is_valid(recipe), "an unknown key"
