"""Azurite, Microsoft's own emulator of Azure Blob Storage, where npm has put it: AZURITE names its `azurite-blob`."""
import base64
import contextlib
import email.utils
import hashlib
import hmac
import os
import pathlib
import subprocess
import time
import urllib.request

from support.binary import REPOSITORY
from support.servers import free_port

ACCOUNT = "devstoreaccount1"
# The key that every emulator has: https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def program():
    """The emulator, or None."""
    path = pathlib.Path(os.environ.get("AZURITE", REPOSITORY / ".cache/azurite/node_modules/.bin/azurite-blob"))
    return str(path) if path.exists() else None


class Azurite:
    def __init__(self):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        self.process = subprocess.Popen([program(), "--silent", "--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--blobPort", str(port)],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(300):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(urllib.request.Request(self.url, method="GET"), timeout=1).close()
            with contextlib.suppress(urllib.error.HTTPError, OSError):
                self.container("ready")
                return
            time.sleep(0.1)
        raise RuntimeError("Azurite did not answer")

    def container(self, name):
        """A new, empty container."""
        date, version = email.utils.formatdate(usegmt=True), "2021-08-06"
        text = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        signature = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
        headers = {"x-ms-date": date, "x-ms-version": version, "Authorization": f"SharedKey {ACCOUNT}:{signature}", "Content-Length": "0"}
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/{name}?restype=container", method="PUT", headers=headers), timeout=10).close()
        return name

    @property
    def environment(self):
        return {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={self.url}"}

    def stop(self):
        self.process.terminate()
        self.process.wait(10)
