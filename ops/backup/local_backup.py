"""Backups on this machine, and the last one before a droplet goes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ops.backup import dumps
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import ROOT, BackupSettings, Consent
from ops.ssh import digits_command
from ops.ssh.connection import Host
from ops.ssh.errors import Unreachable

# A droplet of the bash version has digits-backup, which prints a sentence with the path at its end.
_MAKE = """\
{ command -v digits || command -v digits-backup; } >/dev/null &&
  [ -n "$(docker volume ls --quiet --filter name=^digits_postgres)" ] || { echo none; exit; }
if command -v digits >/dev/null; then digits backup --json; else digits-backup manual; fi
"""
# The droplet's newest dump and its size.
_NEWEST = """\
cd /var/backups/digits 2>/dev/null &&
  find . -maxdepth 1 -name 'digits-*.dump' -printf '%P %s\\n' | sort | tail -n 1
if command -v digits >/dev/null; then digits releases --json; else echo '{}'; fi
"""
_BIG = 5_000_000  # bytes that may take a while to come


def fetch(folder: Path, host: Host) -> Path | None:
    """Bring a dated dump of the database here; None if there is no database yet.

    Raises Failed; a dump that did not arrive whole is not kept.
    """
    printed = host.must(_MAKE).strip()
    if printed == "none":
        terminal.note("There is no database on the droplet yet, so there is nothing to back up.")
        return None
    there = _path_in(printed)
    size = host.must(f"stat --format %s {there}").strip()
    file = dumps.receive(folder, host, there, int(size) if size.isdigit() else None)
    name = os.path.relpath(file, ROOT)
    terminal.done(
        f"Backed up to {name} ({file.stat().st_size} bytes). Put it back with: "
        f"{make(f'restore FILE={name}')}"
    )
    return file


def _path_in(printed: str) -> str:
    values = digits_command.values_of(printed)
    return str(values["path"]) if values else printed.rsplit(maxsplit=1)[-1]


def bring_newest(backups: BackupSettings, deployment: str, host: Host) -> None:
    """Bring the droplet's newest dump here, if it is newer than what is here.

    Every verb that reaches the droplet does this on its way, so that losing the droplet does not
    lose what was logged, also where there are offsite backups: root on the droplet can delete
    those. Best effort: failures are reported, never fatal.
    """
    if backups.bring == "no":
        return
    try:
        _bring_newest(dumps.folder_of(backups, deployment), host)
    except Failed as error:
        terminal.note(
            "The droplet's newest dump could not be copied to this machine. The command itself "
            "succeeded."
        )
        terminal.failure(error)
    except OSError as error:
        terminal.note(
            f"The droplet's newest dump could not be copied to this machine: {error}. Make room "
            "or a folder "
            f"there, then: {make('backup')}"
        )


def _bring_newest(folder: Path, host: Host) -> None:
    # What is typed or piped in is for the verb itself.
    printed = host.must(_NEWEST, stdin=b"")
    if live := digits_command.live_of(printed):
        dumps.note_release(folder, f"{live['name']}\t{live['commit']}")
    found = re.search(r"^(digits-[\w-]+\.dump) (\d+)$", printed, re.MULTILINE)
    there = dumps.named(Path(found[1])) if found else None
    if not found or not there:
        return
    here = dumps.newest(folder)
    if here and here.made >= there.made:
        return
    size = int(found[2])
    if size > _BIG:
        terminal.note(
            f"Copying the droplet's newest dump to this machine ({size // 1_000_000} MB) ..."
        )
    file = dumps.receive(folder, host, f"/var/backups/digits/{found[1]}", size)
    dumps.thin_out(folder)
    terminal.note(
        f"Copied the droplet's newest dump to this machine: {os.path.relpath(file, ROOT)}"
    )


def can_be_made(consent: Consent, host: Host) -> bool:
    """Whether the answers on the droplet can be saved before it goes; if not, prints why."""
    if consent.backup == "no":
        terminal.line("No backup is made: BACKUP=no.")
        return False
    if not host.ip:
        terminal.line("NO BACKUP can be made of a droplet that has no address yet.")
        return False
    try:
        host.ask("true")
    except Unreachable as error:
        terminal.line(f"The droplet at {host.ip} does not accept your login: {error.what}.")
        for text in error.then:
            terminal.line(text)
        terminal.line("NO BACKUP can be made of a droplet that does not answer.")
        return False
    terminal.line(f"The droplet at {host.ip} answers over ssh.")
    return True


def refuse_to_lose(consent: Consent) -> None:
    """Raises Failed, unless BACKUP=no: then the answers may be lost."""
    if consent.backup != "no":
        raise Failed(
            "Without a backup the answers would be lost, so nothing was removed.",
            f"See why the droplet does not answer: {make('doctor')}. To go on and lose "
            "them: the same command with BACKUP=no",
        )


def fetch_last(folder: Path, host: Host) -> Path | None:
    """Save the answers before the droplet goes; None if there is no database yet.

    Raises Failed: then nothing is removed.
    """
    try:
        return fetch(folder, host)
    except Failed as error:
        terminal.failure(error)
        raise Failed(
            "The last backup failed, so nothing was removed.",
            "What failed is above. To go on without it, and lose the answers: the same command "
            "with BACKUP=no",
        ) from error
