"""PostgreSQL: questions, the predictions, dumps, and a session that holds them.

It is reached through a container: the droplet's own database, or the client of the managed one.
Every question fixes the search_path, and a number is accepted as a number only.
"""

from __future__ import annotations

import re
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from droplet.docker import Docker
from droplet.programs import Result

USER = NAME = "digits"
APP_ROLE = "digits_app"  # of infra/postgres/app_role.sql; a managed database has no such role
TABLE_LOCK = 20240728  # the lock under which the app makes its table (app/digits/prediction_log.py)
COLUMNS = "predicted_at, predicted_digit, true_label"
TABLE_COLUMNS = """(
    predicted_at    timestamptz NOT NULL,
    predicted_digit smallint    NOT NULL CHECK (predicted_digit BETWEEN 0 AND 9),
    true_label      smallint    NOT NULL CHECK (true_label BETWEEN 0 AND 9)
)"""
TABLE = (
    f"CREATE TABLE IF NOT EXISTS public.predictions {TABLE_COLUMNS};"
    "CREATE INDEX IF NOT EXISTS predictions_predicted_at ON public.predictions (predicted_at);"
)
LONGEST = 1800  # seconds that a copy of all predictions may take
_ENVIRONMENT = {"PGOPTIONS": "-c search_path=pg_catalog"}
_PSQL = (
    *("psql", f"--username={USER}", "--no-psqlrc", "--no-align", "--tuples-only", "--quiet"),
    "--set=ON_ERROR_STOP=1",
)
# Without privileges: a restore refuses what it does not know, and app_role.sql grants them again.
_PG_DUMP = ("pg_dump", f"--username={USER}", "--format=custom", "--no-acl")
# The password comes in the first line of the standard input: a command line is for all to read.
_WITH_PASSWORD = 'read -r APP_PASSWORD; export APP_PASSWORD; exec "$@"'


class SqlError(Exception):
    """PostgreSQL did not do what was asked; the text says why."""


class Rejected(SqlError):
    """PostgreSQL answers, and does not accept the SQL or the rows that it was sent."""


