"""Connections to PostgreSQL that wait a moment for the next answer.

To open one costs both sides more than to store an answer: 8 ms of the server's time here. In a
crowd the next answer comes within milliseconds; when nobody answers, none is left open.
"""

from __future__ import annotations

import threading
import time

from psycopg2 import extensions

KEPT_SECONDS = 2.0


class KeptConnections:
    """Those that wait for their next use. Safe to share between threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lock = threading.Lock()
        # Since when each waits; the one that has waited longest comes first.
        self._waiting: list[tuple[float, extensions.connection]] = []
        self._closer: threading.Thread | None = None

    def take(self) -> extensions.connection | None:
        """The one that was used last, if one waits. It may have died since."""
        with self._lock:
            return self._waiting.pop()[1] if self._waiting else None

    def keep(self, connection: extensions.connection) -> None:
        """Let it wait for the next use, for KEPT_SECONDS at most."""
        with self._lock:
            self._waiting.append((time.monotonic(), connection))
            if self._closer is None:
                self._closer = threading.Thread(target=self._close_idle, daemon=True)
                self._closer.start()

    def _close_idle(self) -> None:
        """Close those that have waited long enough, until none is left."""
        while True:
            time.sleep(KEPT_SECONDS / 2)
            with self._lock:
                due = time.monotonic() - KEPT_SECONDS
                while self._waiting and self._waiting[0][0] <= due:
                    self._waiting.pop(0)[1].close()
                if not self._waiting:
                    self._closer = None
                    return
