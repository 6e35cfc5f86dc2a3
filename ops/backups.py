"""Backups on this machine, and the last one before a droplet goes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ops import backup_folder, say
from ops.errors import Failed
from ops.settings import ROOT, Settings
from ops.ssh import Droplet
from ops.ssh_words import Unreachable

_MAKE = (
    "command -v digits-backup >/dev/null"
    ' && [ -n "$(docker volume ls --quiet --filter name=^digits_postgres)" ]'
    " || { echo none; exit; }\ndigits-backup manual"
)
# The droplet's newest dump and its size. Also where copies go elsewhere (roles/copies): root on the
# droplet can remove those, but not what is here.
_NEWEST = (
    "cd /var/backups/digits 2>/dev/null || exit 0\n"
    "find . -maxdepth 1 -name 'digits-*.dump' -printf '%P %s\\n' | sort | tail -n 1\n"
    "tail -n 1 /opt/digits/releases.log 2>/dev/null | cut -f 2,3"
)
_BIG = 5_000_000  # bytes that may take a while to come


def fetch(settings: Settings, droplet: Droplet) -> Path | None:
    """Bring a dated dump of the database here; None if there is no database yet.

    Raises Failed; a dump that did not arrive whole is not kept.
    """
    made = droplet.must(_MAKE).split()
    if made == ["none"]:
        say.note("There is no database on the droplet yet, so there is nothing to back up.")
        return None
    there = made[-1]
    size = droplet.must(f"stat --format %s {there}").strip()
    file = backup_folder.receive(settings, droplet, there, int(size) if size.isdigit() else None)
    name = os.path.relpath(file, ROOT)
    say.done(
        f"Backed up to {name} ({file.stat().st_size} bytes). Put it back with: "
        f"{settings.verb(f'restore FILE={name}')}"
    )
    return file


def bring_newest(settings: Settings, droplet: Droplet) -> None:
    """Bring the droplet's newest dump here, if it is newer than what is here.

    Every verb that reaches the droplet does this on its way, so that losing the droplet does not
    lose what was logged. It is no verb's purpose: what goes wrong is said, and nothing else.
    """
    if settings.bring_backup == "no":
        return
    try:
        _bring_newest(settings, droplet)
    except Failed as error:
        say.note("The droplet's newest dump was not brought here. What the verb did is done.")
        say.failure(error)
    except OSError as error:
        say.note(
            f"The droplet's newest dump was not brought here: {error}. Make room or a folder "
            f"there, then: {settings.verb('backup')}"
        )


def _bring_newest(settings: Settings, droplet: Droplet) -> None:
    # What is typed or piped in is for the verb itself.
    dump, *served = droplet.must(_NEWEST, stdin=b"").splitlines() or [""]
    backup_folder.note_what_served(settings, "".join(served))
    found = re.fullmatch(r"(digits-[\w-]+\.dump) (\d+)", dump.strip())
    there = backup_folder.named(Path(found[1])) if found else None
    if not found or not there:
        return
    here = backup_folder.newest(settings)
    if here and here.made >= there.made:
        return
    size = int(found[2])
    if size > _BIG:
        say.note(f"Bringing the droplet's newest dump here ({size // 1_000_000} MB) ...")
    file = backup_folder.receive(settings, droplet, f"/var/backups/digits/{found[1]}", size)
    backup_folder.thin_out(settings)
    say.note(f"The droplet's newest dump is here, too: {os.path.relpath(file, ROOT)}")


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


def fetch_last(settings: Settings, ip: str) -> Path | None:
    """Save the answers before the droplet goes; None if there is no database yet.

    Raises Failed: then nothing is removed.
    """
    try:
        return fetch(settings, Droplet(settings, ip))
    except Failed as error:
        say.failure(error)
        raise Failed(
            "The last backup failed, so nothing was removed.",
            "What failed is above. To go on without it, and lose the answers: the same command "
            "with BACKUP=no",
        ) from error
