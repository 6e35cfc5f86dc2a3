"""make restore FILE=backups/...: put a dump back, after showing what it replaces and asking."""

from __future__ import annotations

import os
from pathlib import Path

from ops.backup import dumps, local_backup
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.deployment import lookup
from ops.ssh import digits_command
from ops.ssh.connection import Droplet


def run(settings: Settings, _arguments: list[str]) -> None:
    """Show, ask, put back. Raises Failed."""
    dump = _dump(settings)
    droplet = Droplet(settings, lookup.address(settings))
    with dump.open("rb") as content:
        digits_command.show(droplet, "restore", "--look", stdin=content)
    if settings.confirm != "yes":
        answer = terminal.ask("Replace them? Type yes: ")
        if answer is None:
            raise Failed(
                "Restoring replaces what is logged, and nobody is there to be asked.",
                f"If you mean it: {settings.verb(f'restore FILE={settings.file} CONFIRM=yes')}",
            )
        if answer != "yes":
            raise Failed("Nothing was changed.")
    with dump.open("rb") as content:
        digits_command.show(droplet, "restore", stdin=content)
    local_backup.bring_newest(settings, droplet)


def _newest(folder: Path) -> str:
    """The newest dump in a folder, if there is one."""
    found = sorted(folder.glob("*.dump")) if folder.is_dir() else []
    return os.path.relpath(found[-1]) if found else ""


def _shown(settings: Settings) -> str:
    """The folder of this deployment's dumps, as a person types it."""
    return os.path.relpath(dumps.folder(settings))


def _dump(settings: Settings) -> Path:
    if not settings.file:
        newest, verb = _newest(dumps.folder(settings)), settings.verb
        raise Failed(
            "make restore needs the dump to put back.",
            f"Name it: {verb(f'restore FILE={newest}')}"
            if newest
            else f"There is none in {_shown(settings)}; this makes one: {verb('backup')}",
        )
    file = Path(settings.file)
    if file.is_dir():
        raise Failed(
            f"{file} is a folder, not a dump.",
            f"Name a file in it: {settings.verb(f'restore FILE={newest}')}"
            if (newest := _newest(file))
            else f"It holds no dump. See what is in it: ls {file}",
        )
    return dumps.readable(settings, settings.file)
