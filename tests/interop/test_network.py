"""Behind a proxy, and with certificates of one's own."""
import base64
import http.server
import pathlib
import ssl
import threading

import pytest
from support import proxy
from support.binary import TESTDATA, environment, firn
from support.servers import FileServer, _Handler
from test_outputs import fits


@pytest.fixture
def here(tmp_path):
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n')
    return tmp_path


@pytest.fixture
def files():
    with FileServer(TESTDATA) as server:
        yield server


class SecureServer(FileServer):
    """The same over TLS, with a certificate that no system trusts."""

    def __init__(self, root, pem):
        http.server.ThreadingHTTPServer.__init__(self, ("127.0.0.1", 0), _Handler)
        self.cors, self.denied, self.ranges, self.root = None, (), True, pathlib.Path(root).resolve()
        self.lock, self.requests, self.faults, self.bytes = threading.Lock(), [], [], 0
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


@pytest.fixture
def secure(tmp_path):
    authority, pem = proxy.certificate(tmp_path)
    with SecureServer(TESTDATA, pem) as server:
        yield server, authority


def test_requests_go_by_the_proxy_and_not_to_its_exceptions(here, files):
    with proxy.Proxy() as by:
        env = environment(HTTP_PROXY=by.url, http_proxy=by.url)
        fits("inspect", firn("inspect", f"{files.url}/netcdf4/air.nc", cwd=here, env=env))
        assert by.passed and {host for _, host in by.passed} == {f"127.0.0.1:{files.server_port}"}
        seen = len(by.passed)
        fits("inspect", firn("inspect", f"{files.url}/netcdf4/air.nc", cwd=here, env=env | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}))
        assert len(by.passed) == seen


def test_buckets_are_reached_by_the_proxy(here, s3, bucket):
    with proxy.Proxy() as by:
        env = environment(HTTP_PROXY=by.url, http_proxy=by.url, **s3.environment)
        source = TESTDATA / "netcdf4/air.nc"
        fits("cp", firn("cp", source, f"s3://{bucket}/air.nc", cwd=here, env=env))
        assert any(method == "PUT" for method, _ in by.passed)
    assert s3.client().get_object(Bucket=bucket, Key="air.nc")["Body"].read() == source.read_bytes()


def test_a_password_of_a_proxy_is_used_and_never_shown(here, files):
    token = base64.b64encode(b"ana:hunter2secret").decode()
    with proxy.Proxy(authorization=f"Basic {token}") as by:
        named = by.url.replace("http://", "http://ana:hunter2secret@")
        env = environment(HTTP_PROXY=named, http_proxy=named)
        answer = firn("-vv", "inspect", f"{files.url}/netcdf4/air.nc", cwd=here, env=env)
        fits("inspect", answer)
        shown = firn("config", "show", cwd=here, env=env)
        fits("config-show", shown)
        assert by.passed
        assert by.url.split("//")[1] in str(shown.result["proxies"])
        for text in (answer.stdout, answer.stderr, shown.stdout, shown.stderr):
            assert "hunter2" not in text and token not in text


def test_a_proxy_that_is_not_there_is_named_as_such(here, files):
    env = environment(HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    answer = firn("inspect", f"{files.url}/netcdf4/air.nc", cwd=here, env=env, timeout=300)
    assert (answer.status, answer.error["category"]) == (9, "unavailable"), answer


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_of_ones_own_are_trusted_where_they_are_named(here, secure, variable):
    server, authority = secure
    fits("inspect", firn("inspect", f"{server.url}/netcdf4/air.nc", cwd=here, env=environment(**{variable: authority})))
    shown = fits("config-show", firn("config", "show", cwd=here, env=environment(**{variable: authority})))
    assert variable in shown["certificates"]


def test_other_certificates_are_refused_at_once(here, secure):
    server, _ = secure
    answer = firn("inspect", f"{server.url}/netcdf4/air.nc", cwd=here)
    assert (answer.status, answer.error["category"]) == (9, "unavailable") and "SSL_CERT_FILE" in answer.error["what"], answer
    assert "attempts" not in answer.error["what"]


def test_tls_goes_through_the_proxy_by_connect(here, secure):
    server, authority = secure
    with proxy.Proxy() as by:
        env = environment(HTTPS_PROXY=by.url, https_proxy=by.url, SSL_CERT_FILE=authority)
        fits("inspect", firn("inspect", f"{server.url}/netcdf4/air.nc", cwd=here, env=env))
        assert {method for method, _ in by.passed} == {"CONNECT"}


def test_a_file_without_certificates_is_named(here, tmp_path):
    (tmp_path / "none.pem").write_text("nothing\n")
    answer = firn("config", "show", cwd=here, env=environment(AWS_CA_BUNDLE=tmp_path / "none.pem"))
    assert (answer.status, answer.code) == (2, "environment-invalid") and "AWS_CA_BUNDLE" in str(answer.error), answer
