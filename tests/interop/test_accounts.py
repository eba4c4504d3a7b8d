"""Credentials that people have already: remotes of rclone.conf, AWS profiles, sign-on, roles."""
import base64
import hashlib
import http.server
import json
import threading

import pytest
from support.binary import TESTDATA, environment, firn
from support.servers import BadNetwork, TokenService
from test_outputs import fits

SECRET = "hunter2-secret"


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home/.aws").mkdir(parents=True)
    (tmp_path / "home/.config/rclone").mkdir(parents=True)
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n')
    return tmp_path / "home"


@pytest.fixture
def door(s3):
    """The S3 endpoint, by way of one that sees which key a request is signed with."""
    network = BadNetwork(s3.endpoint)
    yield network
    network.__exit__()


def user(home, **variables):
    return environment(HOME=home, AWS_REGION="us-east-1", **variables) | {}


def remotes(home, text):
    (home / ".config/rclone/rclone.conf").write_text(text)


def remote(name, url, key, secret=SECRET):
    return f"[{name}]\ntype = s3\nprovider = Ceph\nendpoint = {url}\naccess_key_id = {key}\nsecret_access_key = {secret}\n"


# ------------------------------------------------------------------ rclone
def test_a_remote_of_rclone_is_used_as_it_is(home, tmp_path, s3, door, bucket):
    key, secret = (s3.key, s3.secret) if s3.real else ("KEYOFREMOTE", SECRET)
    remotes(home, remote("osn", door.url, key, secret) + f"[here]\ntype = alias\nremote = osn:{bucket}/up/\n")
    env = user(home)
    (tmp_path / "src/sub").mkdir(parents=True)
    (tmp_path / "src/a.nc").write_bytes(b"one")
    (tmp_path / "src/sub/b.nc").write_bytes(b"two")
    copied = fits("cp", firn("cp", "-r", "src", f"osn:{bucket}/up", env=env, cwd=tmp_path))
    assert copied["copied"] == 2
    assert door.signers == {key}
    assert s3.objects(bucket, "up/") == {"a.nc": b"one", "sub/b.nc": b"two"}
    assert [entry["key"] for entry in fits("ls", firn("ls", f"osn:{bucket}", env=env, cwd=tmp_path))["entries"]] == ["up/"]
    nowhere = firn("ls", "osn:", env=env, cwd=tmp_path)
    assert nowhere.status == 2 and "osn:BUCKET/KEY" in nowhere.error["what"], str(nowhere)
    # An alias, and the address in other words, are the same place.
    listed = fits("ls", firn("ls", "-r", "here:", env=env, cwd=tmp_path))
    assert {entry["key"] for entry in listed["entries"]} == {"a.nc", "sub/b.nc"}
    fits("check", firn("check", "src", "here:", env=env, cwd=tmp_path))
    assert firn("cat", "here:a.nc", "-o", "text", env=env, cwd=tmp_path).stdout == "one"


def test_a_bucket_of_a_remote_is_guarded_as_the_location_that_it_is(home, tmp_path, s3, bucket):
    remotes(home, remote("osn", s3.endpoint, s3.key, s3.secret))
    (tmp_path / "firn.toml").write_text(f'state_dir = "state"\n[locations.inbox]\nurl = "osn:{bucket}/in"\nrole = "inbox"\n')
    s3.client().put_object(Bucket=bucket, Key="in/a/x.nc", Body=b"x")
    env = user(home)
    for address in (f"osn:{bucket}/in/a/x.nc", "inbox:a/x.nc"):
        answer = firn("rm", "--yes", address, env=env, cwd=tmp_path)
        assert (answer.code, answer.status) == ("objects-protected", 5), str(answer)
    assert s3.objects(bucket) == {"in/a/x.nc": b"x"}
    assert fits("ls", firn("ls", "inbox:a", env=env, cwd=tmp_path))["entries"][0]["key"] == "x.nc"


