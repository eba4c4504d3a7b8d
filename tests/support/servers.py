"""Servers of the tests: files over HTTP with ranges, and S3."""
import contextlib
import email.utils
import http.client
import http.server
import os
import pathlib
import random
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


# ------------------------------------------------------------------ a bad network
class _Broken(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def forward(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        with server.lock:
            server.signers.add(signer(self.headers.get("Authorization")))
            fault = server.random.choice(sorted(server.counts)) if server.random.random() < server.share else None
            if fault:
                server.counts[fault] += 1
        if fault == "reset":
            return self.hang_up()
        if fault == "unavailable":
            return self.answer(503, [("Retry-After", "0")], b"<Error><Code>SlowDown</Code></Error>")
        upstream = http.client.HTTPConnection(server.upstream, timeout=60)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            data = answer.read()
        finally:
            upstream.close()
        if fault == "lost":
            return self.hang_up()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in ("content-length", "transfer-encoding", "connection")]
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        if fault == "cut" and len(data) > 1:
            self.answer(answer.status, headers, data[:len(data) // 2], length=len(data))
            return self.hang_up()
        return self.answer(answer.status, headers, data, length=length)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward

    def answer(self, status, headers, data, length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def hang_up(self):
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.connection.close()


def signer(authorization):
    """The id of the key that a request to S3 is signed with, or None."""
    return authorization.partition("Credential=")[2].partition("/")[0] if authorization else None


class BadNetwork(http.server.ThreadingHTTPServer):
    """In front of an endpoint: of so many requests some are refused (503), cut off before or after they were carried out, or answered by half. `counts` tells;
    `signers` are the ids of the keys of the requests."""
    daemon_threads = True

    def __init__(self, endpoint, share=0.0, seed=1):
        super().__init__(("127.0.0.1", 0), _Broken)
        self.upstream = endpoint.removeprefix("http://")
        self.share, self.random, self.lock = share, random.Random(seed), threading.Lock()
        self.signers = set()
        self.counts = {"unavailable": 0, "reset": 0, "lost": 0, "cut": 0}
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


# ------------------------------------------------------------------ services that give keys
class _Token(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        status, body = self.server.answers.get(self.path.partition("?")[0], (404, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = answer


class TokenService(http.server.ThreadingHTTPServer):
    """Answers these paths with (status, body). `asked` holds method, path and headers of all requests."""
    daemon_threads = True

    def __init__(self, answers):
        super().__init__(("127.0.0.1", 0), _Token)
        self.answers, self.asked = answers, []
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()
