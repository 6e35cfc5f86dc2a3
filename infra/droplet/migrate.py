"""Move the predictions between the droplet's own database and DigitalOcean's managed one.

Which one is wanted, Ansible writes into site.env; which one is live, the list of releases tells.
Where they differ, a release migrates: the new containers, with the other database, start beside
the live ones and are tried; then answers wait (the page says to press again), the rows are copied
and compared, nginx is pointed at the new containers, and answers are stored again. Until then the
old database has every answer; from then on the new one has.

The one that is not live stays closed: its user's transactions are read-only by default. So nobody
who still talks to it stores an answer there.
"""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from dataclasses import dataclass

from droplet import database, history, underway
from droplet.console import Stop, count
from droplet.host import Host
from droplet.postgres import COLUMNS, LONGEST, READ_ONLY, TABLE, TABLE_LOCK, Session, SqlError
from droplet.site import LOCAL


@dataclass
class Migration:
    """A migration on its way. `sessions` holds the old database until the block ends."""

    source: str
    target: str
    sessions: ExitStack

    @property
    def names(self) -> tuple[str, str]:
        """Both databases in a sentence."""
        return database.words(self.source), database.words(self.target)


def begin(host: Host, target: str, *, at_once: bool, sessions: ExitStack) -> Migration | None:
    """Have both databases at hand, and the other one ready for the trial; None if it is live.

    Raises Stop.
    """
    source = database.live(host)
    if source == target:
        return None
    if not at_once:
        raise Stop(
            "The predictions move to another database with all processes at once, and there is no "
            "memory for both sets.",
            "Move them with one process, and deploy again without that number: "
            f"{host.console.make('deploy TF_VAR_app_processes=1')}",
        )
    moving = Migration(source, target, sessions)
    host.console.say("Moving the predictions from {} to {}".format(*moving.names))
    underway.begin_migration(host)
    done = database.start(host, LOCAL)
    if not done.ok:
        database.show_start(host, done)
        raise Stop("The droplet's own database did not start; why is above.", _AGAIN)
    if not underway.start_client(host):
        raise Stop(
            "Docker could not start a client for the managed database; why is above.", _AGAIN
        )
    _make_room(host, moving)
    return moving


def copy(host: Host, moving: Migration | None) -> None:
    """Copy the predictions. From here on answers wait, until this ends. Raises Stop."""
    if not moving:
        return
    source, target = database.reach(moving.source), database.reach(moving.target)
    try:
        # Held as well as closed: who was just connecting when it was closed may not know of that.
        moving.sessions.enter_context(hold(host, source))
        host.postgres.close(source)
        number = host.postgres.count(source)
        host.console.say(f"Copying {count(number or 0)}")
        if number is None:
            host.postgres.close(target)
        else:
            _copy_rows(host, source, target, number)
        host.postgres.end_sessions(source)
    except SqlError as error:
        raise Stop(f"The predictions were not copied: {error}.", _AGAIN) from error
    host.console.say(f"Both databases hold the same {count(number or 0)}")


def finish(host: Host, moving: Migration | None) -> None:
    """The other database is live: let it store answers. It is tried again if it fails."""
    if not moving:
        return
    moving.sessions.close()
    if not underway.recover(host):
        host.console.warn(
            "No answers are stored yet; why is above. It is tried again every ten seconds."
        )


def bring_back(host: Host, by: str) -> None:
    """Move the predictions from the managed database here: release what is live once more.

    To stay so, Ansible has to write it into site.env, too (make deploy).
    """
    from droplet import images, release, site
    from droplet.recover import after_a_kill

    after_a_kill(host)
    live = history.live(host)
    if database.live(host) == LOCAL:
        host.console.say("Nothing to move: the predictions are in the droplet's own database.")
        return
    if not live:
        raise Stop(
            "Nothing is live here, so nothing can bring the predictions back.",
            f"Release: {host.console.make('deploy')}",
        )
    lines = host.disk.read(site.FILE).splitlines()
    text = "".join(f"{line}\n" for line in lines if not line.startswith("DATABASE"))
    host.disk.write(site.FILE, text, 0o644)
    order = release.order(live.id, live.commit, by)
    release.run(host, order.of(images.Source(live.id, pull=False), live.name))


