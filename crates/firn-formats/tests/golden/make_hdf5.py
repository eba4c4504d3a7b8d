#!/usr/bin/env python3
"""Writes hdf5_indices.h5 and hdf5_structure.h5 beside this script (h5py, HDF5 2.0).

    make_hdf5.py

In hdf5_indices.h5 each dataset has one kind of chunk index, no filter, and in each cell its own C-order number (modulo 256 for
one byte): so a test can tell from the values alone whether a chunk stands where it should. That matters for
`extensible_second`: what HDF5 1.10 to 2.0 themselves list as its chunks (H5Dget_chunk_info, H5Dchunk_iter) is not where
they read it from.
"""
import pathlib

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent


def numbered(shape, dtype):
    return np.arange(np.prod(shape), dtype="i8").reshape(shape).astype(dtype)


def indices():
    with h5py.File(HERE / "hdf5_indices.h5", "w", libver=("v110", "v110")) as file:
        def chunked(name, shape, chunks, maxshape=None, dtype="i4"):
            file.create_dataset(name, data=numbered(shape, dtype), chunks=chunks, maxshape=maxshape)

        chunked("single", (6, 8), (6, 8))
        chunked("fixed", (11, 13), (3, 4))
        chunked("fixed_growing", (11, 13), (3, 4), (30, 40))
        chunked("fixed_paged", (1500,), (1,), dtype="u1")
        chunked("extensible_first", (11, 13), (3, 4), (None, 13))
        chunked("extensible_second", (11, 13), (3, 4), (11, None))
        chunked("extensible_middle", (5, 6, 7), (2, 5, 3), (5, None, 9))
        chunked("extensible_many", (3000,), (1,), (None,), "u1")
        chunked("btree2", (11, 13), (3, 4), (None, None))
        chunked("btree2_deep", (60, 60), (1, 1), (None, None), "u1")
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((3, 4))
        plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        space = h5py.h5s.create_simple((11, 13), (20, 20))
        data = h5py.h5d.create(file.id, b"implicit", h5py.h5t.NATIVE_INT32, space, plist)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, numbered((11, 13), "i4"))
        # Chunks so far out that they are in pages of the data blocks of late super blocks.
        sparse = file.create_dataset("extensible_sparse", shape=(140000,), dtype="u1", chunks=(1,), maxshape=(None,))
        for place in (0, 5, 131055, 131056, 132090, 134500):
            sparse[place] = place % 256
        shrunk = file.create_dataset("shrunk", data=numbered((11, 13), "i4"), chunks=(3, 4), maxshape=(None, None))
        shrunk.resize((5, 13))
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_layout(h5py.h5d.COMPACT)
        data = h5py.h5d.create(file.id, b"compact", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((5, 7)), plist)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, numbered((5, 7), "i4"))


def structure():
    with h5py.File(HERE / "hdf5_structure.h5", "w", libver=("v110", "v110")) as file:
        file["target"] = np.arange(3, dtype="i2")
        file["soft"] = h5py.SoftLink("/loop/target_again")
        file["dangling"] = h5py.SoftLink("/nothing")
        file["circle"] = h5py.SoftLink("/circle")
        file["outside"] = h5py.ExternalLink("other.h5", "/x")
        loop = file.create_group("loop")
        loop["up"] = file["/"]
        loop["target_again"] = file["target"]
        file["bool"] = np.array([True, False])
        kinds = h5py.enum_dtype({"clear sky": 1, "cloud": 2}, basetype=">u2")
        file.create_dataset("enum", data=np.array([1, 2], ">u2"), dtype=kinds)
        file["half"] = np.arange(3, dtype="f2")
        file["complex"] = np.array([1 + 2j])
        file["null"] = h5py.Empty("f4")
        file.create_dataset("lzf", data=np.arange(8), chunks=(4,), compression="lzf")
        file.create_dataset("scaleoffset", data=np.arange(8), chunks=(4,), scaleoffset=0)
        text = file.create_dataset("text_fill", shape=(4,), dtype=h5py.string_dtype(), fillvalue="none", chunks=(2,))
        text[0] = "é"
        file["chars"] = np.array([[b"a", b"b"], [b"c", b"d"]])
        file.create_dataset("big_fill", shape=(4,), dtype=">i2", chunks=(2,), fillvalue=-7)
        layout = h5py.VirtualLayout((4,), "i4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (4,))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("external", shape=(4,), dtype="i4", external=[("raw.bin", 0, 16)])
        masked = file.create_dataset("masked", shape=(4, 4), chunks=(2, 4), dtype="i4", compression="gzip", shuffle=True)
        masked[...] = 1
        masked.id.write_direct_chunk((0, 0), np.zeros((2, 4), "i4").tobytes(), filter_mask=3)
        ordered = file.create_group("ordered", track_order=True)
        for number in range(20):
            ordered.create_dataset(f"v{number * 7 % 20}", data=number)
            ordered.attrs[f"a{number * 7 % 20}"] = number
        attributes = file["target"].attrs
        attributes["latin"] = np.bytes_("café".encode("latin-1"))
        attributes["texts"] = ["a", "bc"]
        attributes["big"] = np.arange(3, dtype=">f4")
        attributes["compound"] = np.zeros((), [("x", "i4")])
        # A time that is longer along one variable than along another.
        file.create_dataset("time", shape=(7,), maxshape=(None,), chunks=(2,), dtype="f8")
        file["time"].make_scale("time")
        for name, length, fill in (("long", 7, None), ("short", 1, -1), ("short_without_fill", 1, None)):
            data = file.create_dataset(name, data=np.full(length, 5, "i4"), maxshape=(None,), chunks=(2,), fillvalue=fill)
            data.dims[0].attach_scale(file["time"])


indices()
structure()
