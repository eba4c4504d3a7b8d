#!/usr/bin/env python3
"""Decodes with numcodecs what firn encodes: cargo run -p firn-formats --example encode_golden | check_encoded.py"""
import base64
import json
import pathlib
import sys

import numcodecs

HERE = pathlib.Path(__file__).resolve().parent
DECODERS = {"blosc": numcodecs.Blosc(), "gzip": numcodecs.GZip(), "numcodecs.zlib": numcodecs.Zlib(), "zstd": numcodecs.Zstd()}


def main():
    count = 0
    for line in sys.stdin:
        case = json.loads(line)
        decoded = DECODERS[case["codec"]["name"]].decode(base64.b64decode(case["encoded"]))
        if bytes(decoded) != (HERE / f"{case['input']}.bin").read_bytes():
            sys.exit(f"numcodecs decodes something else: {case['input']} {case['codec']}")
        count += 1
    if count == 0:
        sys.exit("nothing to check")
    print(count, "chunks decoded by numcodecs")


if __name__ == "__main__":
    main()
