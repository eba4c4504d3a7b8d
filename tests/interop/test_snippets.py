"""The native snippet of every kind of store, wherever it is: run in plain Python, it shows the values of the source."""
import json
import os
import pathlib
import subprocess
import sys

import pytest
import xarray as xr
import yaml
import zarr
from support import compare
from support.binary import TESTDATA, environment, firn
from test_demo_snippets import PICKLE

AIR = TESTDATA / "netcdf4/air.nc"


def catalogued(base, env=None, **entry):
    """What `firn catalog snippet` answers for a feedstock with this store entry, and what the build said of it."""
    stock = base / "stock"
    stock.mkdir()
    (stock / "meta.yaml").write_text(yaml.safe_dump({"title": "Air", "description": "Air temperature.", "provenance": {"providers": [{"name": "NCEP"}], "license": "CC0-1.0"}}))
    (stock / "catalog.yaml").write_text(yaml.safe_dump({"meta_yaml_url": "meta.yaml", "stores": [{"id": "air"} | entry]}, sort_keys=False))
    built = firn("catalog", "build", stock, "--out", base / "catalog", env=env, check=True).result
    answer = firn("catalog", "snippet", "stock.air", "--catalog", base / "catalog", check=True)
    return answer.result["snippet"], built


def opened(snippet, directory, **extra):
    out = directory / "opened.pickle"
    run = subprocess.run([sys.executable, "-c", PICKLE, str(out)], input=snippet["code"], text=True, capture_output=True, cwd=directory, env=environment(**extra), timeout=120)
    assert run.returncode == 0, f"{snippet['code']}\n{run.stderr[-2000:]}"
    import pickle
    return pickle.loads(out.read_bytes())


def check(data):
    assert compare.decoded_differences("/", compare.open_source(AIR, "/"), data)[0] == []


def findings(built):
    return [f["code"] for f in built["findings"]]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    target = tmp_path_factory.mktemp("zarr") / "air and more.zarr"
    firn("transform", AIR, "--target", target, check=True)
    return target


@pytest.mark.parametrize("form", [str, lambda path: path.as_uri()])
def test_zarr_of_this_machine(store, tmp_path, form):
    snippet, built = catalogued(tmp_path, url=form(store))
    assert snippet["one_line"] and findings(built) == []
    check(opened(snippet, tmp_path))


def test_zarr_beside_its_feedstock(store, tmp_path):
    snippet, built = catalogued(tmp_path, url=os.path.relpath(store, tmp_path / "stock"))
    assert built["opened"] == 1
    check(opened(snippet, tmp_path))


def test_zarr_over_http(store, tmp_path, serve):
    server = serve(store.parent)
    snippet, built = catalogued(tmp_path, url=f"{server.url}/{store.name.replace(' ', '%20')}")
    assert built["opened"] == 1, built
    check(opened(snippet, tmp_path))


def test_zarr_on_s3_with_credentials_of_the_environment(tmp_path, s3, bucket, s3_env):
    pytest.importorskip("s3fs", minversion="2024")
    firn("transform", AIR, "--target", f"s3://{bucket}/a/air.zarr", env=s3_env, check=True)
    snippet, built = catalogued(tmp_path, env=s3_env, url=f"s3://{bucket}/a/air.zarr", access={"endpoint": s3.endpoint, "region": "us-east-1"})
    assert built["opened"] == 1 and s3.secret not in json.dumps(snippet)
    check(opened(snippet, tmp_path, **{k: v for k, v in s3_env.items() if k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}))


def test_virtual_icechunk_authorises_where_its_chunks_are(tmp_path):
    firn("virtualize", AIR, "--target", tmp_path / "air.icechunk", check=True)
    snippet, built = catalogued(tmp_path, url=str(tmp_path / "air.icechunk"), mode="icechunk")
    assert built["opened"] == 1 and "containers_credentials" in snippet["code"], snippet["code"]
    check(opened(snippet, tmp_path))


def test_an_icechunk_repository_is_known_by_its_content(tmp_path):
    firn("transform", AIR, "--target", tmp_path / "air", "--format", "icechunk", check=True)
    snippet, built = catalogued(tmp_path, url=str(tmp_path / "air"))
    assert findings(built) == ["store-kind"], "the document says nothing, which means Zarr"
    check(opened(snippet, tmp_path))


def test_icechunk_on_s3(tmp_path, s3, bucket, s3_env):
    firn("transform", AIR, "--target", f"s3://{bucket}/ice/air", "--format", "icechunk", env=s3_env, check=True)
    snippet, built = catalogued(tmp_path, env=s3_env, url=f"s3://{bucket}/ice/air", mode="icechunk", access={"endpoint": s3.endpoint})
    assert built["opened"] == 1, built
    check(opened(snippet, tmp_path, **{k: v for k, v in s3_env.items() if k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}))


def test_a_netcdf_file_recorded_as_zarr(tmp_path, serve):
    server = serve(AIR.parent)
    snippet, built = catalogued(tmp_path, url=f"{server.url}/{AIR.name}", xarray_open_kwargs={"engine": "zarr"})
    assert "store-kind" in findings(built) and "leap-cannot-open" in findings(built)
    check(opened(snippet, tmp_path))


