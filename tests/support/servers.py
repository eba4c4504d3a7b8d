"""Servers of the tests: files over HTTP with ranges, and S3."""
import contextlib
import email.utils
import http.server
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ------------------------------------------------------------------ HTTP
class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        server = self.server
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        with server.lock:
            server.requests.append((self.command, path, self.headers.get("Range")))
            fault = server.faults.pop(0) if server.faults else None
        if any(path.startswith(prefix) for prefix in server.denied):
            return self.send(403, b"not for you")
        if fault:
            return self.send(fault, b"", {"Retry-After": "0"})
        file = (server.root / path.lstrip("/")).resolve()
        if server.root not in file.parents or not file.is_file():
            return self.send(404, b"not found")
        data = file.read_bytes()
        stat = file.stat()
        headers = {"Accept-Ranges": "bytes", "ETag": f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"',
                   "Last-Modified": email.utils.formatdate(stat.st_mtime, usegmt=True)}
        wanted = self.headers.get("Range")
        status = 200
        if wanted and server.ranges:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start = max(0, len(data) - int(last)) if first == "" else int(first)
            stop = len(data) if first == "" or last == "" else min(int(last) + 1, len(data))
            if start >= len(data):
                return self.send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            data, status = data[start:stop], 206
        with server.lock:
            server.bytes += len(data) if body else 0
        self.send(status, data, headers, body)

    def send(self, status, data, headers=None, body=True):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if self.server.cors == "always" or (self.server.cors == "found" and status < 400):
            self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()
        if body:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(data)


class FileServer(http.server.ThreadingHTTPServer):
    """Serves a directory without listings. `requests` and `bytes` count; `faults` are statuses answered first; `ranges=False` ignores Range;
    `cors` is None, "found" or "always"; what is below the paths `denied` is answered 403."""
    daemon_threads = True

    def __init__(self, root, ranges=True, cors=None, denied=()):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.cors, self.denied = cors, tuple(denied)
        self.root = pathlib.Path(root).resolve()
        self.ranges = ranges
        self.lock = threading.Lock()
        self.requests, self.faults, self.bytes = [], [], 0
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


# ------------------------------------------------------------------ S3
class S3:
    """An S3 endpoint: the one of FIRN_TEST_S3_ENDPOINT (with FIRN_TEST_S3_KEY, FIRN_TEST_S3_SECRET), else moto in a process of its own."""

    def __init__(self):
        self.process = None
        self.endpoint = os.environ.get("FIRN_TEST_S3_ENDPOINT")
        self.key = os.environ.get("FIRN_TEST_S3_KEY", "key-of-the-tests")
        self.secret = os.environ.get("FIRN_TEST_S3_SECRET", "secret-of-the-tests")
        if not self.endpoint:
            self.start_moto()

    @property
    def real(self):
        return self.process is None

    def start_moto(self):
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            if self.process.poll() is not None:
                raise RuntimeError("moto's server ended at once")
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.endpoint}/moto-api/", timeout=1).close()
                return
            time.sleep(0.1)
        raise RuntimeError("moto's server did not answer")

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)

    @property
    def environment(self):
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": "us-east-1"}

    def client(self):
        import boto3
        from botocore.config import Config
        return boto3.client("s3", endpoint_url=self.endpoint, aws_access_key_id=self.key, aws_secret_access_key=self.secret, region_name="us-east-1",
                            config=Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required", response_checksum_validation="when_required"))

    def bucket(self, name):
        """A new, empty bucket."""
        client = self.client()
        client.create_bucket(Bucket=name)
        return name

    def objects(self, bucket, prefix=""):
        """Key → body of everything below a prefix."""
        client = self.client()
        found = {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                found[item["Key"].removeprefix(prefix)] = client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        return found

    def zarr_store(self, bucket, prefix):
        from obstore.store import S3Store
        from zarr.storage import ObjectStore
        return ObjectStore(S3Store(bucket, prefix=prefix, endpoint=self.endpoint, access_key_id=self.key, secret_access_key=self.secret,
                                   region="us-east-1", virtual_hosted_style_request=False, client_options={"allow_http": True}), read_only=True)

    def icechunk_storage(self, bucket, prefix):
        import icechunk
        return icechunk.s3_storage(bucket=bucket, prefix=prefix, endpoint_url=self.endpoint, access_key_id=self.key, secret_access_key=self.secret,
                                   region="us-east-1", allow_http=True, force_path_style=True)
