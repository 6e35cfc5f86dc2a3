"""The folder of dumps on this machine: which is the newest, how old it is, which ones are kept.

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
from ops.console.make import make
from ops.console.settings import ROOT, BackupSettings
from ops.ssh.connection import Host

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
        """Whether `make backup` made it: then only a person removes it."""
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


def age_text(age: timedelta) -> str:
    """An age in its largest unit, such as 3 h."""
    seconds = max(0, round(age.total_seconds()))
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (seconds >= size and unit != "days"):
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def folder_of(backups: BackupSettings, deployment: str) -> Path:
    """Where the dumps of the deployment with this name are."""
    return ROOT / backups.folder / deployment


def all_in(folder: Path) -> list[Dump]:
    """Every whole dump there, the oldest first."""
    found = [named(file) for file in folder.glob("*.dump")] if folder.is_dir() else []
    return sorted(dump for dump in found if dump)


def newest(folder: Path) -> Dump | None:
    """The newest one, if there is any."""
    found = all_in(folder)
    return found[-1] if found else None


def note_release(folder: Path, line: str) -> None:
    """Note the image in service and its commit, with a tab between, for the next droplet."""
    file = folder / "served"
    if line and (not file.exists() or file.read_text().strip() != line):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = file.with_name(f"served.{os.getpid()}")
        part.write_text(f"{line}\n")
        part.replace(file)


def release_before(folder: Path) -> tuple[str, str]:
    """The image in service when the newest dump was made, and its commit; empty if unknown."""
    file = folder / "served"
    words = file.read_text().split() if file.exists() else []
    return (words[0], words[1]) if len(words) == 2 else ("", "")


def readable(folder: Path, name: str) -> Path:
    """The dump that a person named. Raises Failed if there is none to be read."""
    file = Path(name)
    try:
        file.open("rb").close()
    except OSError:
        raise Failed(
            f"There is no dump at {file} that you may read.",
            f"See what there is: ls {os.path.relpath(folder)}",
        ) from None
    return file


def receive(folder: Path, host: Host, there: str, size: int | None) -> Path:
    """Bring a file of the droplet's here: all of it, for your eyes only, or nothing.

    Raises Failed.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _clear_away_parts(folder)
    if size is not None and shutil.disk_usage(folder).free < size + _SPARE:
        raise Failed(
            f"The dump has {size // 1_000_000 + 1} MB, and this machine's disk has too little "
            f"room for it in {folder}.",
            "Make room there, then run the same command again.",
        )
    # A name of its own: another verb may be fetching the same dump.
    descriptor, name = tempfile.mkstemp(suffix=".part", dir=folder)  # readable by nobody else
    part, file = Path(name), folder / Path(there).name
    try:
        with os.fdopen(descriptor, "wb") as whole:
            status = host.run(f"cat {there}", stdin=b"", stdout=whole).status
            os.fsync(whole.fileno())
        arrived = part.stat().st_size
        if status != 0 or arrived != (arrived if size is None else size):
            raise Failed(
                f"The dump did not arrive whole ({arrived} bytes of {size or 'it'}), so it was "
                "not kept.",
                f"Try again: {make('backup')}",
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


def thin_out(folder: Path) -> None:
    """Keep the ten newest automatic ones, and the largest.

    The largest: ten dumps of an emptied database must not push it out.
    """
    automatic = [dump for dump in all_in(folder) if not dump.by_hand]
    stay = set(automatic[-KEPT:])
    if automatic:
        stay.add(max(automatic, key=lambda dump: (dump.file.stat().st_size, dump.made)))
    for dump in automatic:
        if dump not in stay:
            dump.file.unlink(missing_ok=True)
