"""make restore FILE=backups/...: put a dump back, after showing what it replaces and asking."""

from __future__ import annotations

import os
from pathlib import Path

from ops.backup import dumps, local_backup
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import Settings
from ops.deployment import lookup
from ops.ssh import digits_command


def run(settings: Settings, _arguments: list[str]) -> None:
    """Show, ask, put back. Raises Failed."""
    deployment = lookup.find(settings)
    dump = _dump(settings.backups.file, dumps.folder_of(settings.backups, deployment.name))
    host = deployment.host(deployment.chosen)
    with dump.open("rb") as content:
        digits_command.show(host, "restore", "--look", stdin=content)
    question = "A restore replaces the predictions. Replace them?"
    terminal.confirm(question, "yes", settings.consent.confirm)
    with dump.open("rb") as content:
        digits_command.show(host, "restore", stdin=content)
    local_backup.bring_newest(settings.backups, deployment.name, host)


def _dump(name: str, folder: Path) -> Path:
    """The dump that FILE names. Raises Failed."""
    if not name:
        newest = dumps.newest(folder)
        raise Failed(
            "make restore needs the dump to put back.",
            f"Name it: {make(f'restore FILE={newest.shown}')}"
            if newest
            else f"There is none in {os.path.relpath(folder)}; this makes one: {make('backup')}",
        )
    file = Path(name)
    if file.is_dir():
        raise Failed(
            f"{file} is a folder, not a dump.",
            f"Name a file in it: {make(f'restore FILE={newest.shown}')}"
            if (newest := dumps.newest(file))
            else f"It holds no dump. See what is in it: ls {file}",
        )
    return dumps.readable(folder, name)
