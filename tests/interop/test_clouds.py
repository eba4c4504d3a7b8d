"""Google Cloud Storage and Azure Blob Storage: what every verb does with a bucket, it does with theirs."""
import os
import uuid

import pytest
from support.azure import ACCOUNT, KEY, Azurite, program
from support.binary import TESTDATA, environment, firn
from support.google import GoogleStorage
from test_outputs import fits

AIR = TESTDATA / "netcdf4/air.nc"
TOKEN = "hunter2-token"


class Google:
    def __init__(self):
        self.server = GoogleStorage("firn-test", page=7)
        self.at, self.environment = "gs://firn-test", {"STORAGE_EMULATOR_HOST": self.server.url, "GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN}
        self.remote = f"type = google cloud storage\naccess_token = {TOKEN}\nendpoint = {self.server.url}\n"
        self.secret, self.nowhere = TOKEN, "gs://nobody"

    def stop(self):
        assert self.server.tokens <= {TOKEN}, self.server.tokens
        self.server.__exit__()


class Azure:
    def __init__(self):
        self.server = Azurite()
        self.at, self.environment = f"az://{self.server.container(f'firn-{uuid.uuid4().hex[:8]}')}", self.server.environment
        self.remote = f"type = azureblob\naccount = {ACCOUNT}\nkey = {KEY}\nendpoint = {self.server.url}\n"
        self.secret, self.nowhere = KEY, "az://nobody"

    def stop(self):
        self.server.stop()


@pytest.fixture(params=[Google, Azure])
def cloud(request):
    if request.param is Azure and not program():
        if os.environ.get("FIRN_TEST_AZURE"):
            pytest.fail("Azurite is not installed")
        pytest.skip("needs Azurite: make acceptance installs it")
    made = request.param()
    yield made
    made.stop()


@pytest.fixture
def here(tmp_path, cloud):
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n')

    def run(*words, **more):
        env = environment(HOME=tmp_path, **cloud.environment) | more
        answer = firn(*words, env=env, cwd=tmp_path)
        assert cloud.secret not in answer.stdout + answer.stderr, str(answer)
        return answer
    run.path = tmp_path
    return run


def test_trees_go_there_and_come_back(here, cloud):
    source = here.path / "src"
    names = [f"c/{number}" for number in range(30)] + ["with space.nc", "plus+percent%41.nc", "ümläut/❄.nc", "empty"]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"" if name == "empty" else name.encode() * 50)
    (source / "large").write_bytes(os.urandom(1 << 20) * 70)
    assert fits("cp", here("cp", "-r", "src", f"{cloud.at}/x", "-vv"))["copied"] == len(names) + 1
    assert fits("cp", here("cp", "-r", "src", f"{cloud.at}/x"))["copied"] == 0
    assert {entry["key"] for entry in fits("ls", here("ls", "-r", f"{cloud.at}/x"))["entries"]} == {*names, "large"}
    fits("cp", here("cp", "-r", f"{cloud.at}/x", "back"))
    assert {str(p.relative_to(here.path / "back")): p.read_bytes() for p in (here.path / "back").rglob("*") if p.is_file()} == \
        {str(p.relative_to(source)): p.read_bytes() for p in source.rglob("*") if p.is_file()}
    (source / "c/7").write_bytes(b"other")
    assert here("check", "src", f"{cloud.at}/x").status == 10
    assert here("cp", "-r", "src", f"{cloud.at}/x").code == "objects-different"
    fits("cp", here("cp", "-r", "--replace", "src", f"{cloud.at}/x"))
    (source / "c/8").unlink()
    fits("sync", here("sync", "--delete", "src", f"{cloud.at}/x"))
    fits("check", here("check", "src", f"{cloud.at}/x"))
    fits("cp", here("cp", "-r", f"{cloud.at}/x", f"{cloud.at}/y"))
    fits("rm", here("rm", "-r", "--yes", f"{cloud.at}/x"))
    assert here("ls", f"{cloud.at}/x").status == 4
    assert here("ls", cloud.nowhere).status == 4
    assert here("ls", f"{cloud.at}/y").status == 0


@pytest.mark.parametrize("form", ["zarr3", "icechunk"])
def test_stores_are_written_and_verified_there(here, cloud, form):
    target = f"{cloud.at}/{form}"
    fits("transform", here("transform", AIR, "--target", target, "--format", form))
    fits("verify", here("verify", target, "--against", AIR, "--full"))
    again = here("transform", AIR, "--target", target, "--format", form)
    assert again.status == 6, str(again)


def test_files_there_are_read_by_ranges_and_referred_to(here, cloud):
    fits("cp", here("cp", AIR, f"{cloud.at}/raw/air.nc"))
    fits("inspect", here("inspect", f"{cloud.at}/raw/air.nc"))
    fits("virtualize", here("virtualize", f"{cloud.at}/raw/*.nc", "--concat-dim", "time", "--target", f"{cloud.at}/v.json", "--format", "kerchunk-json"))
    fits("verify", here("verify", f"{cloud.at}/v.json", "--against", AIR))


def test_uploads_are_promoted_between_its_locations(here, cloud):
    (here.path / "firn.toml").write_text('state_dir = "state"\n' + "".join(f'[locations.{role}]\nurl = "{cloud.at}/{role}"\nrole = "{role}"\n' for role in ("inbox", "published")))
    fits("transform", here("transform", AIR, "--target", "air.zarr"))
    fits("push", here("push", "air.zarr", "--to", "inbox/air", "--seal"))
    fits("inbox-promote", here("inbox", "promote", "inbox/air", "--to", "published/air"))
    fits("verify", here("verify", "published:air", "--against", AIR))
    assert here("inbox", "promote", "inbox/air", "--to", "published/air").status in (0, 6)
    assert here("rm", "-r", "--yes", "published:air").code == "objects-protected"
    fits("config-check", here("config", "check"))


def test_remotes_of_rclone_lead_there(here, cloud):
    bucket = cloud.at.partition("://")[2]
    (here.path / "rclone.conf").write_text(f"[lab]\n{cloud.remote}")
    fits("cp", here("cp", AIR, f"{cloud.at}/raw/air.nc"))
    plain = {name: "" for name in cloud.environment}
    env = {"RCLONE_CONFIG": str(here.path / "rclone.conf"), **plain}
    assert fits("ls", here("ls", f"lab:{bucket}/raw", **env))["entries"][0]["key"] == "air.nc"
    fits("verify", here("verify", f"lab:{bucket}/raw/air.nc", **env))
    shown = fits("config-show", here("config", "show", **env))
    assert shown["remotes"]["lab"]["is_usable"], shown
