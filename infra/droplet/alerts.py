"""Alerts: what has failed on this droplet and waits for somebody.

While there is one, https://…/health answers 503 (roles/web), so whoever watches the page from
outside hears of it. systemd calls it: OnFailure= and OnSuccess= of the units that matter.
"""

from __future__ import annotations

from droplet.clock import minute
from droplet.console import Console, Stop
from droplet.host import Host

FOLDER = "/var/lib/digits/troubles"  # an empty file for each alert, made when it began
RED = "/var/lib/digits/trouble"  # nginx looks for this file: it is there while there is an alert
# What happened, the next step, and the make verb at its end.
_SENTENCES = {
    "app-restarts": ("the app keeps ending and is restarted. See why", "logs"),
    "database-restarts": ("the database keeps ending and is restarted. See why", "logs"),
    "database-stopped": ("the database is stopped, so no answer is stored. Start it", "deploy"),
    "certificate": (
        "the certificate ends soon and its renewal fails. See the line certificate",
        "",
    ),
    "digits-backup": ("the nightly dump failed. Make one", "backup"),
    "digits-copies": ("the hourly offsite backup failed. See the line offsite", ""),
    "digits-copies-test": ("the weekly restore test failed. See the line restore test", ""),
    "another-version": ("this droplet has another version than the others", "release"),
}


def run(host: Host, mode: str, name: str = "", *, quiet: bool = False) -> object:
    """Begin or end an alert, or list them all. With `quiet` the list is not printed.

    Raises Stop where the name is missing.
    """
    if mode == "list":
        found = listed(host)
        for one, since, sentence in found:
            if not quiet:
                host.console.say(f"{one}, since {since}: {sentence}")
        keys = ("name", "since", "text")
        return {"alerts": [dict(zip(keys, one, strict=True)) for one in found]}
    if not name or "/" in name:
        raise Stop("No alert is named.", "Name one: digits alert begin digits-backup")
    (begin if mode == "begin" else end)(host, name)
    return None


def begin(host: Host, name: str) -> None:
    """Note that something has failed. One that began before keeps its time."""
    file = f"{FOLDER}/{name}"
    if not host.disk.exists(file):
        host.disk.touch(file)
    host.disk.touch(RED)


def end(host: Host, name: str) -> None:
    """Note that it works again; RED goes with the last alert."""
    host.disk.remove(f"{FOLDER}/{name}")
    if host.disk.names(FOLDER):
        host.disk.touch(RED)
    else:
        host.disk.remove(RED)


def listed(host: Host) -> list[tuple[str, str, str]]:
    """Every alert: its name, since when, and a sentence with the next step."""
    return [
        (name, minute(host.disk.modified(f"{FOLDER}/{name}")), _sentence(host.console, name))
        for name in host.disk.names(FOLDER)
    ]


def _sentence(console: Console, name: str) -> str:
    if name not in _SENTENCES:
        return f"{name} failed. See why: {console.make('ssh')}, then: journalctl -u {name}"
    text, verb = _SENTENCES[name]
    return f"{text}: {console.make(verb)}" if verb else text
