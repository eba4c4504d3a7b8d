"""The most memory that a process had at one time."""
import os
import subprocess
import tempfile
import time

from support.binary import Answer, binary, environment

INTERVAL = 0.004


def high_water(pid):
    """Peak of the resident set of a process since it began its program, in bytes; 0 where it is gone."""
    try:
        with open(f"/proc/{pid}/status") as status:
            return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")), 0)
    except OSError:
        return 0


def firn_with_peak(*arguments, cwd=None, env=None):
    """(answer, peak). The resource usage that `wait` tells would count the memory of this test before `exec`, too."""
    words = [*map(str, arguments), "-o", "json"]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen([binary(), *words], stdout=output, stderr=errors, stdin=subprocess.DEVNULL, cwd=cwd, env=env or environment(), text=True)
        peak = 0
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            peak = max(peak, high_water(process.pid))
            time.sleep(INTERVAL)
        process.wait()
        output.seek(0)
        errors.seek(0)
        return Answer(words, process.returncode, output.read(), errors.read()), peak
