"""The prediction log: when, what was predicted, what it really was. In PostgreSQL.

One table of three columns, made at first use. Recording the same answer twice
stores it once, so an attempt whose outcome was never heard can be repeated.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import errors, extensions

CONNECTIONS = 8  # at most, for one process
CONNECT_SECONDS = 3
STATEMENT_SECONDS = 3
# A server that stopped answering altogether cannot time its own statements.
ANSWER_SECONDS = STATEMENT_SECONDS + 1

# Any number will do, as long as every app takes the same lock.
_CREATION_LOCK = 20_240_728

_CREATE = """
CREATE TABLE IF NOT EXISTS predictions (
    predicted_at    timestamptz NOT NULL,
    predicted_digit smallint    NOT NULL CHECK (predicted_digit BETWEEN 0 AND 9),
    true_label      smallint    NOT NULL CHECK (true_label BETWEEN 0 AND 9)
);
CREATE INDEX IF NOT EXISTS predictions_predicted_at ON predictions (predicted_at);
"""

_INSERT = """
INSERT INTO predictions (predicted_at, predicted_digit, true_label)
SELECT %(at)s, %(digit)s, %(label)s
WHERE NOT EXISTS (
    SELECT FROM predictions
    WHERE predicted_at = %(at)s AND predicted_digit = %(digit)s AND true_label = %(label)s
)
"""


class LogUnavailable(Exception):
    """The answer could not be stored; the same call may succeed later."""


def _wait(connection: extensions.connection) -> None:
    """Wait for the server's answer, but not for ever.

    psycopg2 calls this instead of blocking. libpq has no limit of its own for a
    server that hangs, and ignores connect_timeout when it is driven from here.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while (state := connection.poll()) != extensions.POLL_OK:
        left = deadline - time.monotonic()
        watched = [connection.fileno()]
        reading = watched if state == extensions.POLL_READ else []
        writing = watched if state == extensions.POLL_WRITE else []
        if left <= 0 or not any(select.select(reading, writing, [], left)):
            # psycopg2 closes the connection when this raises.
            raise psycopg2.OperationalError(f"no answer in {ANSWER_SECONDS} seconds")


class PredictionLog:
    """The log behind one database address. Safe to share between threads."""

    def __init__(self, url: str, password: str | None = None) -> None:
        """Remember where the database is; connect at first use.

        `url` is postgresql://user:password@host:port/name; `password` is for a URL without one.
        """
        self._url = url
        self._password = password
        # A pool of our own, because psycopg2's connects while it holds its lock: with
        # a server that hangs, each visitor would wait for all those before.
        self._idle: deque[extensions.connection] = deque()
        self._turns = threading.BoundedSemaphore(CONNECTIONS)
        self._table_known = False

    def record(self, predicted_at: datetime, predicted_digit: int, true_label: int) -> None:
        """Store one answer; it is in the database when this returns.

        `predicted_at` must know its time zone; the digits are 0 to 9 (ValueError
        otherwise). Raises LogUnavailable within seconds if the database cannot be
        reached or does not answer. A connection that died since it was last used
        is replaced without the caller noticing.
        """
        self._store(predicted_at, predicted_digit, true_label, keep=True)

    def check(self, predicted_at: datetime, predicted_digit: int, true_label: int) -> None:
        """Do all that `record` does, then take it back. Raises as `record` does."""
        self._store(predicted_at, predicted_digit, true_label, keep=False)

    def close(self) -> None:
        """Close the idle connections. The next `record` opens new ones."""
        while self._idle:
            self._idle.popleft().close()

    def _store(
        self, predicted_at: datetime, predicted_digit: int, true_label: int, keep: bool
    ) -> None:
        if predicted_at.tzinfo is None:
            raise ValueError("predicted_at must know its time zone")
        if predicted_digit not in range(10) or true_label not in range(10):
            raise ValueError(f"digits are 0 to 9, not {predicted_digit} and {true_label}")
        row = {"at": predicted_at, "digit": int(predicted_digit), "label": int(true_label)}
        if not self._turns.acquire(timeout=ANSWER_SECONDS):
            raise LogUnavailable("every connection to the database is busy")
        try:
            self._record(row, keep)
        except psycopg2.Error as error:
            raise LogUnavailable(str(error).strip()) from error
        finally:
            self._turns.release()

    def _record(self, row: dict[str, Any], keep: bool) -> None:
        started = time.monotonic()
        for last in (False, True):
            connection = self._take()
            try:
                with connection, connection.cursor() as cursor:
                    if not self._table_known:
                        _create_table(cursor)
                    cursor.execute(_INSERT, row)
                    if not keep:
                        connection.rollback()
                self._table_known = self._table_known or keep
                return
            except errors.UndefinedTable:  # the database was emptied under us
                self._table_known = False
                if last:
                    raise
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                # A second attempt is for a connection that had died, not for a slow server.
                slow = time.monotonic() - started > STATEMENT_SECONDS / 2
                if last or slow or not connection.closed:
                    raise
                self.close()  # the others died with it
            finally:
                if not connection.closed:
                    self._idle.append(connection)

    def _take(self) -> extensions.connection:
        """Return an idle connection, which may have died meanwhile, or a new one."""
        try:
            return self._idle.pop()
        except IndexError:
            pass
        return psycopg2.connect(
            self._url,
            password=self._password,  # None leaves what the address says
            connect_timeout=CONNECT_SECONDS,
            options=f"-c statement_timeout={STATEMENT_SECONDS * 1000}",
            application_name="digits",
        )


def _create_table(cursor: extensions.cursor) -> None:
    """Make the table if there is none; a table from an older start is left as it is."""
    cursor.execute("SELECT to_regclass('predictions')")
    if cursor.fetchone() == (None,):
        # Two apps that start at once would otherwise collide in PostgreSQL's catalogue.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_CREATION_LOCK,))
        cursor.execute(_CREATE)


_default: PredictionLog | None = None
_default_lock = threading.Lock()


def default() -> PredictionLog:
    """Return this process's log at DATABASE_URL, with the password in DATABASE_PASSWORD_FILE.

    A file keeps the password out of the environment, which `docker inspect` shows; without
    it the address has the password. Raises LogUnavailable if either cannot be had.
    """
    global _default  # noqa: PLW0603 - one a process, made behind a lock
    with _default_lock:
        if _default is None:
            url = os.environ.get("DATABASE_URL")
            if not url:
                raise LogUnavailable("DATABASE_URL is not set")
            _default = PredictionLog(url, _password())
        return _default


def _password() -> str | None:
    file = os.environ.get("DATABASE_PASSWORD_FILE")
    try:
        return Path(file).read_text().strip() if file else None
    except OSError as error:
        raise LogUnavailable(f"the database's password cannot be read: {error}") from error


extensions.set_wait_callback(_wait)