def hold(host: Host, container: str) -> ExitStack:
    """Keep the predictions of a database as they are, while the block runs. Raises Stop."""
    held = ExitStack()
    session: Session = held.enter_context(host.postgres.session(container))
    session.tell(
        f"SET lock_timeout = '10s'; SET transaction_timeout = '{LONGEST}s'; BEGIN; "
        f"DO $$ BEGIN PERFORM pg_advisory_xact_lock({TABLE_LOCK}); "
        "IF to_regclass('public.predictions') IS NOT NULL THEN "
        "LOCK TABLE public.predictions IN SHARE MODE; END IF; END $$; SELECT 'held', '';"
    )
    try:
        session.read("held", 60)
    except SqlError as error:
        held.close()
        host.console.warn(str(error))
        raise Stop(
            "The predictions could not be held: somebody else's transaction is open on them, as in "
            "make psql.",
            "End it, and run this again.",
        ) from error
    return held


_AGAIN = "Fix what is named there, and run this again."


def _make_room(host: Host, moving: Migration) -> None:
    """Remove what an earlier migration left in the target, and let the trial store a row there.

    What is open, and holds answers, is somebody's. Raises Stop.
    """
    at, name = database.reach(moving.target), moving.names[1]
    try:
        closed, has = host.postgres.is_read_only(at), host.postgres.count(at)
        if closed:
            host.console.say(f"Replacing what an earlier migration left there: {count(has or 0)}")
            host.postgres.open(at, empty=has is not None)
            return
        if has is None and not host.postgres.may_make_tables(at):
            raise Stop(
                f"The app may not make its table in {name}.",
                f"Let Ansible allow it: {host.console.make('deploy')}",
            )
    except SqlError as error:
        host.console.warn(str(error))
        raise Stop(
            f"{name[0].upper()}{name[1:]} does not answer this droplet; the reason is above.",
            "See whether it is up, and lets this droplet in: "
            f"{host.console.make('doctor')}. Then run this again.",
        ) from error
    if has:
        raise Stop(
            f"{name[0].upper()}{name[1:]} holds {count(has)} that did not come from here, and they "
            "would be replaced.",
            "Choose which to keep: docs/managed-database.md, Both databases have answers.",
        )


def _copy_rows(host: Host, source: str, target: str, number: int) -> None:
    """Put the rows of one in the place of all that the other holds. Raises SqlError and Stop.

    One transaction does it, and closes the other, too: nobody writes into it before it is live.
    """
    file = host.disk.path(underway.ROWS)
    with host.disk.create(underway.ROWS) as rows:
        host.postgres.rows(source, rows)
    if _lines(host) != number:
        raise SqlError("they were not read to their end")
    with host.postgres.session(target) as session:
        session.tell(
            f"BEGIN READ WRITE; {TABLE} {READ_ONLY}; "
            f"TRUNCATE public.predictions; COPY public.predictions ({COLUMNS}) FROM STDIN;"
        )
        session.copy(file)
        session.tell("COMMIT; SELECT 'done', '';")
        session.read("done", LONGEST)
    before = _sum(host)
    with host.disk.create(underway.ROWS) as rows:
        host.postgres.rows(target, rows)
    if _sum(host) != before:
        raise Stop("The two databases do not hold the same predictions.", "Run this again.")


def _lines(host: Host) -> int:
    with host.disk.path(underway.ROWS).open("rb") as file:
        return sum(1 for _ in file)


def _sum(host: Host) -> str:
    with host.disk.path(underway.ROWS).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
