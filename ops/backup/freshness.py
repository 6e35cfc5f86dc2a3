"""The newest backup that is not on the droplet: what is left when the droplet is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops.backup import dumps
from ops.console.make import make
from ops.ssh import digits_command

# Up to when every prediction is in the repository, in seconds since 1970. The bash version has it
# as the time of a file.
_OF_BASH = """stat --format '{"complete": %Y}' /var/lib/digits/copies/complete"""
_STATUS = f"{{ digits offsite status --json || {_OF_BASH}; }} 2>/dev/null || true"


@dataclass(frozen=True, order=True)
class Newest:
    """A backup that is not on the droplet: up to when it holds everything, and where it is."""

    at: datetime
    where: str

    @property
    def age(self) -> timedelta:
        """How old it is."""
        return datetime.now(UTC) - self.at

    def __str__(self) -> str:
        return f"{dumps.age_text(self.age)} old: {self.where}"


def newest(folder: Path, ask: Callable[[str], str]) -> Newest | None:
    """The newest one, in this folder of dumps or offsite; None if there is none.

    `ask` asks the droplet, and may raise Failed.
    """
    found = []
    if dump := dumps.newest(folder):
        found.append(Newest(dump.made, f"{dump.shown}, on this machine"))
    if complete := (digits_command.values_of(ask(_STATUS)) or {}).get("complete"):
        at = datetime.fromtimestamp(int(complete), UTC)
        found.append(Newest(at, "the repository of offsite backups"))
    return max(found, default=None)


def warning(copy: Newest | None) -> tuple[str, str] | None:
    """What is wrong with having this one or none, and what to do; None if nothing is."""
    if copy and copy.age <= dumps.OLD:
        return None
    what = (
        f"The newest backup that is not on the droplet is {dumps.age_text(copy.age)} old "
        f"({copy.where}): later predictions are lost if the droplet is."
        if copy
        else "There is no backup that is not on the droplet: if it is lost, so are all predictions."
    )
    return what, f"Make one: {make('backup')}"