def test_a_netcdf_file_of_this_machine(tmp_path):
    snippet, _ = catalogued(tmp_path, url=str(AIR), mode="files")
    check(opened(snippet, tmp_path))


def references(target):
    """Kerchunk references to the objects of a Zarr v2 store: documents inline, chunks as whole files."""
    store = target / "v2.zarr"
    with xr.open_dataset(AIR, decode_cf=False) as source:
        source.to_zarr(store, zarr_format=2, consolidated=False)
    refs = {}
    for path in sorted(p for p in store.rglob("*") if p.is_file()):
        key = path.relative_to(store).as_posix()
        refs[key] = path.read_text() if path.name.startswith(".z") else [str(path)]
    (target / "air.json").write_text(json.dumps({"version": 1, "refs": refs}))
    return target / "air.json"


def test_kerchunk_references(tmp_path):
    snippet, built = catalogued(tmp_path, url=str(references(tmp_path)), mode="kerchunk", kerchunk={"format": "json"})
    assert findings(built) == [] and built["opened"] == 1, built
    check(opened(snippet, tmp_path))


def test_zarr_v2(tmp_path):
    references(tmp_path)
    zarr.consolidate_metadata(str(tmp_path / "v2.zarr"), zarr_format=2)
    snippet, built = catalogued(tmp_path, url=str(tmp_path / "v2.zarr"))
    assert findings(built) == [] and built["opened"] == 1
    check(opened(snippet, tmp_path))


def test_a_store_that_is_not_there_does_not_keep_the_others_out(tmp_path):
    snippet, built = catalogued(tmp_path, url=str(tmp_path / "missing.zarr"))
    assert built["datasets"] == ["stock.air"] and built["opened"] == 0 and findings(built) == ["store-not-opened"]
    collection = json.loads((tmp_path / "catalog/datasets/stock.air/collection.json").read_text())
    assert "cube:dimensions" not in collection and collection["firn:extent"] == {"spatial": False, "temporal": False}


def test_every_form_of_a_catalog_gives_the_same_snippet(store, tmp_path):
    snippet, _ = catalogued(tmp_path, url=str(store), mode="zarr", zarr={"format": 3})
    base = tmp_path / "catalog"
    for form in (base / "firn-catalog.json", base / "catalog.json", base / "datasets/stock.air/collection.json"):
        answer = firn("catalog", "snippet", "stock.air", "--catalog", form, check=True)
        assert answer.result["snippet"] == snippet, form
    leap = json.loads((base / "consolidated-web-catalog.json").read_text())
    leap[0]["ncviewjs:meta_yaml_url"] = "https://github.com/o/stock/blob/main/meta.yaml"
    (tmp_path / "leap.json").write_text(json.dumps(leap))
    assert firn("catalog", "snippet", "stock.air", "--catalog", tmp_path / "leap.json", check=True).result["snippet"] == snippet


def test_a_catalog_is_read_over_http(store, tmp_path, serve):
    snippet, _ = catalogued(tmp_path, url=str(store))
    server = serve(tmp_path / "catalog")
    for form in (server.url, f"{server.url}/catalog.json"):
        assert firn("catalog", "snippet", "stock.air", "--catalog", form, check=True).result["snippet"] == snippet


def test_a_catalog_from_elsewhere_cannot_say_what_is_pasted(store, tmp_path):
    catalogued(tmp_path, url=str(store))
    path = pathlib.Path(tmp_path / "catalog/firn-catalog.json")
    path.write_text(path.read_text().replace("import xarray as xr", "import os; os.system('id')"))
    answer = firn("catalog", "snippet", "stock.air", "--catalog", path, check=True)
    assert "os.system" not in answer.stdout


def test_files_of_others_are_not_replaced(store, tmp_path):
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog/catalog.json").write_text("precious")
    stock = tmp_path / "stock"
    stock.mkdir()
    (stock / "meta.yaml").write_text("title: A\ndescription: B\nprovenance: {providers: [{name: C}], license: CC0-1.0}\n")
    (stock / "catalog.yaml").write_text(f"stores:\n  - {{id: air, url: {json.dumps(str(store))}}}\n")
    answer = firn("catalog", "build", stock, "--out", tmp_path / "catalog")
    assert answer.status == 6 and (tmp_path / "catalog/catalog.json").read_text() == "precious"


def test_a_list_of_feedstocks(store, tmp_path):
    for name in ("a", "b"):
        stock = tmp_path / name
        stock.mkdir()
        (stock / "meta.yaml").write_text(f"title: {name}\ndescription: B\nprovenance: {{providers: [{{name: C}}], license: CC0-1.0}}\n")
        (stock / "catalog.yaml").write_text(f"stores:\n  - {{id: air, url: {json.dumps(str(store))}}}\n")
    (tmp_path / "list.yaml").write_text("feedstocks: [a, b/catalog.yaml, 'http://127.0.0.1:9/feedstock/catalog.yaml']\n")
    built = firn("catalog", "build", tmp_path / "list.yaml", "--out", tmp_path / "out", "--static", check=True).result
    assert built["datasets"] == ["a.air", "b.air"] and findings(built) == ["feedstock-unreachable"]
    assert (tmp_path / "out/datasets/a.air/index.html").exists()