class Postgres:
    """A PostgreSQL server, named by the container through which it is reached."""

    def __init__(self, docker: Docker) -> None:
        self._docker = docker

    def ask(self, container: str, sql: str, database: str = NAME) -> str:
        """What it answers. Raises SqlError."""
        command = (*_PSQL, f"--dbname={database}", "--command", sql)
        return _checked(self._docker.execute(container, *command, env=_ENVIRONMENT, timeout=60))

    def number(self, container: str, sql: str, database: str = NAME) -> int:
        """A number that it answers. Raises SqlError, also if it is none."""
        answer = self.ask(container, sql, database)
        if not re.fullmatch(r"-?\d{1,18}", answer):
            raise SqlError(f"it answered {answer[:80]!r} where a number was expected")
        return int(answer)

    def version(self, container: str) -> int:
        """Its version as PostgreSQL counts it: 170006 is 17.6. Raises SqlError."""
        return self.number(container, "SHOW server_version_num")

    def version_text(self, container: str) -> str:
        """Its version: 17.6. Raises SqlError."""
        return self.ask(container, "SELECT split_part(current_setting('server_version'), ' ', 1)")

    def count(self, container: str, database: str = NAME) -> int | None:
        """How many predictions it holds; None where there is no table for them. Raises SqlError."""
        there = "SELECT (to_regclass('public.predictions') IS NOT NULL)::int"
        if not self.number(container, there, database):
            return None
        return self.number(container, "SELECT count(*) FROM public.predictions", database)

    def newest(self, container: str) -> str:
        """When the last prediction was stored; empty without any. Raises SqlError."""
        return self.ask(container, "SELECT max(predicted_at) FROM public.predictions")

    def answers(self, container: str) -> bool:
        """Whether the server answers at all, within three seconds, or is still starting."""
        probe = ("pg_isready", "--quiet", "--host=127.0.0.1", "--timeout=3")
        return self._docker.execute(container, *probe, timeout=20).status != 2

    # --- dumps -------------------------------------------------------------------

    def dump(self, container: str, into: IO[bytes]) -> Result:
        """Write a dump in PostgreSQL's custom format."""
        return self._docker.execute(container, *_PG_DUMP, NAME, stdout=into)

    def dump_command(self, container: str) -> tuple[str, ...]:
        """The command that prints a dump, not compressed: most of it is the same an hour later."""
        return ("docker", "exec", container, *_PG_DUMP, "--compress=0", NAME)

    def read_dump(
        self, container: str, dump: IO[bytes], *options: str, into: IO[bytes] | None = None
    ) -> Result:
        """pg_restore of a dump to text: with --list, with --data-only, or of all of it."""
        # A timeout, since docker exec sometimes misses the end of its standard input.
        command = ("pg_restore", *options)
        return self._docker.execute(container, *command, stdin=dump, stdout=into, timeout=300)

    def restore(self, container: str, dump: IO[bytes], database: str = NAME) -> Result:
        """pg_restore of a dump that this droplet made, in one transaction.

        It replaces the tables that the database has of those in the dump.
        """
        command = (
            "pg_restore",
            f"--username={USER}",
            f"--dbname={database}",
            "--single-transaction",
        )
        more = ("--exit-on-error", "--no-owner", "--no-acl", "--clean", "--if-exists")
        return self._docker.execute(container, *command, *more, stdin=dump, timeout=LONGEST)

    def make_database(self, container: str, name: str) -> Result:
        """An empty database beside the predictions', in the place of any of that name."""
        removed = self.remove_database(container, name)
        command = ("createdb", f"--username={USER}", name)
        return self._docker.execute(container, *command, timeout=60) if removed.ok else removed

    def remove_database(self, container: str, name: str) -> Result:
        """Remove such a database, if it is there."""
        command = ("dropdb", f"--username={USER}", "--if-exists", "--force", name)
        return self._docker.execute(container, *command, timeout=60)

    # --- the app's role ------------------------------------------------------------

    def has_app_role(self, container: str) -> bool:
        """Whether the app has a role, and the role may store predictions. Raises SqlError."""
        table = "to_regclass('public.predictions')"
        sql = (
            f"SELECT count(*) FROM pg_roles WHERE rolname = '{APP_ROLE}' "  # noqa: S608 - no input
            f"AND has_table_privilege(oid, {table}, 'INSERT')"
        )
        return bool(self.number(container, sql))

    def make_app_role(self, container: str, sql: str, password: str) -> None:
        """Run app_role.sql with the app's password. Raises SqlError."""
        command = ("sh", "-c", _WITH_PASSWORD, "sh", *_PSQL, f"--dbname={NAME}", "--file=-")
        stdin = f"{password}\n{sql}"
        done = self._docker.execute(container, *command, stdin=stdin, env=_ENVIRONMENT, timeout=60)
        _checked(done)

    # --- open for answers, and closed ----------------------------------------------

    def is_read_only(self, container: str) -> bool:
        """Whether no answer is stored here, since another database is live. Raises SqlError."""
        return self.ask(container, "SHOW default_transaction_read_only") == "on"

    def close(self, container: str) -> None:
        """Make every transaction from now on read-only, and end the sessions. Raises SqlError."""
        self.ask(container, f"BEGIN READ WRITE; {READ_ONLY}; COMMIT")
        self.end_sessions(container)

    def open(self, container: str, *, empty: bool = False) -> None:
        """Let it store answers again; with `empty`, without those it holds. Raises SqlError."""
        truncate = "TRUNCATE public.predictions;" if empty else ""
        self.ask(container, f"BEGIN READ WRITE; {truncate} {_WRITABLE}; COMMIT")

    def may_make_tables(self, container: str) -> bool:
        """Whether the app may make its table. Raises SqlError."""
        return bool(self.number(container, "SELECT has_schema_privilege('public', 'CREATE')::int"))

    def end_sessions(self, container: str) -> None:
        """End every session but those of this package. Raises SqlError if somebody stays."""
        for _ in range(3):  # who was still logging in is seen the next time
            now = self.ask(container, "SELECT clock_timestamp()")
            self.ask(container, _END_SESSIONS)
            if not self.number(container, f"{_SESSIONS} AND backend_start < '{now}'"):
                return
        raise SqlError("somebody is still connected, and does not leave")

    # --- the predictions ---------------------------------------------------------------

    def rows(self, container: str, into: IO[bytes]) -> None:
        """Write every prediction, in one order and one form. Raises SqlError."""
        self.copy_out(container, _ROWS, into)

    def copy_out(self, container: str, sql: str, into: IO[bytes]) -> None:
        """Write what a COPY ... TO STDOUT gives. Raises SqlError."""
        command = (*_PSQL, f"--dbname={NAME}", "--command", sql)
        _checked(self._docker.execute(container, *command, stdout=into, env=_FORM, timeout=LONGEST))

    @contextmanager
    def session(self, container: str) -> Iterator[Session]:
        """One session, which ends with the block, and with this process at the latest."""
        process = self._docker.attach(container, *_PSQL, f"--dbname={NAME}", env=_FORM)
        session = Session(process)
        try:
            session.tell(f"SET application_name = '{SESSION}';")
            yield session
        finally:
            session.end()


