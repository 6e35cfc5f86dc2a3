"""The weekly test of the offsite backups: restore the newest one into a throwaway database.

It removes no backup. Beside one that is damaged it makes a whole new one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from droplet import database, restore
from droplet.console import Stop
from droplet.disk import DiskFull
from droplet.host import Host
from droplet.noted import UNREADABLE, how_to_remove
from droplet.offsite import TRIES, Offsite
from droplet.postgres import USER, SqlError
from droplet.restic import ResticError, Snapshot
from droplet.site import MANAGED

_THROWAWAY = "digits_restore_test"
_SERVER = "digits-copies-test"


class Damaged(Exception):
    """A backup does not restore; the message has the reason."""


class NotTested(Exception):
    """A fault that has nothing to do with the backups; the message has the reason."""


def run(offsite: Offsite) -> None:
    """Test the newest backup, then check and prune the repository. Raises Stop."""
    bad: dict[str, str] = {}
    try:
        with _test(offsite) as test:
            _run(offsite, test, bad)
    except NotTested as why:
        text = f"NOT TESTED: {''.join(bad.values())}{why}"
    except DiskFull:
        text = "NOT TESTED: the droplet's disk is full"
    else:
        return
    _note(offsite, text)
    raise Stop(
        text,
        "That tells nothing about the backups. Remove the cause; the test runs again on Sunday, or "
        "with: digits offsite test",
    )


class Test:
    """Where backups are tried: a server, and a file for a dump."""

    def __init__(self, offsite: Offsite, server: str, dump: str) -> None:
        self.host, self.restic = offsite.host, offsite.restic
        self.server, self.dump = server, dump

    def answers(self, one: Snapshot) -> int:
        """Restore a backup; how many answers it holds. Raises Damaged and NotTested."""
        needed = one.size // 500_000 + 100  # MB: twice the dump, and some
        for folder in (restore.WORK, "/var/lib/docker"):
            free = self.host.disk.free_mb(folder)
            if free < needed:
                raise NotTested(f"only {free} MB are free on the disk, and the test needs {needed}")
        try:
            with self.host.disk.create(self.dump) as into:
                self.restic.read(one, into)
        except ResticError as why:
            kind = Damaged if self.restic.is_damage(why) else NotTested
            raise kind(str(why)) from why
        held = self._restored()
        if held < one.answers:
            raise Damaged(f"it holds {held} answers instead of {one.answers}")
        return held

    def _restored(self) -> int:
        postgres = self.host.postgres
        try:
            done = postgres.make_database(self.server, _THROWAWAY)
            if done.ok:
                with self.host.disk.path(self.dump).open("rb") as dump:
                    done = postgres.restore(self.server, dump, _THROWAWAY)
            why = " ".join(
                line for line in done.error.splitlines() if not line.startswith("NOTICE")
            )
            held = postgres.count(self.server, _THROWAWAY) if done.ok else None
        except SqlError as error:
            held, why = None, str(error)
        if held is None:
            raise NotTested(f"the database did not take it: {why}")
        return held


@contextmanager
def _test(offsite: Offsite) -> Iterator[Test]:
    host = offsite.host
    container = database.container(host)
    if not container:
        raise NotTested("the database is not running")
    with host.disk.temporary(restore.WORK) as work, host.disk.create(f"{work}/dump"):
        is_managed = database.live(host) == MANAGED
        # The managed one lets nobody make a database, so then a server is started for the test.
        server = _start_server(host) if is_managed else container.id
        try:
            yield Test(offsite, server, f"{work}/dump")
        finally:
            host.postgres.remove_database(server, _THROWAWAY)
            if is_managed:
                host.docker.remove(_SERVER)


def _start_server(host: Host) -> str:
    image = host.docker.database_image(host.stack())
    host.docker.remove(_SERVER)
    done = host.docker.run(
        *("--detach", "--name", _SERVER, "--network", "none", "--memory", "256m"),
        *("--env", f"POSTGRES_USER={USER}", "--env", "POSTGRES_HOST_AUTH_METHOD=trust"),
        *("--env", "POSTGRES_PASSWORD=nobody-comes-from-outside", image),
    )
    ready = f"until pg_isready --quiet --host=127.0.0.1 --username={USER}; do sleep 1; done"
    if not done.ok or not host.docker.execute(_SERVER, "sh", "-c", ready, timeout=120).ok:
        host.docker.remove(_SERVER)
        raise NotTested(f"no server for it started: {done.error.strip()}")
    return _SERVER


def _run(offsite: Offsite, test: Test, bad: dict[str, str]) -> None:
    """Raises Stop where a backup is damaged, and NotTested; `bad` has the damaged ones' reasons."""
    console = offsite.host.console
    found = offsite.find()
    if not found:
        console.say("There is no offsite backup to test yet.")
        return
    newest = ""
    for one in found[:TRIES]:
        backup = f"the backup of {one.when} ({one.id})"
        try:
            newest = f"{one.when}, with {test.answers(one)} answers"
            break
        except Damaged as why:
            bad[one.id] = f"{backup} does not restore ({why}); "
        except NotTested as why:
            raise NotTested(f"{backup}: {why}") from why
    if bad:
        what = "".join(bad.values())
        good = f"the newest good one is of {newest}" if newest else ""
        _say(offsite, f"FAILED: {what}{good}")
        _renew(offsite, test, what, list(bad))
    _say(offsite, f"ok: the backup of {newest.replace(', with', ' restores, with')}")
    if damaged := offsite.noted.damaged(found):
        # restic checks and prunes nothing beside a damaged backup.
        console.say(f"Older backups are damaged. {how_to_remove(damaged)}")
        return
    _check(offsite, test)


