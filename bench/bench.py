#!/usr/bin/env python3
"""firn beside its peers, alternating in one run.

    bench.py run [--tasks transform,virtualize,references,http,rechunk,transfer] [--reps 3] [--files 120] [--jobs N] [--latency-ms 20] [--keep]
    bench.py table RESULTS.json
    bench.py list

FIRN_BIN names the release binary; without it the peers run alone. Everything lies below .cache/bench. See README.md.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import random
import shutil
import statistics
import subprocess
import sys
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("FIRN_BENCH_CACHE", HERE.parent / ".cache/bench"))
FIRN = os.environ.get("FIRN_BIN")
CHUNKS = "time=30,zlev=1,lat=180,lon=360"


def peer(task):
    return lambda out, jobs, inputs: [sys.executable, str(HERE / "peers.py"), task, out, str(jobs), *inputs]


def limit(out, jobs, inputs):
    return [sys.executable, str(HERE / "limit.py"), out, str(jobs), *inputs]


def firn_transform(out, jobs, inputs):
    return [FIRN, "transform", *inputs, "--target", out, "--concat-dim", "time", "--chunks", CHUNKS, "--codec", "zstd:3", "--jobs", str(jobs), "-o", "json"]


def firn_virtualize(out, jobs, inputs):
    return [FIRN, "virtualize", *inputs, "--target", out, "--concat-dim", "time", "--jobs", str(jobs), "-o", "json"]


def firn_references(out, jobs, inputs):
    return [*firn_virtualize(out, jobs, inputs), "--format", "kerchunk-json"]


def firn_web(out, jobs, inputs):
    # Specification 2, because version 1 cannot refer to a web server at a port of its own.
    return [*firn_virtualize(out, jobs, inputs), "--icechunk-spec", "2"]


def firn_rechunk(out, jobs, inputs):
    return [FIRN, "transform", *inputs, "--target", out, "--chunks", "time=744,latitude=20,longitude=20", "--codec", "zstd:3", "--jobs", str(jobs), "-o", "json"]


# group → (inputs, {name: command}); the first peer is what ratios are taken against
GROUPS = {
    "transform": ("daily", {"firn transform": firn_transform, "xarray + dask": peer("xarray_transform"), "limit": limit}),
    "virtualize": ("daily", {"firn virtualize": firn_virtualize, "VirtualiZarr": peer("virtualizarr_icechunk")}),
    "references": ("daily", {"firn virtualize (kerchunk JSON)": firn_references, "kerchunk": peer("kerchunk_json"), "VirtualiZarr (kerchunk JSON)": peer("virtualizarr_json")}),
    "http": ("web", {"firn virtualize (HTTP)": firn_web, "VirtualiZarr (HTTP)": peer("virtualizarr_json")}),
    "rechunk": ("hourly", {"firn rechunk": firn_rechunk, "xarray + dask (rechunk)": peer("xarray_rechunk")}),
}
DEFAULT = "transform,virtualize,references,http,rechunk"
TRANSFER = "transfer"
WARM = ("virtualize", "references", "http")  # ratios take the peers after their imports; the limit always
# What a ratio compares with: of `limit` the phase that does the same work, of references all but their verification.
SCAN_AND_WRITE = ("scan", "combine", "plan", "execute", "commit", "publish")


# ------------------------------------------------------------------ a wrong result has no time
def check(group, name, out, inputs, answer):
    """Raises AssertionError if the result is not equal to the inputs (a sample of steps, all variables)."""
    if name == "limit":
        return
    if group == "http" and name.startswith("firn"):
        # Released icechunks of this Python do not read specification 2; firn has read a sample of the values back itself.
        result = answer["result"]
        assert result["references"] == 4 * len(inputs) and result["verification"]["ok"], result
        return
    if group in ("references", "http"):
        return check_references(out, inputs)
    import netCDF4
    import numpy as np
    import zarr
    store = out
    if group == "virtualize":
        import icechunk
        storage = icechunk.local_filesystem_storage(out)
        prefixes = icechunk.Repository.fetch_config(storage).virtual_chunk_containers
        access = icechunk.containers_credentials({prefix: None for prefix in prefixes})
        store = icechunk.Repository.open(storage, authorize_virtual_chunk_access=access).readonly_session("main").store
    made = zarr.open_group(store, mode="r")
    if group == "rechunk":
        source = zarr.open_group(inputs[0], mode="r")
        for variable in ("t2m", "u10"):
            assert np.array_equal(made[variable][:, 60:80, 100:140], source[variable][:, 60:80, 100:140]), variable
        return
    for step in random.Random(0).sample(range(len(inputs)), min(3, len(inputs))):
        with netCDF4.Dataset(inputs[step]) as source:
            source.set_auto_maskandscale(False)
            for variable in ("anom", "err", "ice", "sst"):
                assert made[variable].shape[0] == len(inputs)
                assert np.array_equal(made[variable][step], source[variable][0]), f"{variable} of {inputs[step]}"


def check_references(out, inputs):
    import h5py
    path = pathlib.Path(out)
    path = path if path.is_file() else next(path.rglob("*.json"))
    references = json.loads(path.read_text())
    references = references.get("refs", references)
    for step in (0, len(inputs) - 1):
        url, offset, length = references[f"sst/{step}.0.0.0"]
        with h5py.File(CACHE / "data/daily" / pathlib.Path(inputs[step]).name) as source:
            chunk = source["sst"].id.get_chunk_info(0)
        assert url.removeprefix("file://") == inputs[step] and (offset, length) == (chunk.byte_offset, chunk.size), f"reference {step}"


# ------------------------------------------------------------------ running
def size_of(path):
    path = pathlib.Path(path)
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def last_json(text):
    """The answer of a task: the whole of stdout, or its last line."""
    for candidate in (text, *reversed(text.strip().splitlines()[-1:])):
        try:
            return json.loads(candidate)
        except json.JSONDecodeError:
            continue
    return {}


def once(group, name, command, jobs, inputs, keep):
    from measure import run
    out = CACHE / "out" / name.replace(" ", "-").replace("(", "").replace(")", "").replace("+", "and")
    if group == "references":
        out = out.with_name(out.name + ".json")
    for old in (out, out.with_name(out.name + ".firn")):
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    served = f"{inputs[0].rpartition('/')[0]}/-/count" if group == "http" else None
    if served:
        urllib.request.urlopen(served).read()
    measured = run(command(str(out), jobs, inputs), CACHE / "out/last.log")
    answer = last_json(measured.pop("stdout"))
    row = {"group": group, "name": name, **measured}
    row |= {key: answer[key] for key in ("warm_wall", "warm_cpu", "steps") if key in answer}
    if served:
        count = json.loads(urllib.request.urlopen(served).read())
        row |= {"requests_a_file": round(count["requests"] / len(inputs), 2), "kb_a_file": round(count["bytes"] / len(inputs) / 1000, 1)}
    phases = (answer.get("result") or {}).get("phases") if isinstance(answer.get("result"), dict) else None
    if phases:
        row["phases"] = phases
        if served:  # without what verifying reads
            row["requests_a_file"] = round(sum(phases[p]["requests"] for p in SCAN_AND_WRITE) / len(inputs), 2)
            row["kb_a_file"] = round(sum(phases[p]["received"] for p in SCAN_AND_WRITE) / len(inputs) / 1000, 1)
    if row["status"] == 0:
        row["output_mb"] = round(size_of(out) / 1e6, 3)
        try:
            check(group, name, str(out), inputs, answer)
        except Exception as error:
            row["wrong"] = f"{type(error).__name__}: {error}"
    else:
        row["wrong"] = f"exit {row['status']}: " + (CACHE / "out/last.log").read_text(errors="replace").strip()[-300:]
    if not keep:
        shutil.rmtree(out, ignore_errors=True) if out.is_dir() else out.unlink(missing_ok=True)
    return row


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine()) if os.path.exists("/proc/cpuinfo") else platform.machine()
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version(), "load": os.getloadavg()[0]}


def serve(options):
    """The daily files behind a web server: (process, its address)."""
    command = [sys.executable, str(HERE / "range_server.py"), str(CACHE / "data/daily"), "0", "--latency-ms", str(options.latency_ms)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return server, server.stdout.readline().strip()


def run_all(options):
    sys.path.insert(0, str(HERE))
    groups = options.tasks.split(",")
    if unknown := set(groups) - {*GROUPS, TRANSFER}:
        sys.exit(f"no such task: {', '.join(sorted(unknown))}; there are: {', '.join((*GROUPS, TRANSFER))}")
    if TRANSFER in groups:  # has inputs, servers and a table of its own
        import transfer
        groups.remove(TRANSFER)
        status = transfer.main(["--reps", str(options.reps)])
        if not groups:
            return status
    from generate import generate
    made = [str(p) for p in generate(CACHE / "data", options.files, jobs=options.jobs)]
    inputs = {"daily": made, "hourly": [str(CACHE / "data/hourly.zarr")]}
    version = subprocess.run([FIRN, "--version"], capture_output=True, text=True).stdout.strip() if FIRN and os.path.exists(FIRN) else None
    if not version:
        print("FIRN_BIN names no binary: the peers run alone", file=sys.stderr)
    server = None
    if "http" in groups:
        server, address = serve(options)
        inputs["web"] = [f"{address}/{pathlib.Path(path).name}" for path in made]
    try:
        rows = [row for group in groups for row in run_group(options, group, inputs, version)]
    finally:
        if server:
            server.terminate()
    document = {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine(), "firn": version,
                "peers": peer_versions(), "files": options.files, "jobs": options.jobs, "reps": options.reps, "latency_ms": options.latency_ms, "rows": rows}
    results = CACHE / "results"
    results.mkdir(parents=True, exist_ok=True)
    target = results / f"{document['when'].replace(':', '')}.json"
    target.write_text(json.dumps(document, indent=1) + "\n")
    text = table(document)
    target.with_suffix(".md").write_text(text)
    print(f"{text}\n{target}")
    return 1 if any("wrong" in row for row in rows) else 0


def run_group(options, group, inputs, version):
    kind, commands = GROUPS[group]
    names = [n for n in commands if version or not n.startswith("firn")]
    for repetition in range(options.reps):
        for name in names[repetition % len(names):] + names[: repetition % len(names)]:  # alternating: nobody is always first
            row = once(group, name, commands[name], options.jobs, inputs[kind], options.keep)
            print(f"{group} {repetition + 1}/{options.reps} {name}: {row['wall']:.1f} s wall, {row['cpu']:.1f} s CPU, {row['peak_mb']} MB" + (f"  {row['wrong']}" if "wrong" in row else ""),
                  file=sys.stderr, flush=True)
            yield row


def peer_versions():
    from importlib.metadata import version
    return {name: version(name) for name in ("xarray", "dask", "zarr", "netCDF4", "virtualizarr", "icechunk", "kerchunk")}


def medians(rows):
    """The median of every number of these rows, phases flattened; None where any result was wrong."""
    if any("wrong" in row for row in rows):
        return None
    def flat(row):
        numbers = {key: value for key, value in row.items() if isinstance(value, (int, float)) and key != "status"}
        for phase, spent in row.get("phases", {}).items():
            numbers |= {f"{phase} wall": spent["wall_seconds"], f"{phase} cpu": spent["cpu_seconds"]}
        return numbers
    flattened = [flat(row) for row in rows]
    return {key: statistics.median(row[key] for row in flattened) for key in flattened[0]}


def table(document):
    """Medians over the repetitions, as Markdown; ratios are another's over firn's."""
    m = document["machine"]
    peers = ", ".join(f"{name} {version}" for name, version in document.get("peers", {}).items())
    lines = [f"{document['files']} files, {document['jobs']} of {m['cores']} cores of {m['cpu']}, {document['firn'] or 'without firn'}; Python {m['python']}, {peers}.", "",
             "| task | wall s | CPU s | wall s warm | CPU s warm | peak MB | output MB | wall ÷ firn | CPU ÷ firn |", "|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    phases = ["| firn's phases, CPU s (wall s) | " + " | ".join((*SCAN_AND_WRITE[:-1], "verify", "publish")) + " |", "|---|" + "---:|" * 7]
    web = ["| over HTTP | requests a file | kB a file |", "|---|---:|---:|"]
    groups = {}
    for row in document["rows"]:
        groups.setdefault(row["group"], {}).setdefault(row["name"], []).append(row)
    for group, names in groups.items():
        median = {name: medians(rows) for name, rows in names.items()}
        own = next((median[n] for n in names if n.startswith("firn")), None)
        for name, found in median.items():
            if found is None:
                lines.append(f"| {name} | wrong result or error | | | | | | | |")
                continue
            cells = [f"{found[k]:.2f}" if k in found else "" for k in ("wall", "cpu", "warm_wall", "warm_cpu")] + [f"{found['peak_mb']:.0f}", f"{found.get('output_mb', 0):.2f}"]
            lines.append(f"| {name} | " + " | ".join([*cells, *ratios(group, name, found, own)]) + " |")
            if "execute cpu" in found:
                phases.append(f"| {name} | " + " | ".join(f"{found[p + ' cpu']:.2f} ({found[p + ' wall']:.2f})" for p in (*SCAN_AND_WRITE[:-1], "verify", "publish")) + " |")
            if "requests_a_file" in found:
                web.append(f"| {name} | {found['requests_a_file']:.2f} | {found['kb_a_file']:.0f} |")
    for more in (phases, web):
        if len(more) > 2:
            lines += ["", *more]
    return "\n".join(lines) + "\n"


def ratios(group, name, found, own):
    """Wall and CPU over those of firn that did the same work."""
    if name.startswith("firn"):
        return ["1", "1"]
    if not own:
        return ["", ""]
    warm = "warm_" if (group in WARM or name == "limit") and "warm_wall" in found else ""
    phases = ("execute",) if name == "limit" else SCAN_AND_WRITE if group in WARM else None
    spent = {kind: sum(own[f"{p} {kind}"] for p in phases) if phases and "execute cpu" in own else own[kind] for kind in ("wall", "cpu")}
    return [f"{found[warm + kind] / spent[kind]:.2f}" for kind in ("wall", "cpu")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    runs = verbs.add_parser("run")
    runs.add_argument("--tasks", default=DEFAULT)
    runs.add_argument("--reps", type=int, default=3)
    runs.add_argument("--files", type=int, default=120)
    runs.add_argument("--jobs", type=int, default=os.cpu_count())
    runs.add_argument("--latency-ms", type=float, default=20, help="of each answer of the web server")
    runs.add_argument("--keep", action="store_true", help="the results, for a look")
    verbs.add_parser("table").add_argument("results", type=pathlib.Path)
    verbs.add_parser("list")
    options = parser.parse_args()
    if options.verb == "run":
        return run_all(options)
    if options.verb == "table":
        print(table(json.loads(options.results.read_text())))
        return 0
    for group, (kind, commands) in GROUPS.items():
        print(f"{group} ({kind}): {', '.join(commands)}")
    print(f"{TRANSFER}: transfer.py --help")


if __name__ == "__main__":
    sys.exit(main())
