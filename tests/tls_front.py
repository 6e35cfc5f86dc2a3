"""TLS before a PostgreSQL that has none, with an authority and a certificate of the tests' own."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# What a client of PostgreSQL sends to ask for TLS.
ASKS_FOR_TLS = bytes([0, 0, 0, 8, 4, 210, 22, 47])


@dataclass(frozen=True)
class Authority:
    """An authority, and a certificate that it gave to a server of some name."""

    folder: Path
    name: str = "localhost"

    def __post_init__(self) -> None:
        self.folder.mkdir()
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")
        self._openssl(
            *("req", "-x509", *key, "-subj", "/CN=Project CA", "-days", "9"),
            *("-addext", "keyUsage=critical,keyCertSign", "-keyout", "ca.key", "-out", "ca.crt"),
        )
        self._openssl("req", *key, "-subj", "/CN=x", "-keyout", "server.key", "-out", "csr")
        (self.folder / "names").write_text(f"subjectAltName=DNS:{self.name}")
        self._openssl(
            *("x509", "-req", "-in", "csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-days", "9", "-extfile", "names", "-out", "server.crt"),
        )

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    @property
    def certificate(self) -> str:
        """The authority's own."""
        return (self.folder / "ca.crt").read_text()


class Front:
    """Listens with TLS, and passes on to a server's socket in the file system."""

    def __init__(self, server: str, authority: Authority) -> None:
        self._server = server
        self.show(authority)
        self.hangs = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def show(self, authority: Authority) -> None:
        """Another certificate, from the next connection on."""
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(authority.folder / "server.crt", authority.folder / "server.key")

    def close(self) -> None:
        """Take no more connections."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self.hangs:
            client.recv(1 << 16)
            threading.Event().wait(30)
        with suppress(OSError):
            if client.recv(8) != ASKS_FOR_TLS:
                return
            client.sendall(b"S")
            inside = self._tls.wrap_socket(client, server_side=True)
            behind = socket.socket(socket.AF_UNIX)
            behind.connect(self._server)
            threading.Thread(target=_pass_on, args=(behind, inside), daemon=True).start()
            _pass_on(inside, behind)


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while some := one.recv(1 << 16):
            other.sendall(some)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