def _check(offsite: Offsite, test: Test) -> None:
    """Check the repository, and remove what only old backups held. Raises Stop."""
    try:
        offsite.restic.run("check", "--no-lock")
    except ResticError as why:
        if "contains errors" not in why.done.error:
            offsite.fail(f"The repository was not checked: {why}.")
        _renew(offsite, test, "older backups do not restore; ", [])
    offsite.restic.unlock()
    offsite.must("What old backups held was not removed", "prune")


def _renew(offsite: Offsite, test: Test, what: str, bad: list[str]) -> NoReturn:
    """Make a whole new backup beside the damaged ones. Raises Stop.

    restic sends nothing that it thinks is there already, so it must know first what cannot be read.
    What can still be read of a damaged file stays, and the file itself is kept on the droplet.
    """
    restic, host = offsite.restic, offsite.host
    host.console.say(f"Looking through all that is in {restic.place}, and making a new backup")
    restic.unlock()
    offsite.must(f"{what}The index was not repaired", "repair", "index")
    if broken := restic.broken_files():
        host.disk.folder(UNREADABLE, 0o700)
        not_saved = f"{what}What can be read was not saved from the damaged files"
        offsite.must(not_saved, "repair", "packs", *broken, folder=UNREADABLE)
    offsite.make(always=True)
    newest, *before = offsite.find()
    try:
        held = test.answers(newest)
        # The new one brought back what it has in common with others: some may be whole again.
        missing = restic.damaged()
    except (Damaged, NotTested, ResticError) as why:
        offsite.fail(f"{what}The new backup does not restore either: {why}.")
    damaged = [one.id for one in before if one.id in missing or _is_bad(test, one, bad)]
    offsite.noted.write("damaged", "\n".join(damaged))
    text = f"FAILED: {what}a new backup restores, with {held} answers. {how_to_remove(damaged)}"
    _note(offsite, text)
    raise Stop(text, "See them all: digits offsite list")


def _is_bad(test: Test, one: Snapshot, bad: list[str]) -> bool:
    """Whether one of those that did not restore still does not."""
    try:
        return one.id in bad and test.answers(one) < 0
    except (Damaged, NotTested):
        return True


def _note(offsite: Offsite, text: str) -> None:
    """How the test ended, for `digits status`."""
    offsite.noted.write("tested", f"{offsite.host.clock.stamp()} {text}")


def _say(offsite: Offsite, text: str) -> None:
    _note(offsite, text)
    offsite.host.console.say(text)