_ROWS = f"COPY (TABLE public.predictions ORDER BY {COLUMNS}) TO STDOUT"
SESSION = "digits-session"
_ALTER_ROLES = (
    "DO $$ DECLARE one text; BEGIN FOR one IN SELECT rolname FROM pg_roles "  # noqa: S608 - no input
    f"WHERE rolname IN ('{USER}', '{APP_ROLE}') LOOP "
    "EXECUTE format('ALTER ROLE %I {}', one); END LOOP; END $$"
)
READ_ONLY = _ALTER_ROLES.format("SET default_transaction_read_only = on")
_WRITABLE = _ALTER_ROLES.format("RESET default_transaction_read_only")
# The app can give its sessions any name, but not another user.
_OTHERS = (
    "FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND (usename = "
    f"'{APP_ROLE}' OR usename = '{USER}' AND application_name <> '{SESSION}')"
)
_END_SESSIONS = f"SET client_min_messages = error; SELECT pg_terminate_backend(pid, 5000) {_OTHERS}"
_SESSIONS = f"SELECT count(*) {_OTHERS}"
_FORM = {**_ENVIRONMENT, "PGTZ": "UTC", "PGDATESTYLE": "ISO"}


class Session:
    """A psql that is written to, and that answers line by line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._buffer = b""

    def tell(self, sql: str) -> None:
        """Send SQL. A session that has ended is noticed by the next `read`."""
        self.send(f"{sql}\n".encode())

    def send(self, data: bytes) -> None:
        """Send bytes, such as the rows of a COPY."""
        try:
            if self._process.stdin:
                self._process.stdin.write(data)
                self._process.stdin.flush()
        except OSError:
            return

    def copy(self, file: Path) -> None:
        """Send a file of rows, each of which was checked, and COPY's end."""
        with file.open("rb") as rows:
            while chunk := rows.read(1 << 20):
                self.send(chunk)
        self.send(b"\\.\n")

    def read(self, word: str, within: float) -> str:
        """Wait for a line `word|text` and return its text. Raises SqlError."""
        deadline = time.monotonic() + within
        stream = self._process.stdout
        while stream and (left := deadline - time.monotonic()) > 0:
            line, found, rest = self._buffer.partition(b"\n")
            if found:
                self._buffer = rest
                first, _, text = line.decode(errors="replace").partition("|")
                if first == word:
                    return text
                continue
            if not select.select([stream], [], [], left)[0]:
                break
            chunk = stream.read1(65536)  # type: ignore[attr-defined]
            if not chunk:
                break
            self._buffer += chunk
        raise self._error()

    def end(self) -> None:
        """End the session; a transaction that is open is rolled back."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                try:
                    stream.close()
                except OSError:
                    continue

    def _error(self) -> SqlError:
        self._process.kill()
        stream = self._process.stderr
        text = stream.read().decode(errors="replace") if stream else ""
        return (Rejected if "ERROR: " in text else SqlError)(error_in(text))


def error_in(text: str) -> str:
    """PostgreSQL's error in what psql printed, without notices and advice."""
    found = re.search(r"(?:ERROR|FATAL|PANIC): +(.*)", text)
    return found[1] if found else "the database closed the connection or did not answer in time"


def _checked(done: Result) -> str:
    if not done.ok:
        raise SqlError(done.error.strip() or "the database did not answer in time")
    return done.out.strip()
