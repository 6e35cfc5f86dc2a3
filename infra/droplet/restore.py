"""Replace the predictions by those of a dump.

No SQL of the file is executed. It may hold the predictions' own table and nothing else, and of its
text only rows that match a strict pattern are used (droplet.rows); if one does not, the restore
ends before it begins. No answer is lost: while the predictions are replaced, in one transaction,
visitors' answers wait, and one that waits too long is refused, so the page says to press again.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from droplet import backup, database, history, rows
from droplet.console import Refused, Stop, count
from droplet.disk import DiskFull
from droplet.docker import Container
from droplet.host import Host
from droplet.postgres import COLUMNS, TABLE, TABLE_COLUMNS, TABLE_LOCK, Rejected, Session, SqlError
from droplet.site import LOCAL, MANAGED

WORK = "/var/tmp"  # noqa: S108 - on the disk: /tmp is memory
WITHIN = 300  # seconds for a step of the session
_NOTHING = "Nothing was changed."
# What pg_restore --list names of a dump of ours. One that was made by hand has privileges, too.
_OWN = re.compile(
    "TABLE( DATA)? public predictions|INDEX public predictions_predicted_at|(DEFAULT )?ACL .+"
)


@dataclass(frozen=True)
class Dump:
    """A dump that is accepted: the file with its rows, their number, its PostgreSQL's version."""

    rows: str
    count: int
    version: int


def run(host: Host, source: BinaryIO, *, look: bool) -> dict[str, int]:
    """Restore the dump; with `look` only count. How many answers it and the database had.

    Raises Refused where the file is not accepted, and Stop; nothing is changed then.
    """
    container = _start(host)
    with _full_disk(host), host.disk.temporary(WORK) as work:
        with host.disk.create(f"{work}/dump") as file:
            shutil.copyfileobj(source, file)
        version = _check_contents(host, container, f"{work}/dump")
        _take_rows(host, container, work)
        try:
            has = host.postgres.count(container.id) or 0
            runs = host.postgres.version(container.id) // 10000  # 170006 is 17.6
        except SqlError as error:
            raise _no_answer(host, str(error)) from error
        dump = Dump(f"{work}/rows", _count_rows(host, container, f"{work}/rows"), version)
        if version > runs and has:
            raise _too_new(
                host,
                f"That file was written by PostgreSQL {version}, and the database is {runs}.",
                str(version),
            )
        host.console.say(f"The file holds {count(dump.count)}; the database holds {has}.")
        if not look:
            if database.live(host) == LOCAL:
                database.make_app_role(host, container.id)  # its table may be gone
            _restore(host, _upgraded(host, container, dump, runs), dump)
    return {"held": dump.count, "has": has}


def print_held(host: Host) -> dict[str, int]:
    """How many answers the managed database holds: a new droplet then has nothing to restore.

    0 where the predictions are in the droplet's own database. Raises Stop.
    """
    container = _start(host)
    if database.live(host) != MANAGED:
        return {"held": 0}
    try:
        held = host.postgres.count(container.id) or 0
    except SqlError as error:
        raise _no_answer(host, str(error)) from error
    host.console.say(f"The managed database holds {count(held)}.")
    return {"held": held}


def _start(host: Host) -> Container:
    """The database's container. One that has served nobody yet is started. Raises Stop."""
    if not database.container(host) and not history.live(host):
        host.console.say("Starting the database, which has served nobody yet")
        database.up(host)
    container = database.container(host)
    if not container:
        raise Stop(
            "The database is not running, so nothing can be restored into it.",
            f"Start it: {host.console.make('deploy')}",
        )
    return container


@contextmanager
def _full_disk(host: Host) -> Iterator[None]:
    try:
        yield
    except DiskFull as full:
        ssh = host.console.make("ssh")
        raise Stop(
            f"The droplet's disk is full: there is no room for {full}.",
            f"{_NOTHING} See what takes it, by {ssh}: du -xsh /var/* | sort -h",
        ) from full


def _no_answer(host: Host, why: str = "") -> Stop:
    reason = f": {why}" if why else ""
    return Stop(
        f"The database does not answer{reason}.",
        f"{_NOTHING} See: {host.console.make('logs')}",
    )


def _refused(why: str) -> Refused:
    return Refused(why, f"{_NOTHING} Take another file from backups/.")


def _too_new(host: Host, what: str, version: str) -> Stop:
    upgrade = host.console.make(f"upgrade-database VERSION={version}")
    return Stop(what, f"{_NOTHING} Upgrade it first: {upgrade}")


# --- what is in the file -----------------------------------------------------


def _check_contents(host: Host, container: Container, dump: str) -> int:
    """The major version of PostgreSQL that wrote a dump of the predictions. Raises Stop."""
    with host.disk.path(dump).open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise _refused("That file is empty.")
        done = host.postgres.read_dump(container.id, file, "--list")
    if not done.ok:
        found = re.match(r"pg_restore: *(.*)", done.error)
        if not found:
            raise _no_answer(host)
        if "unsupported version" in found[1]:
            raise _too_new(
                host,
                f"That file was written by a newer PostgreSQL than the database is ({found[1]}).",
                "...",
            )
        raise _refused(
            f"That file is no whole dump of this database: it cannot be read ({found[1]})."
        )
    # A line like "215; 1259 16386 TABLE public predictions digits"; the last word is the owner.
    objects = re.findall(r"^\d+; \d+ \d+ (.*) \S+$", done.out, re.MULTILINE)
    others = sorted(one for one in objects if not _OWN.fullmatch(one))
    if others:
        raise _refused(
            f"That file is a dump of another database: it also holds {', '.join(others)}."
        )
    if "TABLE DATA public predictions" not in objects:
        raise _refused(
            "That file holds no predictions: it was made before the first answer, or without the "
            "data."
        )
    written_by = re.search(r"^; *Dumped from database version: (\d+)", done.out, re.MULTILINE)
    return int(written_by[1]) if written_by else 0


