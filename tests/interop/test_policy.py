"""Where data go: the policy file, the rules of locations, what traffic costs."""
import shutil

import pytest
import yaml
from support.binary import REPOSITORY, TESTDATA, environment, firn
from test_outputs import fits

EXAMPLE = REPOSITORY / "examples/leap"


@pytest.fixture
def here(tmp_path):
    """Three places, and a policy that chooses between two of them."""
    (tmp_path / "firn.toml").write_text(f"""
state_dir = "{tmp_path}/state"
policy = "policy.toml"
[locations.open]
url = "{tmp_path}/open"
role = "published"
public = true
quota = "50MB"
[locations.closed]
url = "{tmp_path}/closed"
role = "published"
private = true
egress = "reader"
egress_price = "100 USD"
[locations.mine]
url = "{tmp_path}/mine"
owner = "{{user}}/"
""")
    (tmp_path / "policy.toml").write_text("""
version = 1
[[destination]]
to = "closed"
public = false
because = "nobody else needs it"
[[destination]]
to = "open"
shape = "zarr"
because = "everybody may read it"
""")
    return tmp_path


def feedstock(here, name, target="", public=None, source=None):
    folder = here / name
    folder.mkdir()
    (folder / "meta.yaml").write_text("title: Air\ndescription: Air\nprovenance: {providers: [{name: NCEP}], license: CC0-1.0}\nmaintainers: [{name: Ada Example}]\n")
    store = {"id": "air", "url": "https://example.org/x"} | ({} if public is None else {"public": public})
    (folder / "catalog.yaml").write_text(yaml.safe_dump({"type": "ingested", "tags": [], "stores": [store]}))
    (folder / "recipe.yaml").write_text(f"""version: 1
recipes:
  - id: air
    source: {{files: ["{source or TESTDATA / 'netcdf4/air.nc'}"]}}
    target: {{format: zarr3{target}}}
""")
    return folder


@pytest.mark.parametrize("public, place, reason", [(None, "open", "everybody may read it"), (True, "open", "everybody may read it"), (False, "closed", "nobody else needs it")])
def test_the_policy_chooses_the_place_of_a_recipe(here, public, place, reason):
    folder = feedstock(here, "air", public=public)
    plan = fits("plan", firn("plan", folder, cwd=here))["recipes"][0]
    assert plan["destination"]["url"] == f"{here}/{place}/air/air" and reason in plan["destination"]["because"]
    assert any(f"locations.{place}" in rule for rule in plan["destination"]["rules"])
    ran = fits("run", firn("run", folder, "--no-write", cwd=here))
    assert ran["recipes"][0]["target"] == f"{here}/{place}/air/air"
    assert (here / place / "air/air/v1/zarr.json").exists()


def test_what_a_recipe_or_a_flag_says_goes_before_the_policy(here):
    folder = feedstock(here, "air", target=", location: closed")
    assert "the recipe names" in fits("plan", firn("plan", folder, cwd=here))["recipes"][0]["destination"]["because"]
    ran = firn("run", folder, "--target", here / "elsewhere", "--no-write", cwd=here)
    assert ran.status == 0 and (here / "elsewhere/v1/zarr.json").exists(), ran


def test_private_data_become_public_by_no_verb(here):
    (here / "closed").mkdir()
    shutil.copy(TESTDATA / "netcdf4/air.nc", here / "closed/air.nc")
    folder = feedstock(here, "air", target=", location: open", source=here / "closed/air.nc")
    planned = firn("plan", folder, cwd=here)
    assert planned.code == "policy-forbids" and "private = true" in str(planned.result["recipes"][0]["problems"]), planned
    for words in (
        ["run", folder, "--no-write"],
        ["transform", "closed:air.nc", "--target", "open:t.zarr"],
        ["virtualize", "closed:air.nc", "--target", "open:v"],
        ["virtualize", here / "closed/air.nc", "--target", "open:v.json", "--format", "kerchunk-json"],
        ["cp", "closed:air.nc", "open:air.nc"],
        ["sync", "closed:", "open:c"],
    ):
        answer = firn(*words, cwd=here)
        assert (answer.code, answer.status) == ("policy-forbids", 5), answer
        assert "locations.closed: private = true" in str(answer.error), answer
    assert not any((here / "open").rglob("*")), list((here / "open").rglob("*"))
    ours = firn("transform", "closed:air.nc", "--target", "closed:t.zarr", cwd=here)
    assert ours.status == 0, ours


