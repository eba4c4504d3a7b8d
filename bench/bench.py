#!/usr/bin/env python3
"""firn beside its peers, alternating in one run.

    bench.py run [--tasks transform,virtualize,rechunk] [--reps 3] [--files 120] [--jobs N] [--keep]
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


def firn_kerchunk(out, jobs, inputs):
    return [*firn_virtualize(out, jobs, inputs), "--format", "kerchunk-json"]


def firn_rechunk(out, jobs, inputs):
    return [FIRN, "transform", *inputs, "--target", out, "--chunks", "time=744,latitude=20,longitude=20", "--codec", "zstd:3", "--jobs", str(jobs), "-o", "json"]


# group → (inputs, {name: command}); the first peer is what ratios are taken against
GROUPS = {
    "transform": ("daily", {"firn transform": firn_transform, "xarray + dask": peer("xarray_transform"), "limit": limit}),
    "virtualize": ("daily", {"firn virtualize": firn_virtualize, "VirtualiZarr": peer("virtualizarr_icechunk")}),
    "kerchunk": ("daily", {"firn kerchunk-json": firn_kerchunk, "kerchunk": peer("kerchunk_json")}),
    "rechunk": ("hourly", {"firn rechunk": firn_rechunk, "xarray + dask (rechunk)": peer("xarray_rechunk")}),
}
DEFAULT = "transform,virtualize,rechunk"
WARM = ("virtualize", "kerchunk")  # ratios take the peers after their imports; the limit always


# ------------------------------------------------------------------ a wrong result has no time
def check(group, name, out, inputs):
    """Raises AssertionError if the result is not equal to the inputs (a sample of steps, all variables)."""
    if name == "limit":
        return
    import netCDF4
    import numpy as np
    import zarr
    if group == "kerchunk":
        return check_references(out, inputs)
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
        with h5py.File(inputs[step]) as source:
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
    for old in (out, out.with_name(out.name + ".firn")):
        shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    measured = run(command(str(out), jobs, inputs), CACHE / "out/last.log")
    answer = last_json(measured.pop("stdout"))
    row = {"group": group, "name": name, **measured}
    row |= {key: answer[key] for key in ("warm_wall", "warm_cpu", "steps") if key in answer}
    phases = (answer.get("result") or {}).get("phases") if isinstance(answer.get("result"), dict) else None
    if phases:
        row["phases"] = phases
    if row["status"] == 0:
        row["output_mb"] = round(size_of(out) / 1e6, 3)
        try:
            check(group, name, str(out), inputs)
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


def run_all(options):
    sys.path.insert(0, str(HERE))
    from generate import generate
    made = [str(p) for p in generate(CACHE / "data", options.files, jobs=options.jobs)]
    inputs = {"daily": made, "hourly": [str(CACHE / "data/hourly.zarr")]}
    version = subprocess.run([FIRN, "--version"], capture_output=True, text=True).stdout.strip() if FIRN and os.path.exists(FIRN) else None
    if not version:
        print("FIRN_BIN names no binary: the peers run alone", file=sys.stderr)
    rows = []
    for group in options.tasks.split(","):
        kind, commands = GROUPS[group]
        names = [n for n in commands if version or not n.startswith("firn")]
        for repetition in range(options.reps):
            for name in names[repetition % len(names):] + names[: repetition % len(names)]:  # alternating: nobody is always first
                row = once(group, name, commands[name], options.jobs, inputs[kind], options.keep)
                rows.append(row)
                print(f"{group} {repetition + 1}/{options.reps} {name}: {row['wall']:.1f} s wall, {row['cpu']:.1f} s CPU, {row['peak_mb']} MB" + (f"  {row['wrong']}" if "wrong" in row else ""),
                      file=sys.stderr, flush=True)
    document = {"when": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "machine": machine(), "firn": version,
                "files": options.files, "jobs": options.jobs, "rows": rows}
    results = CACHE / "results"
    results.mkdir(parents=True, exist_ok=True)
    target = results / f"{document['when'].replace(':', '')}.json"
    target.write_text(json.dumps(document, indent=1) + "\n")
    table(document)
    print(f"\n{target}")
    return 1 if any("wrong" in row for row in rows) else 0


def table(document):
    """Medians over the repetitions; ratios are peer / firn, of CPU and of wall."""
    print(f"{document['files']} files, {document['jobs']} cores of {document['machine']['cpu']}, {document['firn'] or 'without firn'}\n")
    print("| task | wall s | CPU s | wall s warm | CPU s warm | peak MB | output MB | wall × firn | CPU × firn |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    groups = dict.fromkeys(row["group"] for row in document["rows"])
    for group in groups:
        names = dict.fromkeys(row["name"] for row in document["rows"] if row["group"] == group)
        median = {}
        for name in names:
            rows = [row for row in document["rows"] if row["group"] == group and row["name"] == name]
            if any("wrong" in row for row in rows):
                median[name] = None
                continue
            median[name] = {key: statistics.median(row[key] for row in rows) for key in ("wall", "cpu", "warm_wall", "warm_cpu", "peak_mb", "output_mb") if key in rows[0]}
        own = next((median[n] for n in names if n.startswith("firn")), None)
        for name in names:
            m = median[name]
            if m is None:
                print(f"| {name} | wrong result or error | | | | | | | |")
                continue
            cells = [f"{m[k]:.1f}" if k in m else "" for k in ("wall", "cpu", "warm_wall", "warm_cpu")] + [f"{m['peak_mb']:.0f}", f"{m.get('output_mb', 0):.2f}"]
            prefix = "warm_" if (group in WARM or name == "limit") and "warm_wall" in m else ""
            ratios = [f"{m[prefix + 'wall'] / own['wall']:.2f}", f"{m[prefix + 'cpu'] / own['cpu']:.2f}"] if own else ["", ""]
            print(f"| {name} | " + " | ".join([*cells, *ratios]) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    runs = verbs.add_parser("run")
    runs.add_argument("--tasks", default=DEFAULT)
    runs.add_argument("--reps", type=int, default=3)
    runs.add_argument("--files", type=int, default=120)
    runs.add_argument("--jobs", type=int, default=os.cpu_count())
    runs.add_argument("--keep", action="store_true")
    verbs.add_parser("table").add_argument("results", type=pathlib.Path)
    verbs.add_parser("list")
    options = parser.parse_args()
    if options.verb == "run":
        return run_all(options)
    if options.verb == "table":
        return table(json.loads(options.results.read_text()))
    for group, (kind, commands) in GROUPS.items():
        print(f"{group} ({kind}): {', '.join(commands)}")


if __name__ == "__main__":
    sys.exit(main())
