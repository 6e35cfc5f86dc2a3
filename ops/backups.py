"""Backups on this machine, and the last one before a droplet goes."""

from __future__ import annotations

import os
from pathlib import Path

from ops import say
from ops.errors import Failed, SaidAlready
from ops.settings import ROOT, Settings
from ops.ssh import Droplet
from ops.ssh_words import Unreachable

FOLDER = ROOT / "backups"
_MAKE = (
    "command -v digits-backup >/dev/null"
    ' && [ -n "$(docker volume ls --quiet --filter name=^digits_postgres)" ]'
    " || { echo none; exit; }\ndigits-backup manual"
)


def fetch(settings: Settings, droplet: Droplet) -> Path | None:
    """Bring a dated dump of the database here; None if there is no database yet.

    Raises Failed; a dump that did not arrive whole is not kept.
    """
    made = droplet.must(_MAKE).split()
    if made == ["none"]:
        say.note("There is no database on the droplet yet, so there is nothing to back up.")
        return None
    there = made[-1]
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    file = FOLDER / Path(there).name
    part = file.with_name(f"{file.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as whole:
            if droplet.run(f"cat {there}", stdout=whole).status != 0:
                raise SaidAlready
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)
    name = file.relative_to(ROOT)
    say.done(
        f"Backed up to {name} ({file.stat().st_size} bytes). Put it back with: "
        f"{settings.verb(f'restore FILE={name}')}"
    )
    return file


def can_be_made(settings: Settings, ip: str | None) -> bool:
    """Whether the answers logged on the droplet can be saved before it goes; if not, says why."""
    if settings.backup == "no":
        say.line("No backup is made: BACKUP=no.")
        return False
    if not ip:
        say.line("NO BACKUP can be made of a droplet that has no address yet.")
        return False
    try:
        Droplet(settings, ip).ask("true")
    except Unreachable as error:
        say.line(f"The droplet at {ip} does not let you in: {error.what}.")
        for text in error.then:
            say.line(text)
        say.line("NO BACKUP can be made of a droplet that does not answer.")
        return False
    say.line(f"The droplet at {ip} answers over ssh.")
    return True


def refuse_to_lose(settings: Settings) -> None:
    """Raises Failed, unless it was said beforehand that the answers may be lost."""
    if settings.backup != "no":
        raise Failed(
            "Without a backup the answers would be lost, so nothing was removed.",
            f"See why the droplet does not answer: {settings.verb('doctor')}. To go on and lose "
            "them: the same command with BACKUP=no",
        )


def fetch_last(settings: Settings, ip: str) -> None:
    """Save the answers before the droplet goes. Raises Failed: then nothing is removed."""
    try:
        fetch(settings, Droplet(settings, ip))
    except Failed as error:
        say.failure(error)
        raise Failed(
            "The last backup failed, so nothing was removed.",
            "What failed is above. To go on without it, and lose the answers: the same command "
            "with BACKUP=no",
        ) from error
