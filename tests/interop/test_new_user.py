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
