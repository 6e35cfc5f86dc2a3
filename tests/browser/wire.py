"""A connection to the app that a test may cut, or keep the answers of."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Wire:
    """Passes bytes between a browser and the app at `port`."""

    port: int
    listener: socket.socket
    deaf: bool = False  # what the app sends does not arrive
    open: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where a browser reaches the app by this wire."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                browser, _ = self.listener.accept()
            except OSError:
                return
            try:
                app = socket.create_connection(("127.0.0.1", self.port))
            except OSError:
                browser.close()
                continue
            self.open += [browser, app]
            for pair in ((browser, app, False), (app, browser, True)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if not (answers and self.deaf):
                    target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """End every connection; new ones may come."""
        while self.open:
            end = self.open.pop()
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """A wire to the app at `port`, until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = Wire(port, listener)
        threading.Thread(target=one.serve, daemon=True).start()
        yield one
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        one.cut()