def test_remotes_that_firn_does_not_speak_say_so(home, tmp_path):
    remotes(home, remote("osn", "https://pod.example", "K") + "[secret]\ntype = crypt\nremote = osn:x\npassword = abc\n[drive]\ntype = drive\n"
            "[half]\ntype = s3\nprovider = Ceph\nendpoint = https://pod.example\naccess_key_id = K\n")
    env = user(home)
    for name, status, word in (("secret", 7, "crypt"), ("drive", 7, "drive"), ("half", 5, "one of its two keys"), ("nobody", 2, "osn")):
        answer = firn("ls", f"{name}:bucket", env=env, cwd=tmp_path)
        assert answer.status == status and word in answer.stdout, str(answer)
    (home / ".config/rclone/rclone.conf").write_text("# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nabc\n")
    answer = firn("ls", "osn:bucket", env=env, cwd=tmp_path)
    assert answer.status == 7 and "encrypted" in answer.error["what"], str(answer)
    # A file that nobody can read stands in the way of those alone who need it.
    (home / ".config/rclone/rclone.conf").write_bytes(b"[osn]\ntype = s3 \xff\xfe\n")
    (home / ".netrc").write_bytes(b"\xff\xfe machine")
    answer = firn("ls", "osn:bucket", env=env, cwd=tmp_path)
    assert answer.status == 7 and "cannot be read" in answer.error["what"], str(answer)
    assert firn("ls", ".", env=env, cwd=tmp_path).status == 0
    remotes(home, remote("osn", "https://pod.example", "K").replace("\n", "\r\n"))
    assert "pod.example/ " in fits("config-show", firn("config", "show", env=env, cwd=tmp_path))["remotes"]["osn"]["leads_to"].replace("example by", "example/ by")


def test_config_show_names_the_sources_and_no_secret(home, tmp_path):
    remotes(home, remote("osn", "https://pod.example", "hunter2-key") + "[secret]\ntype = crypt\nremote = osn:x\npassword = hunter2-password\n")
    (home / ".aws/credentials").write_text("[lab]\naws_access_key_id = hunter2-id\naws_secret_access_key = hunter2-secret\n")
    (tmp_path / "firn.toml").write_text('[locations.a]\nurl = "s3://b/a"\nprofile = "lab"\n[locations.b]\nurl = "osn:b/b"\n')
    shown = fits("config-show", firn("config", "show", env=user(home), cwd=tmp_path))
    assert shown["locations"]["a"]["credentials"] == 'the AWS profile "lab"'
    assert shown["locations"]["b"]["credentials"] == 'the rclone remote "osn"'
    assert shown["remotes"]["osn"]["is_usable"] and not shown["remotes"]["secret"]["is_usable"]
    for words in (["config", "show"], ["config", "show", "-o", "text"], ["ls", "secret:x"], ["config", "show", "-vv"]):
        answer = firn(*words, env=user(home), cwd=tmp_path)
        assert "hunter2" not in answer.stdout + answer.stderr, str(answer)


# ------------------------------------------------------------------ AWS
def test_each_location_has_the_keys_of_its_profile(home, tmp_path, s3, door, bucket):
    if s3.real:
        pytest.skip("needs an endpoint that takes any key")
    (home / ".aws/credentials").write_text("".join(f"[{name}]\naws_access_key_id = KEYOF{name}\naws_secret_access_key = x\n" for name in ("one", "two")))
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n' + "".join(
        f'[locations.{name}]\nurl = "s3://{bucket}/{name}"\nendpoint = "{door.url}"\nprofile = "{name}"\n' for name in ("one", "two")))
    s3.client().put_object(Bucket=bucket, Key="one/x.nc", Body=b"x")
    # Keys of the environment are those of addresses outside of locations.
    env = user(home, AWS_ACCESS_KEY_ID="KEYOFENV", AWS_SECRET_ACCESS_KEY="x")
    fits("ls", firn("ls", "one:", env=env, cwd=tmp_path))
    assert door.signers == {"KEYOFone"}
    fits("cp", firn("cp", "one:x.nc", "two:x.nc", env=env, cwd=tmp_path))
    assert door.signers == {"KEYOFone", "KEYOFtwo"}
    assert s3.objects(bucket, "two/") == {"x.nc": b"x"}


def portal():
    keys = {"accessKeyId": "KEYOFSSO", "secretAccessKey": SECRET, "sessionToken": "t", "expiration": 4102444800000}
    return TokenService({"/federation/credentials": (200, json.dumps({"roleCredentials": keys}).encode())})


