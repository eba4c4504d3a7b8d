"""`firn link`: what it says of stores that others wrote, as their readers see them, and that what it writes is a catalog."""
import json
import pathlib
import warnings

import boto3
import numcodecs
import numpy as np
import pytest
import xarray as xr
import yaml
import zarr
from botocore import UNSIGNED
from support import compare
from support.binary import TESTDATA, environment, firn, well_formed_error
from test_snippets import opened

AIR = TESTDATA / "netcdf4/air.nc"


def air():
    return xr.open_dataset(AIR, decode_times=False).load()


def write(data, target, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.to_zarr(target, **options)
    return target


def verdicts(answer):
    return {criterion["name"]: criterion["verdict"] for criterion in answer.result["criteria"]}


def codes(answer):
    return {warning["code"] for warning in answer.result["warnings"]}


def blocked(answer, status, code):
    assert (answer.status, answer.code) == (status, code), str(answer)
    assert well_formed_error(answer) == []
    assert answer.result["linkable"] is False
    return answer


def check_values(data):
    assert compare.decoded_differences("/", compare.open_source(AIR, "/"), data)[0] == []


SHARDED = {"air": {"chunks": (31, 11, 21), "shards": (62, 11, 21)}}
STORES = {
    "v2-zlib": dict(zarr_format=2, encoding={"air": {"compressors": (numcodecs.Zlib(3),)}}),
    "v2-blosc": dict(zarr_format=2, encoding={"air": {"compressors": (numcodecs.Blosc("lz4", 5, 1),)}}),
    "v2-zstd": dict(zarr_format=2, encoding={"air": {"compressors": (numcodecs.Zstd(3),)}}),
    "v3": dict(zarr_format=3),
    "v3-sharded": dict(zarr_format=3, encoding=SHARDED),
}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    for name, options in STORES.items():
        write(air(), folder / f"{name}.zarr", consolidated=True, **options)
    return folder


@pytest.mark.parametrize("name", STORES)
def test_what_xarray_writes_is_linked_over_http_and_opens(stores, tmp_path, serve, name):
    server = serve(stores, cors="always")
    url = f"{server.url}/{name}.zarr"
    answer = firn("link", url, "--feedstock", tmp_path / "stock", check=True)
    assert answer.result["linkable"] and answer.result["kind"] == f"zarr-{name[:2]}"
    wanted = {"format": "pass", "opens": "pass", "public": "warn", "egress": "pass", "chunked": "pass", "chunk-sizes": "pass",
              "consolidated": "pass", "decodes": "pass", "cors": "pass"}
    assert verdicts(answer) == wanted, str(answer)
    assert codes(answer) == {"this-machine"}
    assert {v["path"]: v["chunk"]["state"] for v in answer.result["variables"]} == {f"/{n}": "decoded" for n in ("air", "lat", "lon", "time")}
    of_air = next(v for v in answer.result["variables"] if v["path"] == "/air")
    if name == "v3-sharded":
        assert (of_air["chunk_shape"], of_air["shard_shape"], of_air["objects"]) == ([31, 11, 21], [62, 11, 21], 2)
    check_values(opened(answer.result["snippet"], tmp_path))
    # What was written is a feedstock, and a catalog is built of it.
    validated = firn("catalog", "validate", tmp_path / "stock", check=True).result
    assert [f for f in validated["feedstocks"][0]["validated"]["findings"] if f["severity"] == "error"] == []
    built = firn("catalog", "build", tmp_path / "stock", "--out", tmp_path / "catalog", "--static", check=True).result
    assert (built["datasets"], built["opened"], built["findings"]) == ([f"stock.{name}"], 1, []), built
    store = yaml.safe_load((tmp_path / "stock/catalog.yaml").read_text())["stores"][0]
    assert store["url"] == url and store["public"] is True and store["zarr"] == {"format": int(name[1]), "consolidated": True}
    assert not (tmp_path / "stock/recipe.yaml").exists()
    shown = firn("catalog", "snippet", store["firn:id"], "--catalog", tmp_path / "catalog", check=True)
    check_values(opened(shown.result["snippet"], tmp_path))


def test_one_chunk_of_each_variable_is_read_and_no_more(tmp_path, serve):
    data = xr.Dataset({"t": (("time", "x"), np.random.default_rng(1).normal(size=(60, 1000)))}).chunk({"time": 1})
    write(data, tmp_path / "many.zarr", zarr_format=3, consolidated=True)
    server = serve(tmp_path, cors="always")
    firn("link", f"{server.url}/many.zarr", check=True)
    chunks = {path for method, path, _ in server.requests if "/t/c/" in path}
    assert chunks == {"/many.zarr/t/c/0/0"}
    assert len(server.requests) < 30


@pytest.mark.parametrize(("cors", "verdict", "warned"), [(None, "warn", {"cors-missing"}), ("found", "warn", {"cors-errors"}), ("always", "pass", set())])
def test_cors_is_asked_for_what_is_there_and_for_what_is_not(stores, serve, cors, verdict, warned):
    answer = firn("link", f"{serve(stores, cors=cors).url}/v3.zarr", check=True)
    assert verdicts(answer)["cors"] == verdict
    assert codes(answer) == warned | {"this-machine"}


def test_a_store_without_variables_does_not_open(tmp_path, serve):
    write(xr.Dataset(attrs={"title": "nothing"}), tmp_path / "empty.zarr", zarr_format=3, consolidated=True)
    for url in (tmp_path / "empty.zarr", f"{serve(tmp_path).url}/empty.zarr"):
        blocked(firn("link", url, "--feedstock", tmp_path / "stock"), 8, "link-empty")
    assert not (tmp_path / "stock").exists()


@pytest.mark.parametrize("version", [2, 3])
def test_what_is_not_consolidated_is_a_warning_where_it_opens_and_blocks_where_it_cannot(tmp_path, serve, version):
    write(air(), tmp_path / "un.zarr", zarr_format=version, consolidated=False)
    answer = firn("link", tmp_path / "un.zarr", check=True)
    assert verdicts(answer)["consolidated"] == "warn" and codes(answer) == {"not-consolidated"}
    assert answer.result["entry"]["zarr"] == {"format": version, "consolidated": False}
    # A plain web server cannot be listed: xarray finds nothing there either.
    answer = firn("link", f"{serve(tmp_path).url}/un.zarr")
    assert answer.status != 0 and answer.result["linkable"] is False and "cannot be listed" in answer.error["what"], str(answer)


def test_a_refused_root_is_not_public(stores, tmp_path, serve):
    server = serve(stores, denied=["/v3.zarr"])
    answer = blocked(firn("link", f"{server.url}/v3.zarr", "--feedstock", tmp_path / "stock"), 5, "link-not-public")
    assert verdicts(answer)["public"] == "fail" and not (tmp_path / "stock").exists()


def test_refused_chunks_are_not_public(stores, serve):
    server = serve(stores, denied=["/v3.zarr/air/c"])
    answer = blocked(firn("link", f"{server.url}/v3.zarr"), 5, "link-not-public")
    assert verdicts(answer)["decodes"] == "fail"
    assert {v["path"]: v["chunk"]["state"] for v in answer.result["variables"]}["/air"] == "denied"


def test_nothing_there_is_not_found_and_nobody_there_is_unavailable(stores, serve):
    assert firn("link", f"{serve(stores).url}/none.zarr").status == 4
    assert firn("link", "http://127.0.0.1:9/none.zarr").status == 9


@pytest.mark.parametrize("name", STORES)
def test_a_damaged_chunk_does_not_decode(tmp_path, serve, name):
    store = write(air(), tmp_path / "bad.zarr", consolidated=True, **STORES[name])
    chunk = next(p for p in sorted((store / "air").rglob("*")) if p.is_file() and p.name not in (".zarray", ".zattrs", "zarr.json"))
    data = chunk.read_bytes()
    chunk.write_bytes(data[: len(data) // 2])
    answer = blocked(firn("link", f"{serve(tmp_path).url}/bad.zarr", "--feedstock", tmp_path / "stock"), 8, "link-not-decodable")
    assert "air" in answer.error["what"] and not (tmp_path / "stock").exists()


def test_absent_chunks_are_told_of(tmp_path):
    root = zarr.open_group(tmp_path / "hole.zarr", mode="w", zarr_format=3)
    root.create_array("sst", shape=(4, 4), chunks=(2, 2), dtype="f4", dimension_names=("y", "x"))
    zarr.consolidate_metadata(tmp_path / "hole.zarr")
    answer = firn("link", tmp_path / "hole.zarr", check=True)
    assert codes(answer) == {"chunks-absent"} and answer.result["linkable"]
    root["sst"][2:, 2:] = 1.0
    assert codes(firn("link", tmp_path / "hole.zarr", check=True)) == set()


def test_chunk_sizes_have_stated_thresholds(tmp_path):
    root = zarr.open_group(tmp_path / "sizes.zarr", mode="w", zarr_format=3)
    for name, shape, chunks in [("small", (101, 8), (1, 8)), ("whole", (300 << 20,), (300 << 20,)), ("large", (600 << 20,), (300 << 20,))]:
        root.create_array(name, shape=shape, chunks=chunks, dtype="u1", dimension_names=[f"{name}{n}" for n in range(len(shape))])
    zarr.consolidate_metadata(tmp_path / "sizes.zarr")
    answer = firn("link", tmp_path / "sizes.zarr", check=True)
    assert {"chunks-too-small", "chunks-too-large", "not-chunked"} <= codes(answer)
    text = {c["name"]: c["found"] for c in answer.result["criteria"]}
    assert "1 MiB" in text["chunk-sizes"] and "256 MiB" in text["chunk-sizes"] and "whole" in text["chunked"], text


def test_groups_are_part_of_a_store(tmp_path):
    tree = xr.DataTree.from_dict({"/": air(), "/deep": air().rename(air="wind")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree.to_zarr(tmp_path / "tree.zarr", zarr_format=3, consolidated=True)
    answer = firn("link", tmp_path / "tree.zarr", check=True)
    assert {"/air", "/deep/wind"} <= {v["path"] for v in answer.result["variables"]}
    answer = firn("link", tmp_path / "tree.zarr/deep", check=True)
    assert "/wind" in {v["path"] for v in answer.result["variables"]}


# ------------------------------------------------------------------ S3
def upload(s3, bucket, folder, prefix, **options):
    client = s3.client()
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file():
            client.put_object(Bucket=bucket, Key=f"{prefix}/{path.relative_to(folder)}", Body=path.read_bytes(), **options)


@pytest.fixture
def everybody(s3, bucket):
    """A bucket that everybody may read and list."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"],
                                                      "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}]}
    s3.client().put_bucket_acl(Bucket=bucket, ACL="public-read")
    s3.client().put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    return bucket


@pytest.mark.parametrize("name", ["v2-blosc", "v3-sharded"])
def test_a_public_bucket(stores, s3, everybody, s3_env, tmp_path, name):
    upload(s3, everybody, stores / f"{name}.zarr", "some/air.zarr", ACL="public-read")
    answer = firn("link", f"s3://{everybody}/some/air.zarr", "--feedstock", tmp_path / "stock", env=s3_env, check=True)
    assert answer.result["entry"]["access"] == {"endpoint": s3.endpoint, "region": "us-east-1", "anonymous": True}
    assert answer.result["entry"]["id"] == "air"
    check_values(opened(answer.result["snippet"], tmp_path))
    written = (tmp_path / "stock/catalog.yaml").read_text()
    assert s3.key not in written and s3.secret not in written
    built = firn("catalog", "build", tmp_path / "stock", "--out", tmp_path / "catalog", check=True).result
    assert built["opened"] == 1, built


def test_what_only_credentials_open_is_not_public(stores, s3, bucket, s3_env, tmp_path):
    upload(s3, bucket, stores / "v3.zarr", "air.zarr")
    url = f"s3://{bucket}/air.zarr"
    if boto3.client("s3", endpoint_url=s3.endpoint, region_name="us-east-1", config=boto3.session.Config(signature_version=UNSIGNED)) is None:
        pytest.skip("no unsigned client")
    answer = blocked(firn("link", url, "--feedstock", tmp_path / "stock", env=s3_env), 5, "link-not-public")
    assert "your credentials open it" in answer.error["what"]
    # The rest of the report is there all the same, and nothing was written.
    assert verdicts(answer)["decodes"] == "pass" and not (tmp_path / "stock").exists()
    assert s3.key not in answer.stdout and s3.secret not in answer.stdout
    blocked(firn("link", url, env=environment(AWS_ENDPOINT_URL=s3.endpoint)), 5, "link-not-public")


def test_an_unconsolidated_store_of_a_bucket_is_a_warning(s3, everybody, s3_env, tmp_path):
    write(air(), tmp_path / "un.zarr", zarr_format=3, consolidated=False)
    upload(s3, everybody, tmp_path / "un.zarr", "un.zarr", ACL="public-read")
    answer = firn("link", f"s3://{everybody}/un.zarr", env=s3_env, check=True)
    assert "not-consolidated" in codes(answer)


# ------------------------------------------------------------------ repositories, references, files
def test_icechunk_with_references(tmp_path):
    firn("virtualize", AIR, "--target", tmp_path / "repo", check=True)
    answer = firn("link", tmp_path / "repo", "--feedstock", tmp_path / "stock", check=True)
    assert answer.result["kind"] == "icechunk" and verdicts(answer)["decodes"] == "pass"
    assert answer.result["entry"]["icechunk"]["virtual_chunk_containers"]
    check_values(opened(answer.result["snippet"], tmp_path))
    assert firn("catalog", "build", tmp_path / "stock", "--out", tmp_path / "catalog", check=True).result["opened"] == 1


def test_a_public_repository_of_a_bucket(s3, everybody, s3_env, tmp_path):
    firn("transform", AIR, "--format", "icechunk", "--target", tmp_path / "repo", check=True)
    upload(s3, everybody, tmp_path / "repo", "repo", ACL="public-read")
    answer = firn("link", f"s3://{everybody}/repo", env=s3_env, check=True)
    assert answer.result["kind"] == "icechunk" and answer.result["entry"]["public"] is True
    check_values(opened(answer.result["snippet"], tmp_path))


def test_kerchunk_references_beside_their_file(tmp_path, serve):
    (tmp_path / "air.nc").write_bytes(AIR.read_bytes())
    server = serve(tmp_path, cors="always")
    firn("virtualize", f"{server.url}/air.nc", "--format", "kerchunk-json", "--target", tmp_path / "air.json", check=True)
    answer = firn("link", f"{server.url}/air.json", "--feedstock", tmp_path / "stock", check=True)
    assert answer.result["kind"] == "kerchunk-json" and verdicts(answer)["decodes"] == "pass"
    assert answer.result["entry"]["kerchunk"] == {"format": "json", "remote_protocol": "http"}
    check_values(opened(answer.result["snippet"], tmp_path))


def test_references_to_another_host_are_not_followed_unasked(tmp_path, serve):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/air.nc").write_bytes(AIR.read_bytes())
    other, here = serve(tmp_path / "data"), serve(tmp_path, cors="always")
    firn("virtualize", f"{other.url}/air.nc", "--format", "kerchunk-json", "--target", tmp_path / "air.json", check=True)
    (tmp_path / "air.json").write_text((tmp_path / "air.json").read_text() + "\n")  # not as firn wrote it
    before = len(other.requests)
    answer = firn("link", f"{here.url}/air.json", check=True)
    assert "not-decoded" in codes(answer) and len(other.requests) == before
    host = other.url.removeprefix("http://")
    answer = firn("link", f"{here.url}/air.json", env=environment(FIRN_REFERENCES=host), check=True)
    assert "not-decoded" not in codes(answer) and verdicts(answer)["decodes"] == "pass"


@pytest.mark.parametrize("name", ["netcdf4/air.nc", "netcdf3/ocean.nc", "netcdf4/ostia_monthly.nc"])
def test_a_file_answers_how_it_can_be_virtual(tmp_path, name):
    file = TESTDATA / name
    if not file.exists():
        pytest.skip("not bundled")
    answer = firn("link", file, check=True)
    assert answer.result["kind"] == "netcdf" and answer.result["linkable"] is False
    assert answer.result["next"].split()[:2] in (["firn", "virtualize"], ["firn", "transform"])
    assert sum(answer.result["virtual"].values()) > 0
    # The next command is what it says.
    words = answer.result["next"].replace("TARGET", str(tmp_path / "out")).split()[1:]
    firn(*words, check=True)
    blocked(firn("link", file, "--feedstock", tmp_path / "stock"), 7, "link-file")
    assert not (tmp_path / "stock").exists()


def test_the_content_decides_and_not_the_name(tmp_path):
    write(air(), tmp_path / "looks-like.nc", zarr_format=2, consolidated=True)
    assert firn("link", tmp_path / "looks-like.nc", check=True).result["kind"] == "zarr-v2"
    (tmp_path / "file.zarr").write_bytes(AIR.read_bytes())
    assert firn("link", tmp_path / "file.zarr", check=True).result["kind"] == "netcdf"
    (tmp_path / "page.zarr").write_text("<!doctype html><html>no</html>")
    assert firn("link", tmp_path / "page.zarr").status == 8


# ------------------------------------------------------------------ the feedstock
MINE = """# my catalog
meta_yaml_url: meta.yaml  # beside this
tags: [air]
stores:
  # the first
  - {id: first, url: "/some/where.zarr", geospatial: true}
links: []
"""


def test_an_entry_is_added_and_updated_and_comments_stay(stores, tmp_path):
    stock = tmp_path / "stock"
    stock.mkdir()
    (stock / "catalog.yaml").write_text(MINE)
    (stock / "meta.yaml").write_text("# mine\ntitle: Air\ndescription: Air.\nprovenance: {providers: [{name: NCEP}], license: CC0-1.0}\n")
    first = firn("link", stores / "v3.zarr", "--feedstock", stock, check=True)
    assert first.result["feedstock"]["created"] == []
    text = (stock / "catalog.yaml").read_text()
    for line in MINE.splitlines():
        assert line in text.splitlines(), line
    assert (stock / "meta.yaml").read_text().startswith("# mine")
    again = firn("link", stores / "v3.zarr", "--feedstock", stock, check=True)
    assert again.result["feedstock"]["change"]["diff"] == "" and (stock / "catalog.yaml").read_text() == text
    # Another store of the same name gets another id, never the entry of the first.
    write(air(), tmp_path / "v3.zarr", zarr_format=3, consolidated=True)
    other = firn("link", tmp_path / "v3.zarr", "--feedstock", stock, check=True)
    assert other.result["entry"]["id"] == "v3-2"
    assert [s["id"] for s in yaml.safe_load((stock / "catalog.yaml").read_text())["stores"]] == ["first", "v3", "v3-2"]


def test_what_is_accepted_is_recorded_with_its_reason_and_stays(stores, tmp_path, serve):
    url = f"{serve(stores).url}/v3.zarr"
    stock = tmp_path / "stock"
    firn("link", url, "--feedstock", stock, "--accept", "cors-missing", "--reason", "notebooks: only", check=True)

    def record():
        return yaml.safe_load((stock / "catalog.yaml").read_text())["stores"][0]["firn:link"]
    expected = {"egress": "none", "warnings": ["this-machine"], "accepted": [{"warning": "cors-missing", "reason": "notebooks: only"}]}
    assert record() == expected
    firn("link", url, "--feedstock", stock, check=True)
    assert record() == expected
    answer = firn("link", url, "--feedstock", stock, "--accept", "this-machine", "--reason", "a test", check=True)
    assert {w["code"]: w.get("accepted") for w in answer.result["warnings"]} == {"cors-missing": "notebooks: only", "this-machine": "a test"}
    assert record()["warnings"] == []


@pytest.mark.parametrize("words", [["--accept", "cors-missing"], ["--reason", "why"], ["--accept", "link-not-public", "--reason", "no"], ["--accept", "cors-missing", "--reason", " "]])
def test_what_cannot_be_accepted_is_a_mistake_of_the_call(stores, words):
    assert firn("link", stores / "v3.zarr", *words).status == 2


def test_a_local_store_is_public_only_in_a_local_catalog(stores, tmp_path):
    stock = tmp_path / "stock"
    stock.mkdir()
    (stock / "catalog.yaml").write_text("stores:\n  - {id: far, url: 'https://host/far.zarr'}\n")
    blocked(firn("link", stores / "v3.zarr", "--feedstock", stock), 5, "link-not-public")
    (tmp_path / "firn.toml").write_text('[locations.pod]\nurl = "s3://bucket"\nendpoint = "https://pod.example.org"\n')
    answer = blocked(firn("link", stores / "v3.zarr", cwd=tmp_path), 5, "link-not-public")
    assert "pod" in answer.error["what"]
    (tmp_path / "firn.toml").write_text(f'[locations.here]\nurl = "{tmp_path}/here"\n')
    assert "counts as public" in str(firn("link", stores / "v3.zarr", cwd=tmp_path, check=True).result["criteria"])


def test_a_broken_document_is_not_touched(stores, tmp_path):
    stock = tmp_path / "stock"
    stock.mkdir()
    (stock / "catalog.yaml").write_text("stores: [}\n")
    assert firn("link", stores / "v3.zarr", "--feedstock", stock).status == 3
    assert (stock / "catalog.yaml").read_text() == "stores: [}\n" and len(list(stock.iterdir())) == 1


def test_a_managed_dataset_is_linked_at_its_version(tmp_path):
    (tmp_path / "feed").mkdir()
    (tmp_path / "feed/recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [{"id": "air", "source": {"files": [str(AIR)]}, "target": {"format": "zarr3"}}]}))
    firn("run", tmp_path / "feed", "--target", tmp_path / "published/air", check=True)
    answer = firn("link", tmp_path / "published/air", check=True)
    assert answer.result["entry"]["url"] == str(tmp_path / "published/air/v1") and answer.result["entry"]["id"] == "air"
