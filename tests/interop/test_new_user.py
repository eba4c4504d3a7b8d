"""What somebody does who has read no documentation: mistakes that must be refused, and said rightly."""
import shutil

import yaml
from support.binary import TESTDATA, firn

AIR = TESTDATA / "netcdf4/air.nc"


def feedstock(folder, recipe, **documents):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"version": 1, "recipes": [recipe]}, sort_keys=False))
    for name, text in documents.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_a_dataset_without_anything_never_replaces_one(tmp_path):
    files = tmp_path / "files.txt"
    files.write_text(f"{AIR}\n")
    stock = feedstock(tmp_path / "stock", {"id": "air", "source": {"list": "../files.txt"}, "target": {"format": "zarr3"}})
    target = tmp_path / "out"
    firn("run", stock, "--target", target, check=True)
    before = (target / "firn.json").read_bytes()
    files.write_text("# the command that lists them failed\n")
    answer = firn("run", stock, "--target", target)
    assert (answer.status, answer.code) == (4, "sources-empty"), str(answer)
    assert (target / "firn.json").read_bytes() == before


def test_sources_without_a_variable_are_not_stored(tmp_path):
    import h5py
    source = tmp_path / "attributes.nc"
    with h5py.File(source, "w") as file:
        file.attrs["title"] = "nothing else"
    for verb in ("transform", "virtualize"):
        answer = firn(verb, source, "--target", tmp_path / verb)
        assert (answer.status, answer.code) == (4, "sources-empty"), str(answer)
        assert not (tmp_path / verb).exists()


def test_a_source_that_was_replaced_by_an_older_file_is_noticed(tmp_path):
    import os
    source, target = tmp_path / "air.nc", tmp_path / "air.ic"
    shutil.copy(AIR, source)
    firn("virtualize", source, "--target", target, check=True)
    assert firn("verify", target).status == 0
    shutil.copy(TESTDATA / "netcdf4/ostia_monthly.nc", source)
    os.utime(source, (1_577_836_800, 1_577_836_800))
    answer = firn("verify", target)
    assert answer.status == 10 and "earlier" in answer.stdout, str(answer)
    answer = firn("transform", target, "--target", tmp_path / "copy")
    assert (answer.status, answer.code) == (8, "source-stale"), str(answer)