def test_the_token_of_aws_sso_login_is_used(home, tmp_path, s3, door, bucket):
    if s3.real:
        pytest.skip("needs an endpoint that takes any key")
    (home / ".aws/config").write_text("[profile lab]\nsso_session = corp\nsso_account_id = 123\nsso_role_name = Reader\n"
                                      "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.example/start\n")
    cache = home / ".aws/sso/cache"
    cache.mkdir(parents=True)
    token = cache / (hashlib.sha1(b"corp").hexdigest() + ".json")
    service = portal()
    env = user(home, AWS_PROFILE="lab", AWS_ENDPOINT_URL_S3=door.url, AWS_ENDPOINT_URL_SSO=service.url)
    answer = firn("ls", f"s3://{bucket}", env=env, cwd=tmp_path)
    assert answer.status == 5 and "aws sso login --profile" in answer.error["what"] + answer.error["next"], str(answer)
    token.write_text(json.dumps({"accessToken": "hunter2-token", "expiresAt": "2020-01-01T00:00:00Z"}))
    assert "has ended" in firn("ls", f"s3://{bucket}", env=env, cwd=tmp_path).error["what"]
    token.write_text(json.dumps({"accessToken": "hunter2-token", "expiresAt": "2100-01-01T00:00:00Z"}))
    answer = firn("ls", f"s3://{bucket}", "-vv", env=env, cwd=tmp_path)
    fits("ls", answer)
    assert door.signers == {"KEYOFSSO"}
    [(method, path, headers)] = service.asked
    assert method == "GET" and path == "/federation/credentials?account_id=123&role_name=Reader"
    assert {k.lower(): v for k, v in headers.items()}["x-amz-sso_bearer_token"] == "hunter2-token"
    assert "hunter2" not in answer.stdout + answer.stderr


def test_a_role_is_taken_on_by_the_keys_of_another_profile(home, tmp_path, s3, door, bucket):
    if s3.real:
        pytest.skip("needs an endpoint that gives roles")
    (home / ".aws/config").write_text("[profile lab]\nrole_arn = arn:aws:iam::123456789012:role/reader\nsource_profile = base\nexternal_id = a b/c\n"
                                      f"[profile base]\naws_access_key_id = KEYOFBASE\naws_secret_access_key = {SECRET}\n")
    tokens = BadNetwork(s3.endpoint)
    env = user(home, AWS_PROFILE="lab", AWS_ENDPOINT_URL_S3=door.url, AWS_ENDPOINT_URL_STS=tokens.url)
    fits("ls", firn("ls", f"s3://{bucket}", env=env, cwd=tmp_path))
    tokens.__exit__()
    assert tokens.signers == {"KEYOFBASE"}
    [key] = door.signers
    assert key.startswith("ASIA"), key


def test_keys_may_be_printed_by_a_command_or_given_by_the_container(home, tmp_path, s3, door, bucket):
    if s3.real:
        pytest.skip("needs an endpoint that takes any key")
    program = tmp_path / "print keys.sh"
    program.write_text('#!/bin/sh\necho \'{"Version": 1, "AccessKeyId": "KEYOFCOMMAND", "SecretAccessKey": "s"}\'\n')
    program.chmod(0o755)
    (home / ".aws/config").write_text(f"[default]\ncredential_process = '{program}' --for firn\n")
    fits("ls", firn("ls", f"s3://{bucket}", env=user(home, AWS_ENDPOINT_URL_S3=door.url), cwd=tmp_path))
    assert door.signers == {"KEYOFCOMMAND"}
    program.write_text("#!/bin/sh\necho hunter2; exit 1\n")
    answer = firn("ls", f"s3://{bucket}", env=user(home, AWS_ENDPOINT_URL_S3=door.url), cwd=tmp_path)
    assert answer.status == 5 and "credential_process" in answer.error["what"] and "hunter2" not in answer.stdout, str(answer)

    (home / ".aws/config").unlink()
    door.signers.clear()
    keys = {"AccessKeyId": "KEYOFCONTAINER", "SecretAccessKey": "s", "Token": "t", "Expiration": "2100-01-01T00:00:00Z"}
    service = TokenService({"/creds": (200, json.dumps(keys).encode())})
    (tmp_path / "token").write_text("hunter2-token")
    env = user(home, AWS_ENDPOINT_URL_S3=door.url, AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{service.url}/creds",
               AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=tmp_path / "token")
    fits("ls", firn("ls", f"s3://{bucket}", env=env, cwd=tmp_path))
    assert door.signers == {"KEYOFCONTAINER"} and {k.lower(): v for k, v in service.asked[0][2].items()}["authorization"] == "hunter2-token"


