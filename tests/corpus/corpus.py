#!/usr/bin/env python3
"""Replays a directory of real files through firn and compares every result with xarray.

    corpus.py DATA [--formats netcdf3,netcdf4] [--jobs N] [--only TEXT] [--report FILE.json] [-v]

For each file of DATA/<format>/ (or of DATA itself, where there are no such folders): `firn inspect`, `firn transform` to Zarr v3,
`firn virtualize` to Icechunk. What inspect says of variables, types, dimensions and attributes, and both stores opened with xarray,
are compared with the source opened with netCDF4, undecoded in every bit and attribute, and decoded. Table by file; the exit status
is 1 if any value or attribute is wrong, anything panics, hangs, or fails without a precise reason.

    equal            everything compared is equal
    unsupported CODE exit 7
    refused CODE     another error, on a file that xarray does not open either
    unopened         firn read it, xarray does not open the source: nothing to compare with
    WRONG, PANIC, HANG, ERROR CODE (fails on a file that xarray opens), NO-REASON (an error that is not a well-formed one),
    CRASH (the comparing process was ended by a signal, though xarray can open the source)
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
from support.binary import firn, well_formed_error  # noqa: E402

LIMIT = 60
BAD = ("WRONG", "PANIC", "HANG", "ERROR", "NO-REASON", "CRASH")
VERBS = ("inspect", "transform", "virtualize")


def files_of(data, formats):
    folders = [data / f for f in formats if (data / f).is_dir()] or [data]
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix not in (".md", ".py", ".json", ".yaml"):
                yield path


# ------------------------------------------------------------------ comparing, in a process of its own: the C library may crash
def compare_in_process(path, produced, kind):
    run = subprocess.run([sys.executable, str(HERE), "--compare", str(path), str(produced), kind], capture_output=True, text=True, timeout=LIMIT * 3)
    # icechunk's own log goes to stdout too: the answer is the last line.
    last = run.stdout.strip().rsplit("\n", 1)[-1]
    if run.returncode == 0 and last.startswith("{"):
        return json.loads(last)
    said = f"the comparing process ended with {run.returncode}: {run.stderr.strip()[-300:]}"
    # A damaged source may crash the C library. Then that happens without firn too.
    return {"crash": said} if xarray_opens(path) else {"unreadable": said}


def compare_main(path, produced, kind):
    from support import compare
    try:
        if kind == "inspect":
            differences, notes = compare.inspect_differences(path, json.loads(pathlib.Path(produced).read_text()))
        else:
            differences, notes = compare.store_differences(path, produced if kind == "zarr" else compare.icechunk_session(produced))
        excused = [line for line in differences if compare.excused(path, line)]
        notes += [f"h5py agrees with firn: {line}" for line in excused]
        answer = {"differences": [line for line in differences if line not in excused], "notes": notes}
    except compare.SourceUnreadable as error:
        answer = {"unreadable": str(error)}
    except OSError as error:  # the libraries cannot even list the groups
        if xarray_opens(path):
            raise
        answer = {"unreadable": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
    # Threads of the libraries may abort while the interpreter is taken down: that says nothing about the file.
    os._exit(0)


def xarray_opens(path):
    code = ("import sys; sys.path.insert(0, sys.argv[1]); from support import compare\n"
            "[compare.open_source(sys.argv[2], g, **compare.RAW) for g in compare.group_paths(sys.argv[2])]\n"
            "import os; os._exit(0)")
    run = subprocess.run([sys.executable, "-c", code, str(HERE.parents[1]), str(path)], capture_output=True, text=True, timeout=LIMIT * 2)
    return run.returncode == 0


# ------------------------------------------------------------------ one file
def outcome(answer, path):
    """What a failed command means, in one word and its reasons."""
    if answer.status is None:
        return "HANG", [f"more than {LIMIT} s"]
    if answer.panicked:
        return "PANIC", [answer.stderr.strip()[-300:]]
    if findings := well_formed_error(answer):
        return "NO-REASON", [*findings, answer.stderr.strip()[-200:]]
    reason = [f"{answer.error.get('what')} · {answer.error.get('where')}"]
    if answer.status == 7:
        return f"unsupported {answer.code}", reason
    return (f"ERROR {answer.code}" if xarray_opens(path) else f"refused {answer.code}"), reason


def replay(path, scratch):
    row = {"file": f"{path.parent.name}/{path.name}", "notes": []}
    work = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    try:
        for verb in VERBS:
            started = time.monotonic()
            if verb == "inspect":
                answer = firn("inspect", path, timeout=LIMIT)
                kind = None
            else:
                kind = "zarr" if verb == "transform" else "icechunk"
                answer = firn(verb, path, "--target", work / f"out.{kind}", timeout=LIMIT)
            row[f"{verb}_s"] = round(time.monotonic() - started, 2)
            if answer.status != 0 or answer.panicked:
                row[verb], row[f"{verb}_reasons"] = outcome(answer, path)
                if kind and (work / "out.zarr/zarr.json").exists() and kind == "zarr":
                    row[verb], row[f"{verb}_reasons"] = "WRONG", ["a root was published after an error"]
                continue
            if answer.document is None:
                row[verb], row[f"{verb}_reasons"] = "NO-REASON", ["stdout is not one JSON object", answer.stdout[:200]]
                continue
            if kind is None:
                (work / "inspected.json").write_text(json.dumps(answer.result["files"][0]["inspected"]))
                found = compare_in_process(path, work / "inspected.json", "inspect")
            else:
                found = compare_in_process(path, work / f"out.{kind}", kind)
            if "unreadable" in found:
                row[verb], row[f"{verb}_reasons"] = "unopened", [found["unreadable"]]
            elif "crash" in found:
                row[verb], row[f"{verb}_reasons"] = "CRASH", [found["crash"]]
            else:
                row[verb] = f"WRONG {len(found['differences'])}" if found["differences"] else "equal"
                row[f"{verb}_reasons"] = found["differences"]
                row["notes"] += [n for n in found["notes"] if n not in row["notes"]]
    except Exception as error:  # the harness itself: never silent
        row["harness"] = f"{type(error).__name__}: {error}"
        row.setdefault(verb, "ERROR harness")
        row.setdefault(f"{verb}_reasons", [row["harness"]])
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for verb in VERBS:
        row.setdefault(verb, "ERROR not run")
    return row


def report(rows, verbose):
    width = max(len(r["file"]) for r in rows)
    columns = {v: max(len(v), *(len(r[v]) for r in rows)) for v in VERBS}
    print("  ".join(["file".ljust(width), *(v.ljust(columns[v]) for v in VERBS)]))
    for row in rows:
        print("  ".join([row["file"].ljust(width), *(row[v].ljust(columns[v]) for v in VERBS)]).rstrip())
        for verb in VERBS:
            reasons = row.get(f"{verb}_reasons", [])
            if row[verb].startswith(BAD) or verbose:
                for reason in reasons[: None if verbose else 6]:
                    print(f"    {verb}: {reason}")
                if not verbose and len(reasons) > 6:
                    print(f"    {verb}: … and {len(reasons) - 6} more")
        if verbose:
            for note in row["notes"]:
                print(f"    note: {note}")
    print()
    for verb in VERBS:
        counts = {}
        for row in rows:
            word = row[verb].split()[0]
            counts[word] = counts.get(word, 0) + 1
        print(f"{verb}: " + ", ".join(f"{n} {word}" for word, n in sorted(counts.items(), key=lambda item: -item[1])))


def main():
    if len(sys.argv) == 5 and sys.argv[1] == "--compare":
        return compare_main(*sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--formats", default="netcdf3,netcdf4")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2))
    parser.add_argument("--only", default="", help="files whose path contains this text")
    parser.add_argument("--report", type=pathlib.Path, help="all rows as JSON")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    files = [f.resolve() for f in files_of(options.data, options.formats.split(",")) if options.only in str(f)]
    if not files:
        parser.error(f"no files below {options.data} for {options.formats}")
    with tempfile.TemporaryDirectory(prefix="firn-corpus-") as scratch, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(lambda f: replay(f, scratch), files))
    report(rows, options.verbose)
    if options.report:
        options.report.write_text(json.dumps(rows, indent=1) + "\n")
    bad = [r["file"] for r in rows if any(r[v].startswith(BAD) for v in VERBS)]
    print(f"\n{len(rows)} files, {len(bad)} with something wrong" + "".join(f"\n  {name}" for name in bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