def _take_rows(host: Host, container: Container, work: str) -> None:
    """Write the rows of work/dump into work/rows. Raises Stop and DiskFull."""
    read_end, write_end = os.pipe()

    def take() -> bool:
        # Closed at once where a row is foreign: pg_restore then ends, too.
        with os.fdopen(read_end, "rb") as text, host.disk.create(f"{work}/rows") as into:
            return rows.take(text, into)

    with ThreadPoolExecutor(1) as another, host.disk.path(f"{work}/dump").open("rb") as dump:
        taking = another.submit(take)
        with os.fdopen(write_end, "wb") as text:
            done = host.postgres.read_dump(container.id, dump, "--data-only", "--file=-", into=text)
        try:
            is_whole = taking.result()
        except rows.Foreign as why:
            raise _refused(f"That file was not accepted. {why}") from why
    if not done.ok and "pg_restore: " not in done.error:
        raise _no_answer(host)
    if not done.ok or not is_whole:
        raise _refused("That file is no whole dump of this database: it cannot be read to its end.")


def _count_rows(host: Host, container: Container, taken: str) -> int:
    """How many rows the database finds, in a table that is gone at once. Raises Stop."""
    try:
        with host.postgres.session(container.id) as session:
            session.tell(f"CREATE TEMPORARY TABLE incoming {TABLE_COLUMNS};")
            session.tell("COPY incoming FROM STDIN;")
            session.copy(host.disk.path(taken))
            session.tell("SELECT 'holds', count(*) FROM incoming;")
            return int(session.read("holds", WITHIN))
    except Rejected as error:
        raise _refused(
            f"The database does not accept the rows of that file as answers: {error}."
        ) from error
    except SqlError as error:
        raise _no_answer(host, str(error)) from error


# --- in its place, in one transaction ----------------------------------------


def _upgraded(host: Host, container: Container, dump: Dump, runs: int) -> Container:
    """The database's container; an empty one is first upgraded to the dump's version."""
    if dump.version <= runs:
        return container
    from droplet import upgrade

    host.console.say(
        f"The file was written by PostgreSQL {dump.version}: the empty database is upgraded from "
        f"{runs} first."
    )
    upgrade.run(host, "a restore", str(dump.version))
    return _start(host)


def _restore(host: Host, container: Container, dump: Dump) -> None:
    with host.postgres.session(container.id) as session:
        try:
            gone = _hold(session)
            saved = backup.make(host, "restore")
            holds = _replace(session, host, dump)
        except SqlError as error:
            raise Stop(f"The restore failed: {error}.", _NOTHING) from error
        except (Stop, DiskFull) as error:
            why = error.what if isinstance(error, Stop) else "the droplet's disk is full."
            raise Stop(f"What would be replaced could not be backed up: {why}", _NOTHING) from error
        host.console.protect()
        _commit(session, host, saved)
    host.console.say(f"Replaced {count(gone)}; {saved} on the droplet keeps what was there.")
    host.console.say(f"Restored: the database holds what the file does, {count(holds)}.")
    try:
        backup.make(host, "restored")  # else the newest dump would be of what was replaced
    except (Stop, DiskFull) as error:
        why = error.what if isinstance(error, Stop) else "The droplet's disk is full."
        again = host.console.make("backup")
        host.console.say(f"There is no new backup yet. {why} Then make one: {again}")


def _hold(session: Session) -> int:
    """Let answers wait, for five minutes at most; how many there are. Raises SqlError.

    The backup can read meanwhile.
    """
    session.tell("SET client_min_messages = error; SET transaction_timeout = '5min'; BEGIN;")
    session.tell(f"SELECT pg_advisory_xact_lock({TABLE_LOCK});")
    session.tell(TABLE)
    session.tell("LOCK TABLE public.predictions IN SHARE MODE;")
    session.tell("SELECT 'held', count(*) FROM public.predictions;")
    return int(session.read("held", WITHIN))


def _replace(session: Session, host: Host, dump: Dump) -> int:
    """Replace the rows; how many there are then. Raises SqlError."""
    session.tell(f"TRUNCATE public.predictions; COPY public.predictions ({COLUMNS}) FROM STDIN;")
    session.copy(host.disk.path(dump.rows))
    session.tell("SELECT 'holds', count(*) FROM public.predictions;")
    holds = int(session.read("holds", WITHIN))
    if holds != dump.count:
        raise SqlError(f"the database holds {holds} rows and the file {dump.count}")
    return holds


def _commit(session: Session, host: Host, saved: str) -> None:
    session.tell("COMMIT; SELECT 'done', '';")
    try:
        session.read("done", WITHIN)
    except SqlError as error:
        status = host.console.make("status")
        raise Stop(
            "The database went away at the end of the restore, so it is not known whether it was "
            "completed.",
            f"See how many answers there are: {status}. {saved} on the droplet keeps what was "
            "there.",
        ) from error
