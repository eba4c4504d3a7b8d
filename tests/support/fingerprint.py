"""When are two results identical: same keys and bytes of chunks, same metadata without what names the run; for Icechunk the same
hierarchy, metadata and digest of every logical chunk."""
import asyncio
import json
import pathlib

from blake3 import blake3

OWN = ("firn:", "pangeo_forge_build")


def without_run(value):
    """Metadata without the attributes that name firn's version, the run and its times."""
    if isinstance(value, dict):
        return {k: without_run(v) for k, v in value.items() if not k.startswith(OWN)}
    if isinstance(value, list):
        return [without_run(v) for v in value]
    return value


def of_objects(objects):
    """Of a Zarr store given as key → bytes. firn's own records below `.firn/` are left out."""
    out = {}
    for key, body in objects.items():
        if ".firn/" in f"/{key}" or key.endswith("firn.json"):
            continue
        out[key] = without_run(json.loads(body)) if key.endswith("zarr.json") else blake3(body).hexdigest()
    return out


def of_directory(root):
    root = pathlib.Path(root)
    return of_objects({p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()})


def of_icechunk(store):
    from zarr.core.buffer import default_buffer_prototype

    async def read():
        keys = [k async for k in store.list()]
        return {k: (await store.get(k, default_buffer_prototype())).to_bytes() for k in keys}
    return of_objects(asyncio.run(read()))


def missing_chunks(objects):
    """Names of arrays of a Zarr v3 store whose chunks are not all there, unless a ledger says they are known to be empty.

    A polling reader calls this at the moment the root appears.
    """
    root = json.loads(objects["zarr.json"])
    consolidated = (root.get("consolidated_metadata") or {}).get("metadata")
    ledger = objects.get(".firn/ledger", b"").decode().splitlines()[1:]
    known_empty = {line.split("\t")[0] for line in ledger if line.endswith("\t-\t-")}
    if consolidated is None:
        return ["the root has no consolidated metadata"]
    found = []
    for name, meta in consolidated.items():
        if f"{name}/zarr.json" not in objects:
            found.append(f"{name}: no zarr.json")
        if meta.get("node_type") != "array":
            continue
        shape, chunk = meta["shape"], meta["chunk_grid"]["configuration"]["chunk_shape"]
        want = 1
        for size, step in zip(shape, chunk):
            want *= -(-size // step)
        have = len({key for key in objects | dict.fromkeys(known_empty) if key == f"{name}/c" or key.startswith(f"{name}/c/")})
        if have < want:
            found.append(f"{name}: {have} of {want} chunks")
    return found
