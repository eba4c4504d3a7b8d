"""S3 services that say what is not so: nothing wrong arrives, and the command ends."""
import http.client
import random
import re
import time
import urllib.parse

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


ODD = ["../evil", "../../evil", "a/../../../evil", "b/%2e%2e/%2e%2e/evil", ".", "..", "a/..", "/etc/evil", "a//b", "a/./b", "new%0Aline", "tab%09", "nul%00", "bell%07", "not-%FF-utf8", "x" * 5_000, "d/" * 600 + "deep", "y" * 256, ".firn-tmp-0123456789abcdef"]
CARRIED = ["back%5Cslash", "back%5C..%5Cslash", "space%20", "dot.", "Case", "case", "u%CC%88", "%C3%BC", "%25%32%65", "$(touch%20evil)", "-rf", "CON", "z" * 255, "a" + "/a" * 400]


class _Listing(_Broken):
    def forward(self):
        odd = self.server.odd
        if self.command == "GET" and "list-type" in self.path:
            keys = "".join(f"<Contents><Key>src/{key}</Key><Size>3</Size><ETag>&quot;1&quot;</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>" for key in odd)
            return self.answer(200, [("Content-Type", "application/xml")], f"<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType>{keys}</ListBucketResult>".encode())
        if self.command == "GET":
            self.server.asked.append(self.path)
            return self.answer(206, [("ETag", '"1"'), ("Content-Range", "bytes 0-2/3"), ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")], b"odd")
        return self.answer(404, [], b"")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward


@pytest.mark.parametrize("keys", [ODD, CARRIED, ODD + CARRIED], ids=["odd", "right", "all"])
def test_names_of_a_server_are_carried_or_refused_by_name(tmp_path, s3_env, keys):
    work = tmp_path / "a/b/c/work"
    work.mkdir(parents=True)
    (work / "firn.toml").write_text('state_dir = "state"\n')
    with BadNetwork("http://127.0.0.1:1") as network:
        network.RequestHandlerClass, network.odd, network.asked = _Listing, keys, []
        answer, _ = firn_with_peak("cp", "-r", "s3://bucket/src", "dst", cwd=work, env=s3_env | {"AWS_ENDPOINT_URL": network.url})
    there = {str(path.relative_to(work / "dst")) for path in work.glob("dst/**/*") if path.is_file()}
    right = {urllib.parse.unquote(key) for key in keys if key in CARRIED}
    assert there == right and all((work / "dst" / name).read_bytes() == b"odd" for name in there), (there ^ right, answer)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if "dst" not in path.parts and "state" not in path.parts} == {"a", "a/b", "a/b/c", "a/b/c/work", "a/b/c/work/firn.toml"}
    refused = [key for key in keys if key in ODD]
    assert answer.status == (7 if refused else 0), answer
    assert len({failure["key"] for failure in answer.result["failures"]}) == len(refused), (len(refused), answer.result["failures"])


def test_links_do_not_lead_out_of_the_target(tmp_path):
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n')
    for name in ("src/sub/x", "src/y", "outside/keep"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "dst").mkdir()
    (tmp_path / "dst/sub").symlink_to(tmp_path / "outside")
    answer, _ = firn_with_peak("cp", "-r", "src", "dst", cwd=tmp_path)
    assert answer.status != 0 and [failure["key"] for failure in answer.result["failures"]] == ["sub/x"], answer
    assert (tmp_path / "dst/y").read_text() == "src/y" and sorted(path.name for path in (tmp_path / "outside").iterdir()) == ["keep"]


def test_links_in_circles_end(tmp_path):
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n')
    (tmp_path / "src/sub").mkdir(parents=True)
    (tmp_path / "src/y").write_text("y")
    (tmp_path / "src/sub/up").symlink_to(tmp_path / "src")
    answer, _ = firn_with_peak("cp", "-r", "src", "dst", cwd=tmp_path)
    assert answer.status != 0 and answer.error["next"], answer
