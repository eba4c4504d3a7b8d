"""An SFTP server (asyncssh) that shows a folder as its whole file system, and the `~/.ssh` of who may use it.

`python ssh.py COMMAND…` runs a command beside one, with FIRN_TEST_CLOUD_URL and HOME set: how the conformance suite is run on it.
"""
import asyncio
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

import asyncssh


class _Files(asyncssh.SFTPServer):
    """Counts what is asked, and lies where a test wants that."""

    def __init__(self, channel, server):
        super().__init__(channel, chroot=str(server.root))
        self.server = server
        server.channels += 1

    def read(self, file_obj, offset, size):
        self.server.requests.append(("read", offset, size))
        if self.server.on_read:
            return self.server.on_read(super().read, file_obj, offset, size)
        return super().read(file_obj, offset, size)

    def fstat(self, file_obj):
        seen = super().fstat(file_obj)
        return self.server.on_stat(seen) if self.server.on_stat else seen

    async def scandir(self, path):
        if self.server.on_list:
            async for entry in self.server.on_list(path, super().scandir):
                yield entry
            return
        async for entry in super().scandir(path):
            yield entry


class _Login(asyncssh.SSHServer):
    def __init__(self, server):
        self.server = server

    def connection_made(self, connection):
        self.server.connections.append(connection)

    def begin_auth(self, username):
        self.server.users.append(username)
        return True

    def public_key_auth_supported(self):
        return True

    def validate_public_key(self, username, key):
        return key.public_data in self.server.welcome


class SshServer:
    """`root` is what it shows. `on_read`, `on_stat` and `on_list` change its answers; `requests`, `channels`, `connections` and `users` count."""

    def __init__(self, root, port=0, key=None):
        self.root = pathlib.Path(root)
        self.key = key or asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.welcome = {self.user_key.public_data}
        self.requests, self.connections, self.users, self.channels = [], [], [], 0
        self.on_read = self.on_stat = self.on_list = None
        self.loop = asyncio.new_event_loop()
        started = threading.Event()

        def serve():
            asyncio.set_event_loop(self.loop)
            self.acceptor = self.loop.run_until_complete(asyncssh.listen(
                "127.0.0.1", port, server_host_keys=[self.key], server_factory=lambda: _Login(self), sftp_factory=lambda channel: _Files(channel, self)))
            started.set()
            self.loop.run_forever()
        self.thread = threading.Thread(target=serve, daemon=True)
        self.thread.start()
        if not started.wait(30):
            raise RuntimeError("asyncssh did not start")
        self.port = self.acceptor.get_port()
        self.at = f"sftp://me@127.0.0.1:{self.port}"

    def known_hosts(self, key=None):
        """The line by which the server is known."""
        return f"[127.0.0.1]:{self.port} {(key or self.key).export_public_key().decode().strip()}\n"

    def make_home(self, home):
        """A `~/.ssh` with the user's key, in which the server is known."""
        ssh = pathlib.Path(home) / ".ssh"
        ssh.mkdir(parents=True, exist_ok=True)
        (ssh / "id_ed25519").write_bytes(self.user_key.export_private_key())
        (ssh / "id_ed25519").chmod(0o600)
        (ssh / "known_hosts").write_text(self.known_hosts())
        return ssh

    def hang_up(self):
        """Ends all connections."""
        def end():
            for connection in self.connections:
                connection.abort()
        self.loop.call_soon_threadsafe(end)

    def stop(self):
        self.hang_up()
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.acceptor.close)
            self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        root, home = pathlib.Path(folder) / "root", pathlib.Path(folder) / "home"
        root.mkdir()
        server = SshServer(root)
        server.make_home(home)
        kept = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
        # Only firn is to see this home.
        env = kept | {"CARGO_HOME": os.environ.get("CARGO_HOME", os.path.expanduser("~/.cargo")),
                      "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", os.path.expanduser("~/.rustup")),
                      "HOME": str(home), "FIRN_TEST_CLOUD_URL": server.at}
        status = subprocess.run(sys.argv[1:], env=env).returncode
        server.stop()
    sys.exit(status)
