"""Large objects whose copy is stopped: the same command goes on with the parts that are missing."""
import json
import os
import pathlib
import random
import signal
import time

import blake3
import pytest
from support.binary import firn
from support.runs import killed_after, killed_when
from support.servers import BadNetwork, _Broken
from test_outputs import fits

SIZE = (64 << 20) + 12_345
UP, DOWN = 8 << 20, 16 << 20  # parts that are sent, pieces that are asked for


class _Watched(_Broken):
    def forward(self):
        with self.server.lock:
            self.server.seen.append((self.command, self.path, self.headers.get("Range")))
        if "partNumber=" in self.path or self.headers.get("Range"):
            time.sleep(self.server.random.uniform(0, 2 * self.server.delay))
            if self.server.refused and self.server.parts >= self.server.refused:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                return self.answer(503, [("Retry-After", "0")], b"<Error><Code>SlowDown</Code></Error>")
            with self.server.lock:
                self.server.parts += 1
        return super().forward()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward


class Watching(BadNetwork):
    """In front of an endpoint: every request is written down, and parts take their time."""

    def __init__(self, endpoint, delay=0.0, refused=0):
        super().__init__(endpoint)
        self.RequestHandlerClass, self.seen, self.delay, self.refused, self.parts = _Watched, [], delay, refused, 0

    def sent(self):
        return sorted(int(path.partition("partNumber=")[2].partition("&")[0]) for command, path, _ in self.seen if command == "PUT" and "partNumber=" in path)

    def asked(self):
        return sorted({held for command, _, held in self.seen if command == "GET" and held and not held.startswith("bytes=0-0")})

    def begun(self):
        return sum(command == "POST" and path.endswith("uploads=") for command, path, _ in self.seen)


@pytest.fixture
def here(tmp_path):
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n')
    return tmp_path


def logs(here):
    return list((here / "state/transfers/parts").glob("*.jsonl"))


def noted(here):
    """Parts of which it is noted that they arrived."""
    return [json.loads(line)["part"] for log in logs(here) for line in log.read_text().splitlines(keepends=True)[1:] if line.endswith("\n")]


def recorded(here):
    return [json.loads(line)["blake3"] for log in (here / "state/transfers").glob("*.jsonl") for line in log.read_text().splitlines()[1:]]


def uploads(s3, bucket):
    return s3.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])


def test_s3_an_upload_goes_on_with_the_parts_that_are_missing(here, s3, bucket, s3_env):
    data = random.Random(1).randbytes(SIZE)
    (here / "large").write_bytes(data)
    command = ["cp", "large", f"s3://{bucket}/large"]
    with Watching(s3.endpoint, delay=0.1) as network:
        env = s3_env | {"AWS_ENDPOINT_URL": network.url}
        assert killed_when(command, lambda: len(noted(here)) >= 3, env, cwd=here) < 0, "it was done before"
        before, first = sorted(noted(here)), network.sent()
        assert 3 <= len(before) < 9 and len(uploads(s3, bucket)) == 1 and s3.objects(bucket) == {}
        network.seen.clear()
        fits("cp", firn(*command, cwd=here, env=env))
        assert network.sent() == sorted(set(range(1, 10)) - set(before)), (before, first)
        assert network.begun() == 0
    assert s3.objects(bucket) == {"large": data} and uploads(s3, bucket) == [] and logs(here) == []
    assert recorded(here) == [blake3.blake3(data).hexdigest()]
    assert fits("check", firn("check", "large", f"s3://{bucket}/large", cwd=here, env=s3_env))["ok"]


