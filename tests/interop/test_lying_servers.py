"""S3 services that say what is not so: nothing wrong arrives, and the command ends."""
import http.client
import random
import re
import time

import pytest
from support.memory import firn_with_peak
from support.servers import BadNetwork, _Broken

LARGE = 40 << 20  # three pieces
HERE = {"small": random.Random(1).randbytes(30_000), "large": random.Random(2).randbytes(LARGE)}


class _Lying(_Broken):
    def forward(self):
        server = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        upstream = http.client.HTTPConnection(server.upstream, timeout=60)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            data = answer.read()
        finally:
            upstream.close()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in ("content-length", "transfer-encoding", "connection")}
        is_object = self.command == "GET" and "list-type" not in self.path and answer.status < 300 and "?" not in self.path
        is_listing = self.command == "GET" and "list-type" in self.path
        status, length, what = answer.status, len(data) if self.command != "HEAD" else answer.getheader("Content-Length"), server.lie
        if is_object or is_listing:
            server.told += (is_object and what in OBJECTS) or (is_listing and what in LISTINGS)
        if is_object and what == "a longer length":
            length += 100
        elif is_object and what == "a shorter length":
            length -= 100
            data = data[:length]
        elif is_object and what == "no length":
            length = None
        elif is_object and what == "a shorter body and its length":
            data = data[:-7]
            length = len(data)
        elif is_object and what == "another range" and (named := next((name for name in headers if name.lower() == "content-range"), None)):
            first, last, size = map(int, re.findall(r"\d+", headers[named]))
            headers[named] = f"bytes {first + 1}-{last + 1}/{size + 1}"
        elif is_object and what == "another tag for each piece":
            headers = {name: value for name, value in headers.items() if name.lower() != "etag"}
            headers["ETag"] = f'"{random.randbytes(16).hex()}"'
        elif is_listing and what == "other sizes":
            data = re.sub(rb"<Size>(\d+)</Size>", lambda found: b"<Size>%d</Size>" % (int(found[1]) + 1), data)
        elif is_listing and what == "keys of others":
            data = data.replace(b"<Key>", b"<Key>../")
        elif is_listing and what == "a page that goes round":
            data = data.replace(b"<IsTruncated>false</IsTruncated>", b"<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>")
        elif is_listing and what == "an entity bomb":
            names = "".join(f'<!ENTITY a{n} "&a{n - 1};&a{n - 1};&a{n - 1};&a{n - 1};&a{n - 1};&a{n - 1};&a{n - 1};&a{n - 1};">' for n in range(1, 20))
            data = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a0 "x">{names}]><ListBucketResult><Contents><Key>&a19;</Key><Size>1</Size></Contents></ListBucketResult>'.encode()
        elif is_listing and what == "a page of 100 MB":
            data = b"<ListBucketResult>" + b"<Contents><Key>x</Key><Size>1</Size></Contents>" * (100_000_000 // 46)
        elif is_listing and what == "half a page":
            data = data[:len(data) // 2]
        if is_listing:
            length = len(data)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        if is_object and what in OBJECTS:
            self.hang_up() if what == "a longer length" else setattr(self, "close_connection", True)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward


OBJECTS = ["a longer length", "a shorter length", "no length", "a shorter body and its length", "another range", "another tag for each piece"]
LISTINGS = ["other sizes", "keys of others", "a page that goes round", "an entity bomb", "a page of 100 MB", "half a page"]


@pytest.mark.parametrize("lie", OBJECTS + LISTINGS)
def test_s3_what_is_not_so_does_not_arrive(tmp_path, s3, bucket, s3_env, lie):
    (tmp_path / "work").mkdir()
    (tmp_path / "work/firn.toml").write_text('state_dir = "state"\n')
    for key, data in HERE.items():
        s3.client().put_object(Bucket=bucket, Key=f"src/{key}", Body=data)
    with BadNetwork(s3.endpoint) as network:
        network.RequestHandlerClass, network.lie, network.told = _Lying, lie, 0
        begun = time.monotonic()
        answer, peak = firn_with_peak("cp", "-r", f"s3://{bucket}/src", "dst", cwd=tmp_path / "work", env=s3_env | {"AWS_ENDPOINT_URL": network.url})
        took = time.monotonic() - begun
        assert network.told, "the lie was not told"
    there = {str(path.relative_to(tmp_path / "work/dst")): path.read_bytes() for path in (tmp_path / "work").glob("dst/**/*") if path.is_file() and not path.name.startswith(".firn-tmp-")}
    assert all(HERE.get(key) == data for key, data in there.items()), "something wrong arrived"
    assert answer.status in (8, 9, 10) and answer.error["code"] and answer.error["next"], answer
    assert took < 240, took
    assert peak < 1 << 30, peak
    assert sorted(path.name for path in tmp_path.iterdir()) == ["work"], "something appeared outside"
