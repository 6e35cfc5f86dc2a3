"""Dumps of the database on the droplet's own disk.

A dump is there under its name only once all of it could be read back.
"""

from __future__ import annotations

import secrets

from droplet import database
from droplet.console import Stop
from droplet.disk import DiskFull
from droplet.host import Host
from droplet.programs import Result

FOLDER = "/var/backups/digits"
KINDS = ("nightly", "release", "restore", "restored", "upgrade", "manual")
KEEP = 7 * 86400  # seconds that a dump is kept; the last one of each kind is kept for ever
_LEFT = 3600  # seconds after which an unfinished dump is one that was killed


def make(host: Host, kind: str) -> str:
    """Write a dump; its path: /var/backups/digits/digits-20261129T131252Z-manual.dump.

    Raises Stop, and DiskFull; there is no new dump then.
    """
    if kind not in KINDS:
        raise Stop(f"{kind} is no kind of backup.", f"Name one of: {', '.join(KINDS)}")
    container = database.container(host)
    if not container:
        raise Stop(
            "The database is not running, so it cannot be backed up.",
            f"See why: {host.console.make('logs')}",
        )
    host.disk.folder(FOLDER, 0o700)
    part = f"{FOLDER}/{secrets.token_hex(4)}.part"
    try:
        _dump(host, container.id, part)
        name = _publish(host, part, kind)
    finally:
        host.disk.remove(part)
    _remove_old(host, kind, name)
    return f"{FOLDER}/{name}"


def _dump(host: Host, container: str, part: str) -> None:
    """Write a dump, and read all of it back. Raises Stop and DiskFull."""
    with host.disk.create(part) as file:
        _check(host, "The dump failed", host.postgres.dump(container, file))
    with host.disk.path(part).open("rb") as file:
        done = host.postgres.read_dump(container, file, "--file=/dev/null")
        _check(host, "The dump cannot be read back", done)


def _check(host: Host, what: str, done: Result) -> None:
    if done.ok:
        return
    if "o space left" in done.error:
        raise DiskFull(FOLDER)
    why = done.error.strip() or "the database did not answer in time"
    status = host.console.make("status")
    raise Stop(f"{what}: {why.removesuffix('.')}.", f"See the disk and the database: {status}")


def _publish(host: Host, part: str, kind: str) -> str:
    """Give the dump its name. A second one in the same second waits for the next."""
    while True:
        stamp = host.clock.stamp().replace("-", "").replace(":", "")
        name = f"digits-{stamp}-{kind}.dump"
        if host.disk.add_name(part, f"{FOLDER}/{name}"):
            return name
        host.clock.sleep(0.5)


def _remove_old(host: Host, kind: str, new: str) -> None:
    """Remove the old dumps of this kind, and what backups that were killed have left."""
    for name in host.disk.names(FOLDER):
        age = host.clock.now() - host.disk.modified(f"{FOLDER}/{name}")
        is_old = name.startswith("digits-") and name.endswith(f"-{kind}.dump") and age > KEEP
        if (is_old and name != new) or (name.endswith(".part") and age > _LEFT):
            host.disk.remove(f"{FOLDER}/{name}")
