"""The newest copy of the log that is not on the droplet: what is left when the droplet is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ops.backup import dumps
from ops.console.settings import Settings
from ops.ssh import digits_command

# Up to when every prediction is in the repository, in seconds since 1970. The bash version has it
# as the time of a file.
_OF_BASH = """stat --format '{"complete": %Y}' /var/lib/digits/copies/complete"""
_STATUS = f"{{ digits offsite status --json || {_OF_BASH}; }} 2>/dev/null || true"


@dataclass(frozen=True, order=True)
class Copy:
    """A copy that outlives the droplet: up to when it holds everything, and where it is."""

    at: datetime
    where: str

    @property
    def age(self) -> timedelta:
        """How old it is."""
        return datetime.now(UTC) - self.at

    @property
    def is_old(self) -> bool:
        """Whether that is worth a warning."""
        return self.age > dumps.OLD

    def __str__(self) -> str:
        return f"{dumps.in_words(self.age)} old: {self.where}"


def newest(settings: Settings, ask: Callable[[str], str]) -> Copy | None:
    """The newest one; None if there is none. `ask` asks the droplet, and may raise Failed."""
    found = []
    if dump := dumps.newest(settings):
        found.append(Copy(dump.made, f"{dump.shown}, on this machine"))
    if complete := (digits_command.values_of(ask(_STATUS)) or {}).get("complete"):
        at = datetime.fromtimestamp(int(complete), UTC)
        found.append(Copy(at, "the repository of offsite backups"))
    return max(found, default=None)


def warning(settings: Settings, copy: Copy | None) -> tuple[str, str] | None:
    """What is wrong with having this one or none, and what to do; None if nothing is."""
    if copy and not copy.is_old:
        return None
    what = (
        f"The newest copy outside the droplet is {dumps.in_words(copy.age)} old "
        f"({copy.where}): what was logged since is lost if the droplet is."
        if copy
        else "There is no copy outside the droplet: if it is lost, so are all answers."
    )
    return what, f"Make one: {settings.verb('backup')}"
