"""Runs the firn binary and reads its answer."""
import dataclasses
import json
import os
import pathlib
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TESTDATA = REPOSITORY / "testdata"
PANICS = (70, 101, -6, -11)

CATEGORIES = {
    2: "usage", 3: "invalid document", 4: "not found", 5: "denied", 6: "conflict", 7: "unsupported", 8: "corrupt",
    9: "unavailable", 10: "differences", 11: "inconsistent sources", 70: "bug", 130: "interrupted",
}


def binary():
    path = pathlib.Path(os.environ.get("FIRN_BIN", REPOSITORY / "target/debug/firn"))
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there: make build, or set FIRN_BIN")
    return str(path)


def environment(**extra):
    """The caller's environment without anything that would configure firn from outside."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FIRN_", "AWS_", "JUPYTERHUB_", "RCLONE_"))}
    return kept | {"NO_COLOR": "1", "RUST_BACKTRACE": "1", "AWS_EC2_METADATA_DISABLED": "true"} | {k: str(v) for k, v in extra.items()}


@dataclasses.dataclass
class Answer:
    arguments: list
    status: int          # exit status; None: the time limit was reached and the process killed
    stdout: str
    stderr: str

    @property
    def document(self):
        """The one JSON object of `-o json`, or None."""
        try:
            value = json.loads(self.stdout)
        except json.JSONDecodeError:
            return None
        return value if isinstance(value, dict) else None

    @property
    def error(self):
        return (self.document or {}).get("error") or {}

    @property
    def result(self):
        return (self.document or {}).get("result")

    @property
    def code(self):
        return self.error.get("code")

    @property
    def panicked(self):
        return self.status in PANICS or "panicked at" in self.stderr

    def __str__(self):
        return f"firn {' '.join(map(str, self.arguments))}\nexit {self.status}\nstdout: {self.stdout[-3000:]}\nstderr: {self.stderr[-3000:]}"


def firn(*arguments, timeout=120, env=None, cwd=None, check=False, process=None):
    """Runs a verb with `-o json`. With `check`, anything but success fails with the whole answer. `process` is how it is started, as `subprocess.run` takes it."""
    words = [str(a) for a in arguments]
    if "-o" not in words:
        words += ["-o", "json"]
    try:
        run = subprocess.run([binary(), *words], capture_output=True, text=True, errors="replace", timeout=timeout,
                             env=env or environment(), cwd=cwd, stdin=subprocess.DEVNULL, **(process or {}))
        answer = Answer(words, run.returncode, run.stdout, run.stderr)
    except subprocess.TimeoutExpired as late:
        answer = Answer(words, None, (late.stdout or b"").decode(errors="replace"), (late.stderr or b"").decode(errors="replace"))
    if check:
        assert answer.status == 0, str(answer)
        assert answer.document is not None and answer.document.get("ok") is True, f"not the JSON of a success:\n{answer}"
    return answer


def well_formed_error(answer):
    """What an error must always say; returns the findings as texts."""
    findings = []
    document = answer.document
    if document is None:
        return [f"stdout is not one JSON object: {answer.stdout[:200]!r}"]
    if document.get("ok") is not False:
        findings.append("ok is not false")
    if not str(document.get("schema", "")).startswith("firn/"):
        findings.append("no schema")
    for key in ("code", "category", "what", "why", "next"):
        if not answer.error.get(key):
            findings.append(f"error.{key} is missing")
    expected = CATEGORIES.get(answer.status)
    if answer.error.get("category") not in (expected, (expected or "").replace(" ", "_")):
        findings.append(f"exit {answer.status} means {expected!r}, the category says {answer.error.get('category')!r}")
    return findings
