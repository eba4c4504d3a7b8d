#!/usr/bin/env python3
"""Checks of the repository's own text (standard library only): no path of one machine, no address of a registry mirror,
every bundled data file with its origin and licence, the Makefile's promised targets, generated files unchanged by hand."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MACHINE_PATH = re.compile(r"(?<![A-Za-z0-9._/-])/(?:work|farm|root|home/[a-z][a-z0-9_-]*|Users/[A-Za-z][\w.-]*)(?=[/\s\"'`),;:]|$)")
MIRROR = re.compile(r"artifactory|index\.crates\.io:443", re.IGNORECASE)
DATA = {"netcdf3", "netcdf4", "nemo", "hdf5", "hdf5_hostile", "leap"}
ORIGINAL = ("testdata/",)  # other people's files are kept as they were published
TARGETS = ("demo", "test", "check", "acceptance", "bench", "corpus")


def tracked():
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [name for name in listing.split("\0") if name and (ROOT / name).is_file()]


def lines(name):
    data = (ROOT / name).read_bytes()
    return [] if b"\0" in data[:8192] else data.decode("utf-8", "replace").splitlines()


def machine_text(names):
    here = pathlib.Path(__file__).resolve().relative_to(ROOT).as_posix()
    for name in names:
        if name.startswith(ORIGINAL) and not name.endswith((".py", ".md")) or name == here:
            continue
        for number, line in enumerate(lines(name), 1):
            if MACHINE_PATH.search(line):
                yield f"{name}:{number}: a path of one machine: {line.strip()[:100]}"
            if MIRROR.search(line):
                yield f"{name}:{number}: the address of a package mirror: {line.strip()[:100]}"


def provenance(names):
    table = (ROOT / "testdata/SOURCES.md").read_text()
    rows = {row.split("|")[1].strip(): row for row in table.splitlines() if row.startswith("| ") and row.count("|") >= 6}
    present = {n.removeprefix("testdata/") for n in names if n.startswith("testdata/") and n.split("/")[1] in DATA}
    for name in sorted(present - rows.keys()):
        yield f"testdata/{name}: not in testdata/SOURCES.md: add origin and licence"
    for name in sorted(rows.keys() - present - {"file"}):
        yield f"testdata/SOURCES.md names {name}, which is not there"
    for name in sorted(present & rows.keys()):
        cells = [cell.strip() for cell in rows[name].split("|")]
        if cells[2] != str((ROOT / "testdata" / name).stat().st_size):
            yield f"testdata/{name}: size differs from testdata/SOURCES.md: bundled files are never edited"
        if re.search(r"GPL", cells[4]):
            yield f"testdata/{name}: licence {cells[4]} stays out"
    for name in sorted(present):
        if not name.startswith("leap/") and not (ROOT / "testdata/expected" / f"{name}.json").exists():
            yield f"testdata/{name}: no expected values: make testdata-expected"


def promises():
    makefile = (ROOT / "Makefile").read_text()
    for target in TARGETS:
        if not re.search(rf"^{target}:", makefile, re.MULTILINE):
            yield f"Makefile: no target {target}"


def main():
    names = tracked()
    found = [*machine_text(names), *provenance(names), *promises()]
    print("\n".join(found) if found else f"{len(names)} files: no machine paths, all data with origin and licence")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
