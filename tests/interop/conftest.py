"""Fixtures shared by the interop tests. FIRN_BIN names the binary, FIRN_TEST_S3_ENDPOINT a real S3 endpoint in place of moto."""
import os
import pathlib
import sys
import uuid

import pytest

# Each opening of a local repository warns that several may not commit at once.
os.environ.setdefault("ICECHUNK_LOG", "error")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fixtures"))

import make_drift  # noqa: E402
from support.binary import binary, environment  # noqa: E402
from support.servers import S3, FileServer  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def there_is_a_binary():
    binary()


@pytest.fixture(scope="session")
def s3():
    endpoint = S3()
    yield endpoint
    endpoint.stop()


@pytest.fixture
def bucket(s3):
    return s3.bucket(f"firn-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def s3_env(s3):
    """The environment of a user with credentials of the endpoint."""
    return environment(**s3.environment)


@pytest.fixture
def serve():
    """serve(directory, ranges=True) starts an HTTP server of files and gives it."""
    running = []

    def start(directory, **options):
        running.append(FileServer(directory, **options))
        return running[-1]
    yield start
    for server in running:
        server.__exit__()


@pytest.fixture(scope="session")
def months(tmp_path_factory):
    """54 real monthly files: many small outputs, so that there are many moments to die in."""
    directory = tmp_path_factory.mktemp("months")
    files = []
    for month in range(54):
        files.append(directory / f"ostia.{2006 + (month + 3) // 12}{(month + 3) % 12 + 1:02d}.nc")
        make_drift.cut(make_drift.OSTIA, files[-1], slice(month, month + 1))
    return files