def test_a_machine_of_amazon_has_keys_of_its_own(home, tmp_path, s3, door, bucket):
    if s3.real:
        pytest.skip("needs an endpoint that takes any key")
    keys = {"AccessKeyId": "KEYOFMACHINE", "SecretAccessKey": "s", "Token": "t", "Expiration": "2100-01-01T00:00:00Z"}
    at = "/latest/meta-data/iam/security-credentials/"
    service = TokenService({"/latest/api/token": (200, b"tok"), at: (200, b"role"), f"{at}role": (200, json.dumps(keys).encode())})
    env = user(home, AWS_ENDPOINT_URL_S3=door.url, AWS_EC2_METADATA_SERVICE_ENDPOINT=service.url)
    del env["AWS_EC2_METADATA_DISABLED"]
    fits("ls", firn("ls", f"s3://{bucket}", env=env, cwd=tmp_path))
    assert door.signers == {"KEYOFMACHINE"}


def test_a_wrong_setting_of_the_environment_is_named(tmp_path):
    for variable, value in (("AWS_ENDPOINT_URL", "nonsense"), ("AWS_PROFILE", "nobody")):
        answer = firn("ls", "s3://bucket", env=environment(HOME=tmp_path, **{variable: value}), cwd=tmp_path)
        assert (answer.code, answer.status) == ("environment-invalid", 2) and variable in answer.error["next"], str(answer)


# ------------------------------------------------------------------ web servers
class _Door(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        server.seen.append((self.path, self.headers.get("Authorization"), self.headers.get("Cookie")))
        status, headers, body = server.answer_of(self)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Door(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer_of, host="127.0.0.1"):
        super().__init__((host, 0), _Door)
        self.answer_of, self.seen = answer_of, []
        self.url = f"http://{host}:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_a_web_server_gets_the_password_of_netrc_and_no_other_does(home, tmp_path):
    data = (TESTDATA / "netcdf4/air.nc").read_bytes()
    # Two hosts of this machine: one that asks for the password and sends on, one that must not get it.
    mirror = Door(lambda request: (200, {"ETag": '"1"'}, data), host="127.0.0.2")

    def answer_of(request):
        if request.headers.get("Authorization") != basic("me", "hunter2 pw"):
            return 401, {"WWW-Authenticate": "Basic"}, b"who?"
        return (302, {"Location": f"{mirror.url}/copy.nc"}, b"") if request.path == "/moved.nc" else (200, {"ETag": '"1"'}, data)
    door = Door(answer_of)
    env = user(home)
    denied = firn("inspect", f"{door.url}/air.nc", env=env, cwd=tmp_path)
    assert denied.status == 5 and ".netrc" in denied.error["next"], str(denied)
    (home / ".netrc").write_text('machine 127.0.0.1 login me password "hunter2 pw"\n')
    for name in ("air.nc", "moved.nc"):
        answer = firn("cp", f"{door.url}/{name}", f"got-{name}", "-vv", env=env, cwd=tmp_path)
        assert answer.status == 0 and "hunter2" not in answer.stdout + answer.stderr, str(answer)
        assert (tmp_path / f"got-{name}").read_bytes() == data
    assert mirror.seen and all(authorization is None for _, authorization, _ in mirror.seen), mirror.seen
    state = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != ".netrc"]
    assert not any(b"hunter2" in text for text in state)
    # What everybody sees is asked for as everybody.
    door.seen.clear()
    firn("link", f"{door.url}/air.nc", env=env, cwd=tmp_path)
    assert any(authorization is None for _, authorization, _ in door.seen)


def test_a_sign_on_that_sends_back_with_a_cookie_works(home, tmp_path):
    """As NASA's Earthdata does: the data server sends to the sign-on, and that back with a code, for which there is a cookie."""
    data = (TESTDATA / "netcdf4/air.nc").read_bytes()

    def of_data(request):
        if "code=" in request.path:
            return 302, {"Location": "/air.nc", "Set-Cookie": "session=yes; Path=/"}, b""
        if "session=yes" in (request.headers.get("Cookie") or ""):
            return 200, {"ETag": '"1"'}, data
        return 302, {"Location": f"{sign_on.url}/oauth/authorize?redirect_uri=x"}, b""

    def of_sign_on(request):
        if request.headers.get("Authorization") != basic("me", "hunter2"):
            return 401, {}, b""
        return 302, {"Location": f"{server.url}/login?code=1"}, b""
    server, sign_on = Door(of_data), Door(of_sign_on, host="127.0.0.2")
    (home / ".netrc").write_text("machine 127.0.0.2 login me password hunter2\n")
    answer = firn("cp", f"{server.url}/air.nc", "got.nc", env=user(home), cwd=tmp_path)
    assert answer.status == 0, str(answer)
    assert (tmp_path / "got.nc").read_bytes() == data
    assert all(authorization is None for _, authorization, _ in server.seen)
