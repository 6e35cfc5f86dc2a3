"""A change of the database that is under way: what leads back, or forward, if it is killed.

/opt/digits/underway.json is there from the first step that changes something to the last.
"""

from __future__ import annotations

import json
from typing import Any

from droplet import database
from droplet.docker import Stack
from droplet.host import Host
from droplet.postgres import SqlError
from droplet.site import LOCAL, MANAGED

FILE = "/opt/digits/underway.json"
ROWS = "/opt/digits/migrate.rows"
_OLD_UPGRADE, _OLD_MOVE = "/opt/digits/upgrade", "/opt/digits/moving"  # of the bash version


def begin_upgrade(host: Host, before: dict[str, str], volume: str = "") -> None:
    """From here on a kill leads back to the settings before; the new volume is removed then."""
    _write(host, {"what": "upgrade", "before": before, "volume": volume})


def open_upgrade(host: Host) -> None:
    """The new database is in service: from here on a kill leads forward."""
    _write(host, {"what": "open"})


def begin_migration(host: Host) -> None:
    """From here on a kill opens the live database again."""
    _write(host, {"what": "migrate"})


def end(host: Host) -> None:
    """It is done, or taken back."""
    host.disk.remove(ROWS)
    host.disk.remove(FILE)


def is_begun(host: Host) -> bool:
    """Whether a change of the database is under way, or was killed."""
    return any(host.disk.exists(name) for name in (FILE, _OLD_UPGRADE, _OLD_MOVE))


def recover(host: Host) -> bool:
    """Take back a change that is not final, or bring it to its end; whether that worked."""
    _take_over(host)
    noted = _read(host)
    if not noted:
        return True
    way = {"upgrade": _undo, "open": _open, "migrate": _reopen}[noted["what"]]
    try:
        done = way(host, noted)
    except SqlError as error:
        host.console.warn(str(error))
        return False
    if done:
        end(host)
    return done


def beside(host: Host, settings: dict[str, str] | None = None) -> Stack:
    """The stack of a new database that runs beside the old one."""
    return Stack(
        project="digits-upgrade", settings=settings or {}, connections=host.site.connections
    )


def start_client(host: Host) -> bool:
    """Start the container that reaches the managed database; whether it started."""
    stop_client(host)
    image = host.docker.database_image(database.stack(host, LOCAL))
    folder = host.disk.path("/opt/digits/database")
    done = host.docker.run(
        *(
            "--detach",
            "--name",
            database.CLIENT,
            "--network",
            "digits_default",
            "--init",
            "--read-only",
        ),
        *("--cap-drop", "ALL", "--memory", "128m", "--security-opt", "no-new-privileges"),
        *("--volume", f"{folder}:/run/database:ro"),
        *("--env", "PGSERVICEFILE=/run/database/pg_service.conf", "--env", "PGSERVICE=digits"),
        *(image, "sleep", "infinity"),
    )
    if not done.ok:
        host.console.warn(done.error.strip())
    return done.ok


def stop_client(host: Host) -> None:
    """Remove that container."""
    host.docker.remove(database.CLIENT)


def _undo(host: Host, noted: dict[str, Any]) -> bool:
    database.write_settings(host, noted["before"])
    if not database.up(host):
        return False
    if not host.docker.compose(beside(host), "down").ok:
        return False
    if noted["volume"] and not host.docker.remove_volume(noted["volume"]).ok:
        return False
    image = noted["before"].get("POSTGRES_IMAGE", "The old database")
    host.console.warn(f"{image} is live again, with every answer.")
    return True


def _open(host: Host, _told: dict[str, Any]) -> bool:
    if not database.up(host):
        return False
    host.postgres.open(database.NAME)
    return True


def _reopen(host: Host, _told: dict[str, Any]) -> bool:
    live = database.live(host)
    ready = start_client(host) if live == MANAGED else database.up(host, LOCAL)
    if not ready:
        return False
    host.postgres.open(database.reach(live))
    stop_client(host)
    return database.up(host)


def _read(host: Host) -> dict[str, Any]:
    noted: dict[str, Any] = json.loads(host.disk.read(FILE) or "{}")
    return noted


def _write(host: Host, noted: dict[str, Any]) -> None:
    host.disk.write(FILE, json.dumps(noted))


def _take_over(host: Host) -> None:
    """Replace what the bash version left of a change that was killed."""
    what, _, volume = host.disk.read(_OLD_UPGRADE).strip().partition(" ")
    if what == "undo":
        lines = host.disk.read("/opt/digits/postgres.env.before").splitlines()
        begin_upgrade(host, dict(line.partition("=")[::2] for line in lines), volume)
    elif what == "open":
        open_upgrade(host)
    elif host.disk.exists(_OLD_MOVE):
        begin_migration(host)
    for name in (_OLD_UPGRADE, "/opt/digits/postgres.env.before", _OLD_MOVE, f"{_OLD_MOVE}.rows"):
        host.disk.remove(name)
