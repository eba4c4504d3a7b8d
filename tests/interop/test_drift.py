"""Files that disagree: firn stops with a code of its own and publishes nothing; what is lossless succeeds with equal values.

The sets are made by tests/fixtures/make_drift.py from real files; what is expected of each stands in its case.json.
"""
import json

import make_drift
import pytest
from support import compare
from support.binary import firn, well_formed_error

COMMANDS = ("run", "transform", "virtualize")


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    directory = tmp_path_factory.mktemp("drift")
    return {name: make_drift.make(directory, name) for name in make_drift.CASES}


def command_of(verb, folder, case, target):
    files = [folder / f for f in case["files"]]
    if verb == "run":
        return ["run", folder / "feedstock", "--target", target, "--no-write"]
    return [verb, *files, "--target", target, "--concat-dim", case["concat_dim"]]


def stores_below(target):
    """Everything that a reader could take for a published dataset."""
    if not target.exists():
        return []
    roots = [p for p in target.rglob("zarr.json") if p.parent == target or p.parent.name.startswith("v")]
    repositories = [p for p in target.rglob("refs/branch.main/ref.json")]
    return roots + [p for p in repositories if _commits(p.parents[2]) > 1] + list(target.rglob("firn.json"))


def _commits(repository):
    import icechunk
    return len(list(icechunk.Repository.open(icechunk.local_filesystem_storage(str(repository))).ancestry(branch="main")))


@pytest.mark.parametrize("verb", COMMANDS)
@pytest.mark.parametrize("name", make_drift.CASES)
def test_a_disagreement_stops_or_loses_nothing(sets, name, verb, tmp_path):
    folder = sets[name]
    case = json.loads((folder / "case.json").read_text())
    if verb not in case["commands"]:
        pytest.skip(f"{name} says nothing to {verb}: a list of files has no pattern that could miss one")
    expect = case["commands"][verb]
    target = tmp_path / "out"
    answer = firn(*command_of(verb, folder, case, target))
    assert answer.status in expect["exit"], f"{case['title']}\nexpected exit {expect['exit']}\n{answer}"
    if answer.status:
        assert well_formed_error(answer) == [], str(answer)
        assert stores_below(target) == [], "nothing is published after an error"
        return
    files = [folder / f for f in case["files"]]
    store = compare.published(target)
    store = compare.icechunk_session(store) if verb == "virtualize" else store
    flips = name.startswith("time-flip")
    assert compare.combined_differences(files, case["concat_dim"], store, undecoded=not flips) == []


def test_each_disagreement_has_a_code_of_its_own(sets, tmp_path):
    """Two causes with one code could not be told apart by a script or by `firn explain`."""
    codes = {}
    for name, folder in sets.items():
        case = json.loads((folder / "case.json").read_text())
        verb = next((v for v in ("virtualize", "run") if v in case["commands"] and 0 not in case["commands"][v]["exit"]), None)
        if verb:
            codes[name] = firn(*command_of(verb, folder, case, tmp_path / name)).code
    assert None not in codes.values(), codes
    twins = {c: [n for n in codes if codes[n] == c] for c in codes.values()}
    assert {c: names for c, names in twins.items() if len(names) > 1} == {}
    for code in twins:
        assert firn("explain", code, "-o", "text").status == 0, f"firn explain {code}"


def test_the_message_names_file_variable_and_difference(sets, tmp_path):
    folder = sets["latitude-drifts"]
    case = json.loads((folder / "case.json").read_text())
    answer = firn(*command_of("transform", folder, case, tmp_path / "out"))
    said = json.dumps(answer.error)
    assert "2014-10-15" in said, "the file that differs"
    assert '"lat' in said or "/lat" in said or " lat" in said, "the variable"
    assert "1e-6" in said or "1.0000" in said or "0.000001" in said or "9.99" in said, f"the difference: {said}"
    assert answer.error["next"]