def test_nobody_writes_into_the_folder_of_somebody_else(here):
    env = environment(USER="ana", JUPYTERHUB_USER="ana")
    source = TESTDATA / "netcdf4/air.nc"
    for words in (["transform", source, "--target", "mine:bob/x.zarr"], ["cp", source, "mine:bob/air.nc"], ["cp", source, "mine:air.nc"]):
        answer = firn(*words, cwd=here, env=env)
        assert (answer.code, answer.status) == ("policy-forbids", 5), answer
    done = firn("transform", source, "--target", "mine:ana/x.zarr", cwd=here, env=env)
    assert done.status == 0, done


def test_what_a_copy_costs_and_where_the_policy_would_put_it(here):
    (here / "closed").mkdir()
    (here / "closed/big.bin").write_bytes(bytes(10_000_000))
    report = fits("cp", firn("cp", "--explain", "closed:big.bin", here / "copy.bin", cwd=here))
    assert (report["advice"]["egress"], report["advice"]["egress_cost"]) == ("reader", "1.00 USD")
    assert any(rule.startswith("policy: to closed, where public = false: nobody else needs it") for rule in report["advice"]["rules"])
    assert not any("to open" in rule for rule in report["advice"]["rules"])
    (here / "large").mkdir()
    for number in range(6):
        (here / f"large/{number}").write_bytes(bytes(10_000_000))
    too_much = firn("cp", "-r", "--explain", here / "large", "open:large", cwd=here)
    assert too_much.code == "policy-forbids" and "quota" in str(too_much.error), too_much
    assert firn("cp", "-r", here / "large", "open:large", cwd=here).code == "policy-forbids"
    assert not [path for path in (here / "open").rglob("*") if path.is_file()]


@pytest.mark.parametrize("text, told", [
    ("version = 1\n[[destination]]\nto = 'x'\npublik = true\nbecause = 'y'\n", "publik"),
    ("version = 3\n", "version"),
    ("version = 1\n[[destination]]\nto = 'x'\nbecause = ''\n", "reason"),
])
def test_a_policy_that_is_none_is_refused(here, text, told):
    (here / "policy.toml").write_text(text)
    answer = firn("config", "show", cwd=here)
    assert answer.status == 3 and told in str(answer.error) and "policy.toml" in str(answer.error), answer


def test_a_rule_that_leads_to_no_location_says_so(here):
    (here / "policy.toml").write_text("version = 1\n[[destination]]\nto = 'gone'\nbecause = 'x'\n")
    answer = firn("run", feedstock(here, "air"), cwd=here)
    assert answer.status in (2, 3, 4) and "gone" in str(answer.error), answer


def test_the_shipped_examples_hold(tmp_path):
    for name in ("firn.toml", "policy.toml"):
        shutil.copy(EXAMPLE / name, tmp_path / name)
    env = environment(FIRN_STATE_DIR=str(tmp_path / "state"), USER="ana", HOME=str(tmp_path))
    shown = fits("config-show", firn("config", "show", cwd=tmp_path, env=env))
    assert set(shown["locations"]) == {"scratch", "persistent", "inbox", "manual", "pipeline"}
    assert shown["settings"]["policy"]["value"].endswith("policy.toml")
    cases = [(False, str(TESTDATA / "netcdf4/air.nc"), "gs://leap-persistent/f0/air"), (True, str(TESTDATA / "netcdf4/air.nc"), "s3://leap-pangeo-manual/f1/air")]
    for number, (public, source, expected) in enumerate(cases):
        folder = feedstock(tmp_path, f"f{number}", public=public, source=source)
        plan = firn("plan", folder, cwd=tmp_path, env=env, timeout=300).result["recipes"][0]
        assert plan["destination"]["url"] == expected, plan["destination"]