def test_s3_a_download_goes_on_with_the_pieces_that_are_missing(here, s3, bucket, s3_env):
    data = random.Random(2).randbytes(SIZE)
    s3.client().put_object(Bucket=bucket, Key="large", Body=data)
    command = ["cp", f"s3://{bucket}/large", "large"]
    with Watching(s3.endpoint, delay=0.0) as network:
        env = s3_env | {"AWS_ENDPOINT_URL": network.url}
        network.refused = 3
        answer = firn(*command, cwd=here, env=env)
        assert answer.status not in (0, 10) and not (here / "large").exists() and answer.error["next"], answer
        before = sorted(noted(here))
        assert len(before) == 3
        [partial] = here.glob(".firn-tmp-*")
        # What a loss of power can leave: the file is as long as before, and what was written last is zeros.
        with partial.open("r+b") as file:
            file.seek((before[0] - 1) * DOWN + 5)
            file.write(bytes(100))
        network.refused = 0
        network.seen.clear()
        fits("cp", firn(*command, cwd=here, env=env))
        missing = [number for number in range(1, 6) if number not in before[1:]]
        assert network.asked() == sorted(f"bytes={(number - 1) * DOWN}-{min(number * DOWN, SIZE) - 1}" for number in missing), before
    assert (here / "large").read_bytes() == data and list(here.glob(".firn-tmp-*")) == [] and logs(here) == []
    assert recorded(here) == [blake3.blake3(data).hexdigest()]


def test_s3_a_server_that_is_away_for_a_while_costs_no_part_twice(here, s3, bucket, s3_env):
    data = random.Random(3).randbytes(SIZE)
    (here / "large").write_bytes(data)
    command = ["cp", "large", f"s3://{bucket}/large"]
    with Watching(s3.endpoint, refused=4) as network:
        env = s3_env | {"AWS_ENDPOINT_URL": network.url}
        answer = firn(*command, cwd=here, env=env)
        assert answer.status not in (0, 10) and s3.objects(bucket) == {}, answer
        before = sorted(noted(here))
        assert len(before) == 4
        network.refused = 0
        network.seen.clear()
        fits("cp", firn(*command, cwd=here, env=env))
        assert network.sent() == sorted(set(range(1, 10)) - set(before))
    assert s3.objects(bucket) == {"large": data}


def test_s3_another_object_is_not_mixed_with_what_was_sent_of_the_first(here, s3, bucket, s3_env):
    first, second = (random.Random(seed).randbytes(SIZE) for seed in (4, 5))
    (here / "large").write_bytes(first)
    command = ["cp", "large", f"s3://{bucket}/large"]
    with Watching(s3.endpoint, delay=0.1) as network:
        env = s3_env | {"AWS_ENDPOINT_URL": network.url}
        assert killed_when(command, lambda: len(noted(here)) >= 2, env, cwd=here) < 0
        (here / "large").write_bytes(second)
        fits("cp", firn(*command, cwd=here, env=env))
    assert s3.objects(bucket) == {"large": second} and uploads(s3, bucket) == [], "the upload of the first was given up"


def test_s3_an_upload_that_the_service_has_forgotten_is_begun_anew(here, s3, bucket, s3_env):
    data = random.Random(6).randbytes(SIZE)
    (here / "large").write_bytes(data)
    command = ["cp", "large", f"s3://{bucket}/large"]
    with Watching(s3.endpoint, delay=0.1) as network:
        env = s3_env | {"AWS_ENDPOINT_URL": network.url}
        assert killed_when(command, lambda: len(noted(here)) >= 2, env, cwd=here) < 0
    [upload] = uploads(s3, bucket)
    s3.client().abort_multipart_upload(Bucket=bucket, Key="large", UploadId=upload["UploadId"])
    fits("cp", firn(*command, cwd=here, env=s3_env))
    assert s3.objects(bucket) == {"large": data}


