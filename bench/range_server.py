#!/usr/bin/env python3
"""A web server that answers ranges after a delay, and counts.

    range_server.py DIR PORT [--latency-ms 20]

Prints a line when it listens. `GET /-/count` gives {"requests": …, "bytes": …} (bytes of bodies) and begins to count anew.
"""
import argparse
import http.server
import json
import os
import pathlib
import re
import threading
import time

COUNT = {"requests": 0, "bytes": 0}
LOCK = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    root, latency = pathlib.Path(), 0.0

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/-/count":
            with LOCK:
                body = json.dumps(COUNT).encode()
                COUNT.update(requests=0, bytes=0)
            return self.reply(200, body)
        time.sleep(self.latency)
        path = (self.root / self.path.lstrip("/")).resolve()
        if not path.is_file() or self.root not in path.parents:
            with LOCK:
                COUNT["requests"] += 1
            return self.reply(404, b"")
        size = path.stat().st_size
        headers = [("ETag", f'"{path.stat().st_mtime_ns:x}-{size:x}"'), ("Accept-Ranges", "bytes"),
                   ("Last-Modified", self.date_time_string(path.stat().st_mtime))]
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        start, end = 0, size
        if wanted and wanted[1]:
            start, end = int(wanted[1]), min(size, int(wanted[2]) + 1) if wanted[2] else size
        elif wanted:
            start = max(0, size - int(wanted[2]))
        if start >= end:
            return self.reply(416, b"", [("Content-Range", f"bytes */{size}")])
        with open(path, "rb") as file:
            body = os.pread(file.fileno(), end - start, start) if self.command == "GET" else b"\0" * (end - start)
        with LOCK:
            COUNT["requests"] += 1
            COUNT["bytes"] += len(body) if self.command == "GET" else 0
        if wanted:
            headers.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
        self.reply(206 if wanted else 200, body, headers)

    do_HEAD = do_GET


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256
    daemon_threads = True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--latency-ms", type=float, default=20)
    options = parser.parse_args()
    Handler.root, Handler.latency = options.directory.resolve(), options.latency_ms / 1000
    server = Server(("127.0.0.1", options.port), Handler)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
