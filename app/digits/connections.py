"""Connections to PostgreSQL that wait a moment for the next answer.

To open one costs both sides more than to store an answer: 8 ms of the server's time here. In a
crowd the next answer comes within milliseconds; when nobody answers, none is left open.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from psycopg2 import extensions

KEPT_SECONDS = 2.0


class Connections:
    """Opens connections, and keeps them between two uses. Safe to share between threads."""

    def __init__(self, connect: Callable[[], extensions.connection]) -> None:
        """`connect` opens a new one."""
        self._connect = connect
        self._lock = threading.Lock()
        self._kept: list[
            tuple[float, extensions.connection]
        ] = []  # since when each waits, oldest first
        self._closer: threading.Thread | None = None

    def kept(self) -> extensions.connection | None:
        """The one that was used last, if one waits. It may have died since."""
        with self._lock:
            return self._kept.pop()[1] if self._kept else None

    def new(self) -> extensions.connection:
        """A new one. Raises psycopg2.Error."""
        return self._connect()

    def keep(self, connection: extensions.connection) -> None:
        """Let it wait for the next use, for KEPT_SECONDS at most."""
        with self._lock:
            self._kept.append((time.monotonic(), connection))
            if self._closer is None:
                self._closer = threading.Thread(target=self._close_idle, daemon=True)
                self._closer.start()

    def _close_idle(self) -> None:
        """Close those that have waited long enough, until none is left."""
        while True:
            time.sleep(KEPT_SECONDS / 2)
            with self._lock:
                due = time.monotonic() - KEPT_SECONDS
                while self._kept and self._kept[0][0] <= due:
                    self._kept.pop(0)[1].close()
                if not self._kept:
                    self._closer = None
                    return
