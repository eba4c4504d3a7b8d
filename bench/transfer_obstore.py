"""A folder up or down by obstore: transfer_obstore.py upload|download ENDPOINT BUCKET PREFIX FOLDER IN_FLIGHT"""
import asyncio
import os
import pathlib
import sys

import obstore
from obstore.store import S3Store


async def upload(store, prefix, folder, in_flight):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    limit = asyncio.Semaphore(in_flight)

    async def one(path):
        async with limit:
            await obstore.put_async(store, f"{prefix}/{path.relative_to(folder)}", path)
    await asyncio.gather(*map(one, files))


async def download(store, prefix, folder, in_flight):
    limit = asyncio.Semaphore(in_flight)

    async def one(key):
        async with limit:
            path = folder / key.removeprefix(prefix).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            result = await obstore.get_async(store, key)
            with open(path, "wb") as file:
                async for part in result.stream(min_chunk_size=1 << 20):
                    file.write(part)
    keys = [meta["path"] async for page in obstore.list(store, prefix=prefix or None) for meta in page]
    await asyncio.gather(*map(one, keys))


def main():
    verb, endpoint, bucket, prefix, folder, in_flight = sys.argv[1:]
    store = S3Store(bucket, endpoint=endpoint, region="us-east-1", access_key_id=os.environ["AWS_ACCESS_KEY_ID"], secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
                    client_options={"allow_http": True, "timeout": "10min"}, virtual_hosted_style_request=False)
    asyncio.run({"upload": upload, "download": download}[verb](store, prefix, pathlib.Path(folder), int(in_flight)))


if __name__ == "__main__":
    main()
