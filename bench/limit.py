#!/usr/bin/env python3
"""The work that no program can avoid in the `transform` task, by the fastest C libraries, in N processes, with writes and digests.

    limit.py OUT N FILE...

Prints one JSON object: wall seconds without starting the processes, CPU seconds by step.
"""
import concurrent.futures
import json
import os
import pathlib
import sys
import time

import deflate
import h5py
import numpy as np
from blake3 import blake3
from numcodecs import zstd
from numcodecs.shuffle import Shuffle

ROWS, COLUMNS, STEPS = 180, 360, 30
SHAPE = (720, 1440)
VARIABLES = ("anom", "err", "ice", "sst")


def block(out, name, index, files):
    """One variable of up to 30 files: read, inflate, unshuffle, gather, compress, digest, write."""
    cpu = dict.fromkeys(("read", "inflate", "unshuffle", "gather", "zstd", "blake3", "write"), 0.0)
    clock = time.process_time
    unshuffle, size = Shuffle(2), SHAPE[0] * SHAPE[1] * 2
    slab = np.full((STEPS, *SHAPE), -999, "i2")
    for step, path in enumerate(files):
        start = clock()
        with h5py.File(path, "r", rdcc_nbytes=0) as source:
            mask, raw = source[name].id.read_direct_chunk((0, 0, 0, 0))
        assert mask == 0
        read = clock()
        plain = deflate.zlib_decompress(raw, size)
        inflated = clock()
        unshuffle.decode(plain, slab[step])
        cpu["read"] += read - start
        cpu["inflate"] += inflated - read
        cpu["unshuffle"] += clock() - inflated
    for row in range(SHAPE[0] // ROWS):
        folder = pathlib.Path(out) / name / "c" / str(index) / "0" / str(row)
        folder.mkdir(parents=True, exist_ok=True)
        for column in range(SHAPE[1] // COLUMNS):
            start = clock()
            part = np.ascontiguousarray(slab[:, row * ROWS:(row + 1) * ROWS, column * COLUMNS:(column + 1) * COLUMNS])
            gathered = clock()
            body = zstd.compress(part, 3)
            compressed = clock()
            blake3(body).digest()
            digested = clock()
            (folder / str(column)).write_bytes(body)
            cpu["gather"] += gathered - start
            cpu["zstd"] += compressed - gathered
            cpu["blake3"] += digested - compressed
            cpu["write"] += clock() - digested
    return cpu


def main(out, processes, files):
    with concurrent.futures.ProcessPoolExecutor(processes) as pool:
        list(pool.map(abs, range(processes * 4)))  # processes are there before the clock starts
        start = time.perf_counter()
        work = [pool.submit(block, out, name, i // STEPS, files[i:i + STEPS]) for i in range(0, len(files), STEPS) for name in VARIABLES]
        parts = [w.result() for w in work]
        wall = time.perf_counter() - start
    cpu = {step: round(sum(p[step] for p in parts), 3) for step in parts[0]}
    print(json.dumps({"warm_wall": round(wall, 3), "warm_cpu": round(sum(cpu.values()), 3), "steps": cpu}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
