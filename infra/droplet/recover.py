"""Bring the droplet back to one live release, whatever a command that was killed has left.

Every command that changes something begins with `alone`, which calls `recover`; a command that
fails or is interrupted calls it, too. There is no other way back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from droplet import database, history, lock, processes, underway
from droplet.disk import Busy
from droplet.host import Host
from droplet.lock import Holder
from droplet.site import LOCAL


@contextmanager
def alone(host: Host, what: str, by: str, wait: int = 0) -> Iterator[None]:
    """Run a command that changes something: alone, on a droplet that is recovered.

    If the command fails, what it began is taken back. Raises Stop.
    """
    with lock.held(host, what, by, wait) as killed:
        if killed:
            host.console.say(f"{killed} did not end. Recovering.")
        host.console.listen()
        is_recovered = False
        try:
            is_recovered = recover(host, killed)
            if is_recovered:
                lock.sign(host, what, by)
            yield
        except BaseException:
            host.console.protect()
            if recover(host, None if is_recovered else killed, reload=not is_recovered):
                lock.sign_off(host)
            raise


def recover(host: Host, killed: Holder | None = None, *, reload: bool = False) -> bool:
    """Make nginx, files, containers and databases agree on the live release.

    After a kill, or a recovery that did not end, nginx may run with another configuration than its
    file's, so it has to load it again. False if it does not: then the next command has to do it.
    """
    history.take_over(host)
    host.disk.keep_reserve()
    if not underway.recover(host):
        host.console.warn(
            "The database could not be brought back yet. It is tried again every ten seconds."
        )
    live = history.live(host)
    if not live:
        processes.clear(host)
    elif not processes.converge(host, live, reload=reload or killed is not None):
        return False
    elif live.database == LOCAL:
        database.need_app_role(host)  # what was started again may be the first to need it
    if killed and killed.what in ("release", "rollback"):
        if not live:
            host.console.warn("It is taken back: nothing is live yet.")
        elif live.number > killed.live:
            host.console.warn(f"It is completed: {live.name} is live.")
        else:
            host.console.warn(f"It is taken back: {live.name} is still live.")
    return True


def after_a_kill(host: Host) -> None:
    """Recover if a command was killed and none runs now; for commands that only look."""
    if not is_needed(host):
        return
    try:
        with host.disk.locked(lock.LOCK):
            killed = lock.holder(host)
            if killed:
                host.console.warn(f"{killed} did not end. Recovering.")
            else:
                lock.sign(host, "recovery", "the droplet")
            if recover(host, killed):
                lock.sign_off(host)
    except Busy:
        return


def is_needed(host: Host) -> bool:
    """Whether a command that was killed, or one that runs, has left something."""
    if host.disk.exists(lock.HOLDER) or underway.is_begun(host):
        return True
    live, route = history.live(host), host.nginx.route()
    if not live:
        return False
    return {*route.ports} != {*live.ports} or processes.has_strays(host, live)
