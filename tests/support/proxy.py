"""A proxy as sites have them: absolute addresses and CONNECT, with a list of what passed; and a server with a certificate of its own."""
import datetime
import ipaddress
import select
import socket
import socketserver
import threading
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Proxy(socketserver.ThreadingTCPServer):
    """`passed` lists method and host of each request; with `authorization` others are answered 407."""
    allow_reuse_address = daemon_threads = True

    def __init__(self, authorization=None):
        super().__init__(("127.0.0.1", 0), _Proxied)
        self.passed, self.authorization = [], authorization
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Proxied(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            line = self.rfile.readline().decode("latin-1").split()
            if len(line) != 3:
                return
            method, target, _ = line
            headers = []
            while (header := self.rfile.readline()) not in (b"\r\n", b""):
                headers.append(header)
            fields = {h.split(b":", 1)[0].strip().lower(): h.split(b":", 1)[1].strip() for h in headers}
            if self.server.authorization and fields.get(b"proxy-authorization", b"").decode() != self.server.authorization:
                self.wfile.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            parts = urllib.parse.urlsplit(target if "://" in target else f"//{target}")
            self.server.passed.append((method, parts.netloc))
            with socket.create_connection((parts.hostname, parts.port or 80)) as other:
                if method == "CONNECT":
                    self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    self.splice(other)
                    return
                path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
                kept = [h for h in headers if not h.lower().startswith((b"proxy-", b"connection"))]
                other.sendall(f"{method} {path} HTTP/1.1\r\n".encode() + b"".join(kept) + b"Connection: close\r\n\r\n")
                body = int(fields.get(b"content-length", 0))
                while body > 0:
                    data = self.rfile.read(min(body, 65536))
                    other.sendall(data)
                    body -= len(data)
                while data := other.recv(65536):
                    self.wfile.write(data)
                return

    def splice(self, other):
        mine = self.connection
        while True:
            for ready in select.select([mine, other], [], [], 30)[0] or [None]:
                if ready is None:
                    return
                data = ready.recv(65536)
                if not data:
                    return
                (other if ready is mine else mine).sendall(data)


def certificate(folder):
    """A certificate authority, and a server certificate for 127.0.0.1 that it signed: (authority.pem, server.pem)."""
    now = datetime.datetime.now(datetime.timezone.utc)

    def make(name, issuer, key, signer, authority):
        builder = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        builder = builder.issuer_name(issuer).public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
        builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        if not authority:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        return builder.sign(signer, hashes.SHA256())

    authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Authority of the tests")])
    authority = make("Authority of the tests", name, authority_key, authority_key, True)
    server = make("127.0.0.1", authority.subject, server_key, authority_key, False)
    pem = serialization.Encoding.PEM
    (folder / "authority.pem").write_bytes(authority.public_bytes(pem))
    private = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(server.public_bytes(pem) + private)
    return folder / "authority.pem", folder / "server.pem"

