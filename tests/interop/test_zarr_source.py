"""Zarr as others write it, v2 and v3, as a source: `firn transform` of it equals what xarray reads from it."""
import json
import shutil
import warnings

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from support import compare
from support.binary import TESTDATA, environment, firn

FILES = ["netcdf4/air.nc", "netcdf4/E1_north_america.nc", "netcdf3/ersstv5.nc"]
TIMES = xr.coders.CFDatetimeCoder(use_cftime=True)


def differences(source, store, group=None):
    """Undecoded and decoded, as xarray sees them."""
    def both(**options):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return [xr.open_dataset(path, engine="zarr", group=group, **options).load() for path in (source, store)]
    raw = both(**compare.RAW)
    found = list(compare.dataset_differences(group or "/", *raw))
    # xarray takes a text that equals the fill value of Zarr v2 (often the empty one) for missing; firn keeps the text.
    texts = [name for name in raw[0].variables if compare.is_text(raw[0].variables[name].values)]
    return found + compare.decoded_differences(group or "/", *[dataset.drop_vars(texts) for dataset in both(decode_times=TIMES)])[0]


def existing(names):
    return [name for name in names if (TESTDATA / name).exists()]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("consolidated", [True, False])
@pytest.mark.parametrize("name", existing(FILES))
def test_what_xarray_writes_from_a_file(tmp_path, name, version, consolidated):
    with xr.open_dataset(TESTDATA / name, decode_times=False) as source:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source.load().to_zarr(tmp_path / "in.zarr", zarr_format=version, consolidated=consolidated)
    firn("transform", tmp_path / "in.zarr", "--target", tmp_path / "out.zarr", check=True)
    assert differences(tmp_path / "in.zarr", tmp_path / "out.zarr") == []


COMPRESSORS = [
    None, numcodecs.Zlib(3), numcodecs.GZip(3), numcodecs.Zstd(3),
    *[numcodecs.Blosc(cname=cname, clevel=5, shuffle=shuffle) for cname in ("lz4", "lz4hc", "blosclz", "zstd", "zlib") for shuffle in (-1, 0, 1, 2)],
]


@pytest.mark.parametrize("separator", [".", "/"])
def test_every_type_order_and_compressor_of_v2(tmp_path, separator):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=2, attributes={"title": "Schnee ❄", "nan": float("nan")})
    inner = root.create_group("inner/deep", attributes={"level": 2})
    values = np.arange(70).reshape(7, 10) * 3 - 40
    texts = np.array([f"Wörter {i}" if i % 3 else "" for i in range(70)], dtype=object).reshape(7, 10)

    def add(name, data, fill, group=root, compressor="auto", order="C", filters=None, shape=None, chunks=(2, 5), dims=("y", "x")):
        array = group.create_array(name, shape=data.shape if shape is None else shape, chunks=chunks, dtype=data.dtype, fill_value=fill, compressors=compressor,
                                   order=order, filters=filters, attributes={"_ARRAY_DIMENSIONS": list(dims), "long_name": name},
                                   chunk_key_encoding={"name": "v2", "separator": separator})
        array[...] = data

    for kind in "<i1 <i2 <i4 <i8 <f2 <f4 <f8 >i2 >i4 >f4 >f8".split():
        for order in "CF":
            add(f"n_{kind[1:]}_{'big' if kind[0] == '>' else 'little'}_{order}", values.astype(kind), -1, order=order, group=inner if order == "F" else root)
    for kind in "<u1 <u2 <u4 <u8 >u8".split():
        add(f"n_{kind[1:]}_{'big' if kind[0] == '>' else 'little'}", (values + 40).astype(kind), 200)
    add("nan_fill", values.astype("f4"), np.nan)
    add("inf_fill", values.astype("f8"), -np.inf)
    add("no_fill", values.astype("f8"), None)
    add("scalar", np.array(2.5), None, shape=(), chunks=(), dims=())
    for number, compressor in enumerate(COMPRESSORS):
        add(f"compressed_{number}", values.astype("i4"), 0, compressor=compressor)
    add("filtered", values.astype("i4"), 0, filters=[numcodecs.Shuffle(4)], compressor=numcodecs.Zlib(1))
    add("bytes_of_text", np.char.encode(texts.astype("U"), "utf-8"), b"")
    for kind in "<>":
        add(f"unicode_{'big' if kind == '>' else 'little'}", texts.astype(f"{kind}U12"), "")
    array = root.create_array("objects", shape=(7, 10), chunks=(2, 5), dtype=str, fill_value="", attributes={"_ARRAY_DIMENSIONS": ["y", "x"]},
                              chunk_key_encoding={"name": "v2", "separator": separator})
    array[...] = texts
    # A chunk that was never written is the fill value.
    shutil.rmtree(tmp_path / "in.zarr/nan_fill/1") if separator == "/" else (tmp_path / "in.zarr/nan_fill/1.1").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(tmp_path / "in.zarr", zarr_format=2)
    firn("transform", tmp_path / "in.zarr", "--target", tmp_path / "out.zarr", check=True)
    assert differences(tmp_path / "in.zarr", tmp_path / "out.zarr") == []
    assert differences(tmp_path / "in.zarr", tmp_path / "out.zarr", "inner/deep") == []
    assert firn("verify", tmp_path / "out.zarr", "--against", tmp_path / "in.zarr", "--full").status == 0


