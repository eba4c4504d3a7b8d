#!/usr/bin/env python3
"""Runs the guides: each in a fresh directory, its blocks in order, with `firn` (FIRN_BIN) on PATH and the bundled files as `testdata/`.

    python tests/docs/run_guide.py                     all guides, and README.md
    python tests/docs/run_guide.py docs/guide/stores.md --show

| block | is |
|---|---|
| ```sh | run by bash, line after line; each must end with status 0, or with N where its line ends in `# exits N` |
| ```python | run by this Python |
| ```yaml PATH (or toml, …) | written to PATH |
| ```text after sh or python | each of its lines must stand in what the block before printed; `…` stands for anything, blanks for blanks |
| any other | not run |

Addresses of example hosts are those of servers on this machine: https://data.example.org serves testdata/, https://s3.example.org is an S3
endpoint with the bucket `my-bucket` and its credentials in the environment. Local links between documents are checked too."""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.binary import TESTDATA, binary, environment  # noqa: E402
from support.servers import S3, FileServer  # noqa: E402

BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
EXITS = re.compile(r"\s+#\s*exits (\d+)\s*$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
PROSE = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "CORRECTNESS.md", "SECURITY.md")
SECONDS = 120


class Wrong(Exception):
    """A document that does not hold what it says."""


def documents():
    return [ROOT / name for name in PROSE if (ROOT / name).exists()] + sorted((ROOT / "docs").rglob("*.md"))


def guides():
    return [ROOT / "README.md"] + sorted((ROOT / "docs/guide").glob("*.md"))


def blocks(text):
    """(line, language, argument, body) of each fenced block."""
    for found in BLOCK.finditer(text):
        words = found.group(1).split()
        yield text.count("\n", 0, found.start()) + 1, (words or [""])[0], " ".join(words[1:]), found.group(2)


def shell(body):
    """The block as a script in which `# exits N` is held."""
    lines, command = ["set -euo pipefail"], []
    for line in body.splitlines():
        command.append(line)
        if line.endswith("\\"):
            continue
        expected = EXITS.search(line)
        if expected:
            command[-1] = EXITS.sub("", line)
            status = expected.group(1)
            lines += ["set +e", *command, "status=$?", "set -e", f'[ "$status" = {status} ] || {{ echo "exits $status, not {status}" >&2; exit 99; }}']
        else:
            lines += command
        command = []
    return "\n".join(lines + command) + "\n"


def run(command, directory, variables, text=None):
    done = subprocess.run(command, cwd=directory, env=variables, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS)
    return done.returncode, done.stdout


def holds(expected, printed):
    """The lines of `expected` that nobody printed."""
    def flat(line):
        return " ".join(line.split())
    lines = [flat(line) for line in printed.splitlines()]
    for line in filter(None, map(flat, expected.splitlines())):
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        if not any(pattern.fullmatch(candidate) for candidate in lines):
            yield line


class Hosts:
    """Example hosts of the guides, and what stands in for them here."""

    def __init__(self, text):
        self.names, self.variables, self.stop = {}, {}, []
        if "https://data.example.org" in text:
            server = FileServer(TESTDATA)
            self.names["https://data.example.org"] = server.url
            self.stop.append(server.__exit__)
        if "https://s3.example.org" in text:
            s3 = S3()
            self.stop.append(s3.stop)
            s3.bucket("my-bucket")
            self.names["https://s3.example.org"] = s3.endpoint
            self.variables = {key: value for key, value in s3.environment.items() if key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}

    def real(self, text):
        for name, address in self.names.items():
            text = text.replace(name, address)
        return text

    def shown(self, text):
        for name, address in self.names.items():
            text = text.replace(address, name)
        return text


def run_guide(guide, show=False):
    """How many blocks were run.

    Raises Wrong with the line of the first block that does not do what it says."""
    text = guide.read_text()
    count, printed = 0, None
    with tempfile.TemporaryDirectory(prefix="firn-guide-") as base:
        directory = pathlib.Path(base).resolve() / guide.stem
        tools = directory.parent / "bin"
        directory.mkdir()
        tools.mkdir()
        (tools / "firn").symlink_to(pathlib.Path(binary()).resolve())
        (directory / "testdata").symlink_to(TESTDATA)
        hosts = Hosts(text)
        home = directory.parent / "home"
        variables = environment(HOME=home, PATH=f"{tools}{os.pathsep}{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", COLUMNS="120", **hosts.variables)
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            variables.pop(name, None)
        try:
            for line, language, argument, body in blocks(text):
                where = f"{guide.relative_to(ROOT)}:{line}"
                if language in ("sh", "python"):
                    command = ["bash", "-c", shell(hosts.real(body))] if language == "sh" else [sys.executable, "-W", "ignore", "-"]
                    status, printed = run(command, directory, variables, None if language == "sh" else hosts.real(body))
                    printed = hosts.shown(printed).replace(str(directory), "/data")
                    if show:
                        print(f"--- {where}\n{body}>>>\n{printed}")
                    if status != 0:
                        raise Wrong(f"{where}: exits {status}\n{body}{printed}")
                    count += 1
                elif language == "text" and printed is not None:
                    missing = list(holds(body, printed))
                    if missing:
                        raise Wrong(f"{where}: not printed: {missing}\n{printed}")
                    printed = None
                elif argument:
                    path = directory / argument
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(hosts.real(body))
        finally:
            for stop in hosts.stop:
                stop()
    return count


def broken_links():
    for document in documents():
        text = BLOCK.sub("", document.read_text())
        for target in LINK.findall(text):
            path, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = (document.parent / path).resolve() if path else document
            where = document.relative_to(ROOT)
            if ROOT not in file.parents or not file.exists():
                yield f"{where}: {target} is not there"
            elif anchor and file.suffix == ".md":
                slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)}
                if anchor not in slugs:
                    yield f"{where}: {target} is no heading"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("guides", nargs="*", type=pathlib.Path)
    parser.add_argument("--show", action="store_true", help="print every block and what it printed")
    options = parser.parse_args()
    wrong = list(broken_links())
    for guide in [path.resolve() for path in options.guides] or guides():
        try:
            print(f"{guide.relative_to(ROOT)}: {run_guide(guide, options.show)} blocks")
        except (Wrong, subprocess.TimeoutExpired) as problem:
            wrong.append(str(problem))
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
