"""One command at a time. What one that was killed has left is recovered by the next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from droplet import history
from droplet.console import Stop
from droplet.disk import Busy
from droplet.host import Host

# In memory: a full disk stops no rollback.
LOCK, HOLDER = "/run/lock/digits", "/run/lock/digits.holder"


@dataclass(frozen=True)
class Holder:
    """Whose command has the lock, or had it when it was killed."""

    what: str  # "release", "rollback", "upgrade of the database"
    by: str
    since: str  # as Clock.stamp writes it
    live: int = 0  # the number of the release that was live then

    def __str__(self) -> str:
        return f"The {self.what} by {self.by}, since {self.since},"


@contextmanager
def held(host: Host, what: str, by: str, wait: int = 0) -> Iterator[Holder | None]:
    """Be the only command that changes something; wait so many seconds for another one.

    Yields the holder that was killed before, if one was. It stays written down until `sign`, since
    a recovery that fails must be tried again. Raises Stop.
    """
    _wait_for_turn(host, wait)
    with host.disk.locked(LOCK, wait=True):
        killed = holder(host)
        if not killed:
            sign(host, what, by)
        yield killed
        sign_off(host)


def sign(host: Host, what: str, by: str) -> None:
    """Write down whose command has the lock."""
    live = history.live(host)
    mine = Holder(what, by, host.clock.stamp(), live.number if live else 0)
    host.disk.write(HOLDER, json.dumps(asdict(mine)))


def sign_off(host: Host) -> None:
    """The command has ended, and left nothing to recover."""
    host.disk.remove(HOLDER)


def is_held(host: Host) -> bool:
    """Whether a command runs now that changes something."""
    try:
        with host.disk.locked(LOCK, shared=True):  # two that look are not in each other's way
            return False
    except Busy:
        return True


def holder(host: Host) -> Holder | None:
    """What is written down about the command that has the lock, or had it."""
    try:
        data = json.loads(host.disk.read(HOLDER) or "{}")
    except ValueError:
        return None
    return Holder(**data) if data else None


def _wait_for_turn(host: Host, wait: int) -> None:
    """Wait until the lock is free. Raises Stop after so many seconds."""
    deadline = host.clock.seconds() + wait
    waiting = False
    while is_held(host):
        running = f"{holder(host) or 'Another command'} is running."
        if host.clock.seconds() >= deadline:
            raise Stop(
                running,
                f"Wait until it is done ({host.console.make('releases')} shows it), then run this "
                "one again.",
            )
        if not waiting:
            host.console.say(f"{running} Waiting for it, {wait} s at most.")
        waiting = True
        host.clock.sleep(0.5)
