"""The prediction log: when, what was predicted, what it really was. In PostgreSQL.

One table of three columns, made at first use. Recording the same answer twice
stores it once, so an attempt whose outcome was never heard can be repeated.
"""

from __future__ import annotations

import os
import select
import threading
import time
from datetime import datetime
from pathlib import Path

import psycopg2
from psycopg2 import errors, extensions

from digits.kept_connections import KeptConnections

CONNECTIONS = int(os.environ.get("DATABASE_CONNECTIONS", "8"))  # at most, for one process
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


class NoAnswer(Exception):
    """The server did not answer in time."""


def _wait(connection: extensions.connection) -> None:
    """Wait for the server's answer, but not for ever.

    psycopg2 calls this instead of blocking. libpq has no limit of its own for a
    server that hangs, and ignores connect_timeout when it is driven from here.
    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while (state := connection.poll()) != extensions.POLL_OK:
        left = deadline - time.monotonic()
        # Not select.select, which ends at file descriptor 1024: each visitor has some.
        watched = select.poll()
        reading = state == extensions.POLL_READ
        watched.register(connection.fileno(), select.POLLIN if reading else select.POLLOUT)
        if left <= 0 or not watched.poll(left * 1000):
            # psycopg2 closes the connection when this raises.
            raise NoAnswer(f"no answer in {ANSWER_SECONDS} seconds")


class PredictionLog:
    """The log behind one database address. Safe to share between threads."""

    def __init__(self, url: str, password: str | None = None) -> None:
        """Remember where the database is; connect at first use.

        `url` is postgresql://user:password@host:port/name; `password` is for a URL without one. Or
        postgresql:///?service=NAME, for what the file PGSERVICEFILE says when an answer comes.
        """
        self._url = url
        self._password = password
        self._turns = threading.BoundedSemaphore(CONNECTIONS)
        self._kept = KeptConnections()

    def record(self, predicted_at: datetime, predicted_digit: int, true_label: int) -> None:
        """Store one answer; it is in the database when this returns.

        `predicted_at` must know its time zone; the digits are 0 to 9 (ValueError
        otherwise). Raises LogUnavailable within seconds if the database cannot be
        reached or does not answer. A connection that was kept since the answer before
        (kept_connections.py) may have died: then a new one is tried.
        """
        self._store(predicted_at, predicted_digit, true_label, keep=True)

    def check(self, predicted_at: datetime, predicted_digit: int, true_label: int) -> None:
        """Do all that `record` does, then take it back. Raises as `record` does."""
        self._store(predicted_at, predicted_digit, true_label, keep=False)

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
            if not self._put_on_a_kept_one(row, keep):
                self._put(self._connect(), row, keep)
        except (psycopg2.Error, NoAnswer) as error:
            raise LogUnavailable(_in_words(error)) from error
        finally:
            self._turns.release()

    def _put_on_a_kept_one(self, row: dict[str, object], keep: bool) -> bool:
        """Whether the row was stored over a connection that was kept, and is still good."""
        connection = self._kept.take()
        if connection is None:
            return False
        try:
            self._put(connection, row, keep)
        except errors.QueryCanceled:
            raise  # it took its time, as NoAnswer does, and a new one would take as much again
        except psycopg2.Error:
            return False
        return True

    def _put(self, connection: extensions.connection, row: dict[str, object], keep: bool) -> None:
        """Store the row, or only try it; keep the connection if that went well."""
        try:
            with connection.cursor() as cursor:
                _create_table(cursor)
                cursor.execute(_INSERT, row)
            if keep:
                connection.commit()
            else:
                connection.rollback()
        except BaseException:
            connection.close()
            raise
        self._kept.keep(connection)

    def _connect(self) -> extensions.connection:
        return psycopg2.connect(
            self._url,
            password=self._password,  # None leaves what the address says
            connect_timeout=CONNECT_SECONDS,
            options=f"-c statement_timeout={STATEMENT_SECONDS * 1000}",
            application_name="digits",
        )


def _in_words(error: Exception) -> str:
    """The error of the server or libpq; a server that takes no more connections is only busy."""
    message = str(error).strip()
    full = ("too many clients", "too many connections", "remaining connection slots")
    if any(words in message for words in full):
        return f"every connection to the database is busy: {message}"
    return message


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
