"""An FTP server (pyftpdlib) that shows a folder to everybody, and to nobody to write to."""
import logging
import threading

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)


class FtpServer:
    """`without` are commands that it does not know; `masquerade` is an address that it names for its data in place of its own; `user` is (name, password) of
    one who may come in beside everybody; `commands` are those that came."""

    def __init__(self, root, without=(), masquerade=None, user=None, on_list=None):
        authorizer = DummyAuthorizer()
        authorizer.add_anonymous(str(root))
        if user:
            authorizer.add_user(*user, str(root))
        self.commands, self.users = [], []
        outer = self

        class Handler(FTPHandler):
            proto_cmds = {name: how for name, how in FTPHandler.proto_cmds.items() if name not in without}
            masquerade_address = masquerade

            def pre_process_command(self, line, cmd, arg):
                outer.commands.append(cmd)
                if cmd == "USER":
                    outer.users.append(arg)
                return super().pre_process_command(line, cmd, arg)

            def push_dtp_data(self, data, isproducer=False, file=None, cmd=None):
                if on_list and cmd in ("MLSD", "LIST"):
                    data, isproducer = on_list(cmd), False
                return super().push_dtp_data(data, isproducer, file, cmd)
        Handler.authorizer = authorizer
        Handler.banner = "a server of the tests"
        self.server = ThreadedFTPServer(("127.0.0.1", 0), Handler)
        self.server.max_cons = 64
        self.at = f"ftp://127.0.0.1:{self.server.address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"timeout": 0.1, "handle_exit": False}, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.close_all()
