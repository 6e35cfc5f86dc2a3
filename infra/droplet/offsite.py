"""Offsite backups: dumps of the database in a restic repository outside the droplet.

Only restic's retention policy and a person remove one. Each is a dump in PostgreSQL's own format,
not compressed: restic then sends only what is new in it, and compresses and encrypts that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NoReturn

from droplet import database, history, restore
from droplet.console import Refused, Stop, count
from droplet.disk import Busy
from droplet.docker import Container
from droplet.host import Host
from droplet.noted import FOLDER, Noted, how_to_remove
from droplet.postgres import SqlError
from droplet.restic import FILE, Restic, ResticError, Snapshot, is_set_up

TRIES = 10  # backups that are tried, from the newest on, until one can be restored
_RETENTION = "--keep-last 2 --keep-hourly 48 --keep-daily 30 --keep-monthly 12"


def run(host: Host, mode: str, id: str = "", *, quiet: bool = False) -> object:  # noqa: A002
    """`digits offsite MODE [ID]`; the values of list and status. Raises Stop and DiskFull."""
    if mode == "status":
        return _status(host, quiet=quiet)
    if mode == "list" and quiet and not is_set_up(host):
        return {"backups": []}
    offsite = Offsite(host)
    if mode == "list":
        return offsite.list(quiet=quiet)
    if mode == "restore":
        offsite.restore(id)
        return None
    try:
        with host.disk.locked(f"{FOLDER}/lock", wait=mode not in ("hourly", "now")):
            _run_alone(offsite, mode, id)
    except Busy:
        host.console.say("Another offsite backup or its test runs, so this one does nothing.")
    return None


def status_lines(host: Host) -> Iterator[tuple[str, str]]:
    """What is known without asking the repository; nothing without offsite backups."""
    if not (state := _status(host, quiet=True)):
        return
    yield "offsite", f"{state['newest']}, in {state['place']}" if state["newest"] else "none yet"
    if state["failed"]:
        yield "offsite", f"FAILED {state['failed']}"
    yield "restore test", state["tested"] or "not yet: every Sunday"


def _status(host: Host, *, quiet: bool) -> dict[str, Any]:
    if not is_set_up(host):
        return {}
    for name, text in status_lines(host) if not quiet else ():
        host.console.say(f"{name:<12} {text}")
    return Noted(host, Restic(host).place).values()


def _run_alone(offsite: Offsite, mode: str, id: str) -> None:  # noqa: A002
    from droplet import verify

    match mode:
        case "hourly" | "now":
            if offsite.make(always=mode == "now"):
                offsite.thin_out()
        case "start-over":
            offsite.noted.starting_over = True
            offsite.make(always=True)
        case "remove":
            offsite.remove(id)
        case "test":
            verify.run(offsite)


class Offsite:
    """The repository, and what is noted about it here."""

    def __init__(self, host: Host) -> None:
        """Raises Stop where this droplet makes no offsite backups."""
        self.host, self.restic = host, Restic(host)
        self.noted = Noted(host, self.restic.place)

    def find(self) -> list[Snapshot]:
        """The backups, the newest first. Raises Stop, also where there were some and are none."""
        place = self.restic.place
        try:
            found = self.restic.snapshots()
        except ResticError as why:
            self.fail(f"The offsite backups cannot be reached: {why}.")
        if not found and self.noted.had_backups():
            self.fail(
                f"There were backups in {place}, and now there are none: its disk is not mounted, "
                "its path is another, or somebody removed them. Bring them back. To begin there "
                "without them, on the droplet: digits offsite start-over"
            )
        return found

    def make(self, *, always: bool) -> bool:
        """Make a backup, if predictions came since the last one, or always; whether it did.

        Raises Stop.
        """
        host, live, began = self.host, history.live(self.host), self.host.clock.now()
        if not live:  # what was never released may be about to be restored
            host.console.say("Nothing is live here yet, so there is nothing to back up.")
            return False
        container = self._container()
        stored = self._stored(container)
        found = self.find() if stored else []
        is_same = stored == self.noted.read("logged") and self.noted.had_backups()
        if not stored or (found and is_same and not always):
            self.noted.complete(began)
            since = "since the last offsite backup" if stored else "yet"
            host.console.say(f"There are no new predictions {since}.")
            return False
        self._begin()
        answers = int(stored.split()[0])
        tags = (f"rows={answers}", f"image={live.name}", f"commit={live.commit}")
        self.must(
            "The offsite backup failed",
            *("backup", *self.restic.host_option, *(f"--tag={tag}" for tag in tags)),
            # A dump that fails leaves no backup.
            *("--stdin-filename", FILE, "--stdin-from-command", "--"),
            *host.postgres.dump_command(container.id),
        )
        self.noted.made(stored, answers)
        self.noted.complete(began)
        host.console.say(f"Backed up to {self.restic.place}: {count(answers)}.")
        return True

    def thin_out(self) -> None:
        """Remove old backups by the retention policy."""
        damaged = self.noted.damaged(self.find()) if self.noted.read("damaged") else []
        if damaged:
            # The policy would count a damaged one as good, and remove a good one of that hour.
            self.host.console.say(
                f"Old backups stay until the damaged ones are removed. {how_to_remove(damaged)}"
            )
            return
        try:
            self.restic.run(
                "forget", *self.restic.own, "--group-by", "host,paths", *_RETENTION.split()
            )
        except ResticError as why:
            self.host.console.say(f"Old backups stay for now: {why}.")

    def list(self, *, quiet: bool) -> dict[str, Any]:
        """The backups, the newest first. Raises Stop."""
        found = self.find()
        for one in found if not quiet else ():
            words = (one.id, one.when, str(one.answers), one.image, one.commit)
            self.host.console.say("\t".join(words))
        return {"backups": [asdict(one) for one in found]}

    def restore(self, id: str = "") -> None:  # noqa: A002
        """Restore the newest one that can be restored, or this one. Raises Stop and DiskFull."""
        found = [one for one in self.find() if one.id.startswith(id)][:TRIES]
        if not found:
            such = "such " if id else ""
            raise Stop(f"There is no {such}backup in {self.restic.place}.", "Nothing was changed.")
        for number, one in enumerate(found):
            if number:
                self.host.console.warn("Taking the one before it.")
            self.host.console.say(f"Restoring the backup of {one.when} ({count(one.answers)})")
            try:
                self._restore(one)
                return
            except ResticError as why:
                self.host.console.warn(f"It cannot be read: {why}.")
            except Refused as refused:  # another fault is no reason to take an older one
                self.host.console.warn(refused.what)
        raise Stop(
            f"None of the newest {len(found)} backups could be restored; the reasons are above.",
            "Nothing was changed.",
        )

    def _restore(self, one: Snapshot) -> None:
        disk = self.host.disk
        with disk.temporary(restore.WORK) as work:
            with disk.create(f"{work}/dump") as dump:
                self.restic.read(one, dump)
            with disk.path(f"{work}/dump").open("rb") as source:
                restore.run(self.host, source, look=False)

    def remove(self, id: str) -> None:  # noqa: A002
        """Remove one, as a person wishes. Raises Stop."""
        found = self.find()
        if id not in [one.id for one in found]:
            raise Stop(
                f"There is no backup {id or 'without an id'}.",
                "Nothing was changed. See which there are: digits offsite list",
            )
        if len(found) == 1:
            raise Stop(
                f"The backup {id} is the only one.",
                "Nothing was changed. Make another one first: digits offsite now",
            )
        self.restic.unlock()
        self.must("The backup was not removed", "forget", id)
        self.host.console.say(f"Removed the backup {id}.")
        if not self.noted.damaged([one for one in found if one.id != id]):
            self.noted.forget_damaged()

    def must(self, what: str, *arguments: str, **options: Any) -> None:  # noqa: ANN401
        """Run restic. Raises Stop, with `what` failed and why."""
        try:
            self.restic.run(*arguments, **options)
        except ResticError as why:
            self.fail(f"{what}: {why}.")

    def fail(self, what: str) -> NoReturn:
        """Note it where `digits status` and the alerts find it. Raises Stop."""
        self.noted.write("failed", f"{self.host.clock.stamp()} {what}")
        raise Stop(what, "No prediction was changed.")

    def _container(self) -> Container:
        logs = self.host.console.make("logs")
        return database.container(self.host) or self.fail(
            f"No backup was made: the database is not running. See why: {logs}"
        )

    def _stored(self, container: Container) -> str:
        """How many answers there are and when the last one came; empty before the first."""
        postgres = self.host.postgres
        try:
            number = postgres.count(container.id)
            return "" if number is None else f"{number} {postgres.newest(container.id) or '-'}"
        except SqlError as error:
            self.fail(f"No backup was made: the database does not answer: {error}.")

    def _begin(self) -> None:
        """Have a repository without stale locks. Raises Stop."""
        if not self.restic.is_new:
            self.restic.unlock()
            return
        self.must("The repository of the offsite backups cannot be made", "init")
        self.restic.is_new = False
        self.host.console.say(f"There was no repository in {self.restic.place}: it was made.")
