"""Secrets that a user has to give firn appear nowhere: not in what it prints, and not in what it writes."""
import json
import shutil

import pytest
import yaml
from support.binary import TESTDATA, environment, firn

AIR = TESTDATA / "netcdf4/air.nc"
USERINFO, SIGNATURE, TOKEN = "hunter2-userinfo", "hunter2-signature", "hunter2-token"


@pytest.fixture
def served(tmp_path, serve):
    (tmp_path / "www").mkdir()
    shutil.copy(AIR, tmp_path / "www/air.nc")
    return serve(tmp_path / "www").url


def leaks(secrets, *texts):
    return [(secret, text[max(0, text.find(secret) - 80):][:200]) for secret in secrets for text in texts if secret in text]


def written(folder):
    """All bytes below a folder, names too."""
    return ["".join([str(path.relative_to(folder)), path.read_bytes().decode("latin-1")]) for path in folder.rglob("*") if path.is_file()]


def test_secrets_of_addresses_are_neither_printed_nor_kept(tmp_path, served):
    host = served.removeprefix("http://")
    urls = [f"http://user:{USERINFO}@{host}/air.nc", f"{served}/air.nc?X-Amz-Signature={SIGNATURE}&token={TOKEN}"]
    state = tmp_path / "state"
    state.mkdir()
    answers = []
    for number, url in enumerate(urls):
        for words in (
            ["inspect", url], ["inspect", url, "--chunks", "air"], ["plan", url], ["plan", url, "--write", state / f"p{number}"],
            ["init", state / f"i{number}", "--from", url], ["transform", url, "--target", state / f"t{number}.zarr"],
            ["virtualize", url, "--target", state / f"v{number}"], ["verify", url], ["run", url], ["catalog", "show", "x", "--catalog", url],
            ["inspect", url.replace("air.nc", "gone.nc")], ["transform", url.replace("air.nc", "gone.nc"), "--target", state / "x"],
        ):
            answers += [firn(*words, "-vv"), firn(*words, "-vv", "-o", "text")]
    assert any(answer.status == 0 for answer in answers), "nothing succeeded, so nothing was shown"
    texts = [text for answer in answers for text in (answer.stdout, answer.stderr)]
    found = leaks([USERINFO, SIGNATURE, TOKEN], *texts, *written(state))
    assert not found, found


def test_secrets_in_documents_are_refused_without_being_repeated(tmp_path, served):
    stock = tmp_path / "feed"
    stock.mkdir()
    source = {"files": [f"{served}/air.nc?X-Amz-Signature={SIGNATURE}"], "dims": {"time": {"concat": True}}}
    (stock / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [{"id": "feed", "source": source}]}))
    for words in (["catalog", "validate", stock], ["plan", stock], ["run", stock, "--target", tmp_path / "out"]):
        answer = firn(*words, "-vv")
        assert not leaks([SIGNATURE], answer.stdout, answer.stderr), str(answer)
    assert not (tmp_path / "out").exists() or not leaks([SIGNATURE], *written(tmp_path / "out"))


def test_keys_of_a_bucket_are_in_nothing_that_a_run_leaves(tmp_path, s3, s3_env, bucket):
    s3.client().upload_file(str(AIR), bucket, "in/air.nc")
    stock = tmp_path / "feed"
    stock.mkdir()
    source = {"files": [f"s3://{bucket}/in/air.nc"], "dims": {"time": {"concat": True}}}
    recipes = [{"id": "refs", "source": source}, {"id": "copy", "source": source, "target": {"format": "zarr3"}}]
    (stock / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": recipes}))
    (stock / "catalog.yaml").write_text("stores: []\n")
    answers = [
        firn("run", stock, "--recipe", recipe, "--target", f"s3://{bucket}/{recipe}", *rest, "-vv", env=s3_env)
        for recipe in ("refs", "copy") for rest in (["--task-range", "1/2"], [])
    ]
    answers += [
        firn(*words, "-vv", env=s3_env) for words in
        (["config", "show"], ["plan", stock], ["inspect", f"s3://{bucket}/refs"], ["verify", f"s3://{bucket}/copy"])
    ]
    assert all(answer.status == 0 for answer in answers), [str(answer) for answer in answers if answer.status]
    client = s3.client()
    kept = [key + client.get_object(Bucket=bucket, Key=key)["Body"].read().decode("latin-1") for key in s3.objects(bucket) if not key.startswith("in/")]
    assert any(key.startswith("refs/") for key in kept) and any(key.startswith("copy/") for key in kept)
    secrets = [s3_env["AWS_SECRET_ACCESS_KEY"], s3_env["AWS_ACCESS_KEY_ID"]]
    texts = [text for answer in answers for text in (answer.stdout, answer.stderr)]
    found = leaks(secrets[:1], *texts) + leaks(secrets, *kept, *written(stock))
    assert not found, found


def test_references_that_readers_cannot_follow_become_a_copy(tmp_path, served):
    """Readers of Icechunk's first specification drop the port of an address."""
    stock = tmp_path / "feed"
    stock.mkdir()
    source = {"files": [f"{served}/air.nc"], "dims": {"time": {"concat": True}}}

    def recipe(**more):
        (stock / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [{"id": "feed", "source": source, **more}]}))

    recipe()
    plan = firn("plan", stock, check=True).result["recipes"][0]["strategy"]
    run = firn("run", stock, "--target", tmp_path / "out", "--no-write", check=True).result["recipes"][0]
    assert (plan["name"], run["strategy"]) == ("transform", "transform")
    assert "port" in plan["because"] and "port" in run["strategy_reason"]
    recipe(strategy="virtualize")
    for words in (["plan", stock], ["run", stock, "--target", tmp_path / "out2", "--no-write"]):
        answer = firn(*words)
        assert (answer.status, answer.code) == (7, "icechunk-port-dropped"), str(answer)


def test_secrets_of_a_catalog_and_of_its_stores_are_not_shown(tmp_path, served):
    url = f"{served}/catalog.json?token={TOKEN}"
    entry = {
        "title": "x", "description": "x", "provenance": {"providers": [], "license": "CC0-1.0"}, "maintainers": [], "ncviewjs:meta_yaml_url": "https://github.com/o/x_feedstock/blob/main/feedstock/meta.yaml",
        "stores": [{"id": "s", "name": "s", "url": f"https://host/a.zarr?token={TOKEN}"}],
    }
    (tmp_path / "leap.json").write_text(json.dumps([entry]))
    env = environment(FIRN_CATALOG=url)
    answers = []
    for form in ("text", "json"):
        answers += [firn("config", "show", "-o", form, env=env), firn("catalog", "validate", url, "-o", form)]
        answers += [firn("catalog", "build", url, "--out", tmp_path / "out", "-o", form)]
        answers += [firn("catalog", verb, "x.s", "--catalog", tmp_path / "leap.json", "-o", form) for verb in ("show", "snippet")]
    assert "https://host/a.zarr?token=" in "".join(answer.stdout for answer in answers), "the store was not found"
    found = leaks([TOKEN], *(text for answer in answers for text in (answer.stdout, answer.stderr)))
    assert not found, found
