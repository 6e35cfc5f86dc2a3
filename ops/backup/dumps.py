"""The folder of dumps on this machine: which is the newest, how old it is, which ones stay.

Each deployment has one of its own, backups/NAME/, and a rehearsal keeps its own elsewhere
(BACKUP_FOLDER): a dump of one must never be taken for another's.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops.console.errors import Failed
from ops.console.settings import ROOT, Settings
from ops.deployment import lookup
from ops.ssh.connection import Droplet

KEPT = 10
OLD = timedelta(days=1)  # older than this, a copy is a warning
_NAME = re.compile(r"digits-(\d{8}T\d{6}Z)-([a-z]+)\.dump")
_SPARE = 50_000_000  # bytes of the disk that a fetch leaves free
_ABANDONED = 3600  # seconds after which a part of a dump is of a fetch that was killed


@dataclass(frozen=True, order=True)
class Dump:
    """A dump by its name, which says when it was made and why."""

    made: datetime
    file: Path

    @property
    def by_hand(self) -> bool:
        """Whether somebody asked for it: then nothing but a person removes it."""
        return self.file.name.endswith("-manual.dump")

    @property
    def shown(self) -> str:
        """Its path as a person types it."""
        return os.path.relpath(self.file, ROOT)

    @property
    def age(self) -> timedelta:
        """How long ago it was made."""
        return datetime.now(UTC) - self.made


def named(file: Path) -> Dump | None:
    """The dump that has this name; None if it is no dump's."""
    found = _NAME.fullmatch(file.name)
    if not found:
        return None
    try:
        made = datetime.strptime(found[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Dump(made, file)


def in_words(age: timedelta) -> str:
    """An age in its largest unit, such as 3 h."""
    seconds = max(0, round(age.total_seconds()))
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and unit != "days"):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def folder(settings: Settings) -> Path:
    """Where this deployment's dumps are. Raises StateError."""
    return ROOT / settings.backup_folder / lookup.name(settings)


def dumps(settings: Settings) -> list[Dump]:
    """Every whole dump there, the oldest first."""
    there = folder(settings)
    found = [named(file) for file in there.glob("*.dump")] if there.is_dir() else []
    return sorted(dump for dump in found if dump)


def newest(settings: Settings) -> Dump | None:
    """The newest one, if there is any."""
    found = dumps(settings)
    return found[-1] if found else None


def note_what_served(settings: Settings, line: str) -> None:
    """Note the image that serves and its commit, with a tab between, for the next droplet."""
    file = folder(settings) / "served"
    if line and (not file.exists() or file.read_text().strip() != line):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_name(f"served.{os.getpid()}")
        part.write_text(f"{line}\n")
        part.replace(file)


def what_served(settings: Settings) -> tuple[str, str]:
    """The image that served when a dump last came here, and its commit; two empty texts if none."""
    file = folder(settings) / "served"
    words = file.read_text().split() if file.exists() else []
    return (words[0], words[1]) if len(words) == 2 else ("", "")


def readable(settings: Settings, name: str) -> Path:
    """The dump that a person named. Raises Failed if there is none to be read."""
    file = Path(name)
    try:
        file.open("rb").close()
    except OSError:
        raise Failed(
            f"There is no dump at {file} that you may read.",
            f"See what there is: ls {os.path.relpath(folder(settings))}",
        ) from None
    return file


def receive(settings: Settings, droplet: Droplet, there: str, size: int | None) -> Path:
    """Bring a file of the droplet's here: all of it, for your eyes only, or nothing.

    Raises Failed.
    """
    here = folder(settings)
    here.mkdir(mode=0o700, parents=True, exist_ok=True)
    _clear_away_parts(here)
    if size is not None and shutil.disk_usage(here).free < size + _SPARE:
        raise Failed(
            f"The dump has {size // 1_000_000 + 1} MB, and this machine's disk has too little "
            f"room for it in {here}.",
            "Make room there, then run the same command again.",
        )
    # A name of its own: another verb may be fetching the same dump.
    descriptor, name = tempfile.mkstemp(suffix=".part", dir=here)  # readable by nobody else
    part, file = Path(name), here / Path(there).name
    try:
        with os.fdopen(descriptor, "wb") as whole:
            status = droplet.run(f"cat {there}", stdin=b"", stdout=whole).status
            os.fsync(whole.fileno())
        arrived = part.stat().st_size
        if status != 0 or arrived != (arrived if size is None else size):
            raise Failed(
                f"The dump did not arrive whole ({arrived} bytes of {size or 'it'}), so it was "
                "not kept.",
                f"Try again: {settings.verb('backup')}",
            )
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return file


def _clear_away_parts(here: Path) -> None:
    for part in here.glob("*.part"):
        try:
            if time.time() - part.stat().st_mtime > _ABANDONED:
                part.unlink()
        except FileNotFoundError:
            pass  # another verb was faster


def thin_out(settings: Settings) -> None:
    """Keep the ten newest that came by themselves, and the one that holds the most.

    The one that holds the most: ten dumps of a log that was emptied must not push it out.
    """
    by_themselves = [dump for dump in dumps(settings) if not dump.by_hand]
    stay = set(by_themselves[-KEPT:])
    if by_themselves:
        stay.add(max(by_themselves, key=lambda dump: (dump.file.stat().st_size, dump.made)))
    for dump in by_themselves:
        if dump not in stay:
            dump.file.unlink(missing_ok=True)