@pytest.mark.parametrize("way", ["up", "down", "across"])
def test_s3_kills_at_any_moment_lose_nothing(here, s3, bucket, s3_env, way):
    files = {"large": random.Random(7).randbytes(SIZE), "small": random.Random(8).randbytes(20 << 20)}
    (here / "src").mkdir()
    for name, data in files.items():
        (here / "src" / name).write_bytes(data)
        if way != "up":
            s3.client().put_object(Bucket=bucket, Key=f"src/{name}", Body=data)
    chance, killed, kept, unnoted = random.Random(way), 0, 0, 0
    with Watching(s3.endpoint, delay=0.3) as network:
        env = s3_env | {"AWS_ENDPOINT_URL": network.url}
        # "across" is to a bucket that is reached by another name of the service: then the bytes pass here.
        other = s3.bucket(f"{bucket}-other")
        (here / "firn.toml").write_text(f'state_dir = "state"\n[locations.other]\nurl = "s3://{other}"\nendpoint = "{network.url.replace("127.0.0.1", "localhost")}"\n')
        source, target = {"up": ("src", f"s3://{bucket}/"), "down": (f"s3://{bucket}/src", ""), "across": (f"s3://{bucket}/src", "other:")}[way]

        def there(name):
            return {p.name: p.read_bytes() for p in here.glob(f"{name}/[!.]*")} if way == "down" else s3.objects(other if way == "across" else bucket, f"{name}/")
        begun = time.monotonic()
        fits("cp", firn("cp", "-r", source, f"{target}whole", cwd=here, env=env))
        whole = time.monotonic() - begun
        for number in range(int(os.environ.get("FIRN_TEST_KILLS", "6"))):
            command = ["cp", "-r", source, f"{target}dst{number}"]
            if number % 2:
                killed += killed_after(command, chance.uniform(0.05, whole), env, cwd=here)
            else:  # while there is something to go on with
                wanted = chance.randint(1, 3)
                killed += killed_when(command, lambda: len(noted(here)) >= wanted, env, cwd=here) < 0
            before = noted(here)
            assert all(files[pathlib.PurePath(name).name] == data for name, data in there(f"dst{number}").items()), "a part appeared as a whole"
            network.seen.clear()
            fits("cp", firn(*command, cwd=here, env=env))
            again = network.asked() if way == "down" else network.sent()
            assert not before or len(again) <= (7 if way == "down" else 9) - len(before), (before, again)
            kept += len(before)
            # Killed after an upload was begun, before that was noted, it stays until a rule of the bucket removes it.
            unnoted += not before
            assert there(f"dst{number}") == files and len(uploads(s3, bucket) + uploads(s3, other)) <= unnoted
            # Killed between the last step and its note, the object is found to be there, and nobody asks for the log.
            assert logs(here) == [] or len(before) == 9
            for log in logs(here):
                log.unlink()
    assert killed and kept, "no kill came while there was something to go on with"


def test_s3_what_nobody_goes_on_with_is_forgotten(here, s3, bucket, s3_env):
    s3.client().put_object(Bucket=bucket, Key="large", Body=random.Random(9).randbytes(SIZE))
    with Watching(s3.endpoint, refused=2) as network:
        assert firn("cp", f"s3://{bucket}/large", "large", cwd=here, env=s3_env | {"AWS_ENDPOINT_URL": network.url}).status
    [log], [partial] = logs(here), here.glob(".firn-tmp-*")
    (here / "note").write_text("x")
    fits("cp", firn("cp", "note", "note2", cwd=here, env=s3_env))
    assert log.exists() and partial.exists(), "it may still be gone on with"
    old = time.time() - 31 * 86_400
    os.utime(log, (old, old))
    fits("cp", firn("cp", "note", "note3", cwd=here, env=s3_env))
    assert not log.exists() and not partial.exists()


@pytest.mark.parametrize("way", ["up", "down"])
def test_s3_a_stop_does_not_wait_for_large_objects(here, s3, bucket, s3_env, way):
    data = random.Random(10).randbytes(SIZE)
    (here / "large").write_bytes(data)
    if way == "down":
        s3.client().put_object(Bucket=bucket, Key="large", Body=data)
    command = ["cp", "large", f"s3://{bucket}/large"] if way == "up" else ["cp", f"s3://{bucket}/large", "back"]
    with Watching(s3.endpoint, delay=5) as network:
        env = s3_env | {"AWS_ENDPOINT_URL": network.url}
        begun = time.monotonic()
        assert killed_when(command, lambda: len(noted(here)) >= 1, env, number=signal.SIGINT, cwd=here) == 130
        assert time.monotonic() - begun < 30
        before, network.delay = noted(here), 0
        network.seen.clear()
        fits("cp", firn(*command, cwd=here, env=env))
        assert before and len(network.sent() if way == "up" else network.asked()) == (9 if way == "up" else 5) - len(before)
    assert s3.objects(bucket) == {"large": data} and (way == "up" or (here / "back").read_bytes() == data)