@pytest.mark.parametrize("shards", [None, (4, 10)])
def test_text_of_fixed_length_in_v3(tmp_path, shards):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=3)
    texts = np.array([f"Wörter {i}" if i % 3 else "" for i in range(70)]).reshape(7, 10)
    for name, data, serializer in [
        ("utf32", texts, "auto"), ("utf32_big", texts, zarr.codecs.BytesCodec(endian="big")), ("bytes_of_text", np.char.encode(texts, "utf-8"), "auto"),
    ]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = root.create_array(name, shape=data.shape, chunks=(2, 5), shards=shards, dtype=data.dtype, dimension_names=("y", "x"), serializer=serializer)
            array[...] = data
    firn("transform", tmp_path / "in.zarr", "--target", tmp_path / "out.zarr", check=True)
    assert differences(tmp_path / "in.zarr", tmp_path / "out.zarr") == []


def test_what_is_not_read_is_refused_by_name(tmp_path):
    root = zarr.open_group(tmp_path / "in.zarr", mode="w", zarr_format=2)
    root.create_array("when", shape=(4,), dtype="M8[ns]", fill_value=None, attributes={"_ARRAY_DIMENSIONS": ["t"]})
    packed = root.create_array("packed", shape=(4,), dtype="f8", compressors=numcodecs.BZ2(), fill_value=0, attributes={"_ARRAY_DIMENSIONS": ["t"]})
    packed[...] = 1.0
    inspected = json.loads(firn("inspect", tmp_path / "in.zarr", "-o", "json", check=True).stdout)["result"]
    text = json.dumps(inspected)
    assert "unsupported-data-type" in text and "unsupported-codec" in text and "bz2" in text
    answer = firn("transform", tmp_path / "in.zarr", "--target", tmp_path / "out.zarr")
    assert answer.status == 7, str(answer)
    assert not (tmp_path / "out.zarr").exists()


def test_behind_a_web_server_without_consolidated_metadata_it_is_refused(tmp_path, serve):
    xr.Dataset({"a": ("x", np.arange(3))}).to_zarr(tmp_path / "in.zarr", zarr_format=2, consolidated=False)
    with serve(tmp_path) as server:
        answer = firn("inspect", f"{server.url}/in.zarr")
    assert answer.status == 7, str(answer)


# ------------------------------------------------------------------ kerchunk
def kerchunk_file(source, path, version=1, templates=False):
    from kerchunk.hdf import SingleHdf5ToZarr
    references = SingleHdf5ToZarr(f"file://{source}", inline_threshold=200).translate()
    if templates:
        references["templates"] = {"u": f"file://{source}"}
        references["refs"] = {key: ["{{u}}", *entry[1:]] if isinstance(entry, list) else entry for key, entry in references["refs"].items()}
    path.write_text(json.dumps(references["refs"] if version == 0 else references))
    return path


KERCHUNKED = ["netcdf4/air.nc", "netcdf4/E1_north_america.nc"]


@pytest.mark.parametrize("name", existing(KERCHUNKED))
@pytest.mark.parametrize("options", [{}, {"version": 0}, {"templates": True}])
def test_references_that_kerchunk_writes(tmp_path, name, options):
    source = tmp_path / "source.nc"
    shutil.copy(TESTDATA / name, source)
    references = kerchunk_file(source, tmp_path / "references.json", **options)
    firn("transform", references, "--target", tmp_path / "out.zarr", check=True)
    with xr.open_dataset(str(references), engine="kerchunk", decode_times=TIMES) as expected, xr.open_zarr(tmp_path / "out.zarr", decode_times=TIMES) as got:
        assert set(expected.variables) == set(got.variables)
        for variable in expected.variables:
            xr.testing.assert_equal(expected[variable], got[variable])


def test_references_do_not_lead_everywhere(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(TESTDATA / "netcdf4/air.nc", tmp_path / "elsewhere/source.nc")
    (tmp_path / "here").mkdir()
    references = kerchunk_file(tmp_path / "elsewhere/source.nc", tmp_path / "here/references.json")
    with (tmp_path / "elsewhere/source.nc").open("r+b") as file:
        file.write(bytes(8))  # as any other file: what array data is may be referred to
    answer = firn("transform", references, "--target", tmp_path / "out.zarr")
    assert answer.status == 5 and f"FIRN_REFERENCES={tmp_path}/elsewhere" in str(answer), str(answer)
    assert not (tmp_path / "out.zarr/zarr.json").exists()
    allowed = environment(FIRN_REFERENCES=f"{tmp_path}/elsewhere")
    firn("transform", references, "--target", tmp_path / "out.zarr", env=allowed, check=True)
