#!/usr/bin/env python3
"""Damages real files at random and feeds them to the binary: an error is right, a panic, a hang or a flood of memory is not.

    mutate.py [--count 400] [--seed N] [--jobs N] [--keep DIR] [--compare] [FOLDER...]

Each mutation is (seed, number): the same pair damages the same file in the same way again. What misbehaves is kept in --keep.
With --compare, what `firn transform` made of a damaged file is compared with what xarray reads in the same damaged file, where
it opens it: a value that only firn sees is wrong.

Each process gets 4 GiB of address space and 20 seconds; no bundled file needs a fraction of either.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from support.binary import CATEGORIES, TESTDATA, binary, environment  # noqa: E402

CORPUS = pathlib.Path(__file__).resolve().with_name("corpus.py")
FOLDERS = ("netcdf3", "netcdf4", "hdf5", "hdf5_hostile")
LARGEST = 200_000
SECONDS = 20
MEMORY = 4 << 30
NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)


def damaged(data, dice):
    """One to four changes, most of them where the metadata is."""
    data = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        if not data:
            break
        near = min(len(data), dice.choice((64, 512, 4096, len(data))))
        at = dice.randrange(near)
        kind = dice.randrange(7)
        if kind == 0:
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 1:
            data[at] = dice.randrange(256)
        elif kind == 2:  # a number that somebody will use as a size
            width = dice.choice((1, 2, 4, 8))
            value = (dice.choice(NUMBERS) + dice.choice((-1, 0, 0, 1))) % (1 << 8 * width)
            data[at:at + width] = value.to_bytes(width, dice.choice(("little", "big")))
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            length = dice.randint(1, 64)
            data[at:at + length] = bytes(length)
        elif kind == 5:  # a piece of the file, elsewhere: addresses that point into themselves
            length, source = dice.randint(4, 64), dice.randrange(len(data))
            data[at:at + length] = data[source:source + length]
        else:
            data[at:at] = bytes(dice.randint(1, 16))
    return bytes(data)


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def complaint(command):
    """What is wrong with how the binary ended, or None."""
    try:
        run = subprocess.run([binary(), *map(str, command), "-o", "json"], capture_output=True, timeout=SECONDS, env=environment(RUST_BACKTRACE=0),
                             preexec_fn=limited, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return f"hangs (more than {SECONDS} s)"
    words = run.stderr.decode(errors="replace")
    if run.returncode == 70 or run.returncode not in (0, *CATEGORIES) or "panicked" in words or "memory allocation" in words:
        return f"exit {run.returncode}: {words.strip()[-300:]}"
    return None


def differs(path, store):
    """How the store differs from what the C library reads in the damaged file, where that opens it and does not crash."""
    try:
        run = subprocess.run([sys.executable, str(CORPUS), "--compare", str(path), str(store), "zarr"], capture_output=True, text=True,
                             timeout=SECONDS * 3, preexec_fn=limited)
    except subprocess.TimeoutExpired:
        return []
    last = run.stdout.strip().rsplit("\n", 1)[-1]
    return json.loads(last).get("differences", []) if run.returncode == 0 and last.startswith("{") else []


def attempt(number, seed, files, scratch, keep, compare):
    dice = random.Random(f"{seed}/{number}")
    source = dice.choice(files)
    work = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    path = work / source.name
    path.write_bytes(damaged(source.read_bytes(), dice))
    found = []
    for command in (["inspect", path], ["transform", path, "--target", work / "z"], ["virtualize", path, "--target", work / "i"]):
        if wrong := complaint(command):
            found.append(f"{number}: {source.parent.name}/{source.name}: firn {command[0]}: {wrong}")
    if compare and (work / "z/zarr.json").exists():
        found += [f"{number}: {source.parent.name}/{source.name}: {line}" for line in differs(path, work / "z")]
    if found and keep:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{seed}-{number}-{source.name}").write_bytes(path.read_bytes())
    subprocess.run(["rm", "-rf", str(work)], check=False)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", default=FOLDERS)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--keep", type=pathlib.Path)
    parser.add_argument("--compare", action="store_true")
    options = parser.parse_args()
    files = [f for folder in options.folders for f in sorted((TESTDATA / folder).iterdir()) if f.stat().st_size <= LARGEST]
    with tempfile.TemporaryDirectory(prefix="firn-mutate-") as scratch, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = list(pool.map(lambda n: attempt(n, options.seed, files, scratch, options.keep, options.compare), range(options.count)))
    found = [line for result in results for line in result]
    print(*found, sep="\n", end="\n" if found else "")
    print(f"{options.count} damaged files, seed {options.seed}: {len(found)} misbehaved")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
