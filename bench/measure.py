"""Wall seconds, CPU seconds and peak memory of a process and everything it starts."""
import os
import subprocess
import threading
import time

import psutil

INTERVAL = 0.05


def _proportional(process):
    """PSS where the kernel tells it (shared pages counted once over the tree), else RSS."""
    try:
        with open(f"/proc/{process.pid}/smaps_rollup") as rollup:
            for line in rollup:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


class _Sampler(threading.Thread):
    def __init__(self, pid):
        super().__init__(daemon=True)
        self.process, self.peak, self.done = psutil.Process(pid), 0, threading.Event()

    def run(self):
        while not self.done.is_set():
            try:
                tree = [self.process, *self.process.children(recursive=True)]
            except psutil.Error:
                return
            self.peak = max(self.peak, sum(_proportional(p) for p in tree))
            self.done.wait(INTERVAL)


def run(command, log, timeout=1800, env=None):
    """Runs to the end: {status, wall, cpu, peak_mb, stdout}. CPU includes all descendants that were waited for."""
    with open(log, "wb") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, env=env)
        sampler = _Sampler(process.pid)
        sampler.start()
        watchdog = threading.Timer(timeout, process.kill)
        watchdog.start()
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        watchdog.cancel()
        sampler.done.set()
        sampler.join()
    return {"status": process.returncode, "wall": round(wall, 3), "cpu": round(usage.ru_utime + usage.ru_stime, 3),
            "peak_mb": round(sampler.peak / 1e6), "stdout": output.decode(errors="replace")}
