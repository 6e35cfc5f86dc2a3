"""What a new droplet starts with: the answers of the one before, and the image in service there.

A droplet that has never had a release takes the newest backup that is not on it: an offsite backup
(roles/offsite), or a dump on this machine. Nothing is lost by that, since nothing is there.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ops.backup import dumps
from ops.console import terminal
from ops.console.errors import AlreadyPrinted, Failed
from ops.console.make import make
from ops.release.image import Image
from ops.ssh import digits_command
from ops.ssh.connection import Host

# The answers, and how many of them came in the last day that has any.
_COUNT = (
    'docker exec digits-db-1 psql --username=digits --no-align --tuples-only --command "SELECT '
    "count(*), count(*) FILTER (WHERE predicted_at > (SELECT max(predicted_at) FROM predictions) "
    "- interval '1 day') FROM predictions\""
)
# Images that only one droplet had: built here, and brought there by a release.
_LOCAL = re.compile(r"127\.0\.0\.1:|sha256:|[^/]+$")


@dataclass(frozen=True)
class Start:
    """How a new droplet starts: what RESTORE says, the folder of dumps, and its database."""

    restore: str
    folder: Path
    is_managed: bool = False

    @property
    def by_name(self) -> bool:
        """Whether RESTORE names a dump."""
        return self.restore not in ("", "newest", "none")


@dataclass(frozen=True)
class Source:
    """A backup to begin with: a dump that is here, or, without a file, the newest offsite one."""

    at: datetime | None
    shown: str
    file: Path | None = None
    image: str = ""
    commit: str = ""

    def __str__(self) -> str:
        if self.at is None:
            return self.shown
        age = dumps.age_text(datetime.now(UTC) - self.at)
        return f"{self.shown}, of {self.at:%F %H:%M} UTC, {age} old"


def need_an_answer(start: Start) -> None:
    """Check, before a new droplet is made, that it is known what it starts with. Raises Failed."""
    if start.by_name:
        dumps.readable(start.folder, start.restore)
    here = dumps.newest(start.folder)
    if here and not start.restore and not terminal.is_interactive():
        newest = Source(here.made, here.shown)
        raise Failed(
            f"A new droplet is to be made, and there is a backup: {newest}. "
            "There is no terminal to ask whether it starts with that. Nothing was changed.",
            "Run the same command with RESTORE=newest, or with RESTORE=none",
        )


def restore(start: Start, host: Host) -> Source | None:
    """Give a droplet that has never had a release what the one before had. Raises Failed.

    Returns the newest backup that names an image, the one that was in service; None if there is
    none.
    """
    if digits_command.live(host):
        if start.restore:
            terminal.line(
                "RESTORE is for a new droplet, and this one is in service: nothing was restored. "
                f"For that: {make('restore FILE=...')}"
            )
        return None
    if start.restore == "none":
        return None
    if held := _held(start, host):
        terminal.line(f"The managed database holds {held} answers, so nothing has to be restored.")
        return None
    sources = [] if start.by_name else _sources(start.folder, host)
    chosen = _chosen(start, sources)
    if chosen is None:
        return None
    terminal.phase("Restore the predictions of the droplet before")
    others = [] if start.restore not in ("", "newest") else sources
    _restore(start, host, [chosen, *(source for source in others if source != chosen)])
    return next((source for source in sources if source.image), None)


def image_in_service(source: Source, host: Host, *, has_login: bool) -> Image | None:
    """The image that was in service, if it can be pulled."""
    if _LOCAL.match(source.image):
        return None
    terminal.line(f"The image in service was {source.image}, commit {source.commit}.")
    # With a login, the release pulls it; without, it has to be public.
    pull = f"docker pull --quiet {shlex.quote(source.image)} >/dev/null"
    if not has_login and host.run(pull).status != 0:
        terminal.line("It cannot be pulled, so what is here is built and released instead.")
        return None
    return Image(source.image, source.commit)


def _held(start: Start, host: Host) -> int:
    """How many answers the managed database holds already."""
    if not start.is_managed:
        return 0
    return int(digits_command.ask(host, "restore", "--held").get("held", 0))


def _sources(folder: Path, host: Host) -> list[Source]:
    """What there is, the newest first."""
    found = []
    try:
        listed = digits_command.ask(host, "offsite", "list").get("backups", [])
    except AlreadyPrinted:
        # A droplet that began empty because its repository did not answer would be a loss.
        raise Failed(
            "The repository of offsite backups does not answer; why is above. Nothing was "
            "restored, and nothing is live yet.",
            "Fix it, then run the same command again. Or begin without it: the same command with "
            "RESTORE=backups/... or RESTORE=none",
        ) from None
    for newest in listed[:1]:
        at = datetime.strptime(newest["when"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        shown = f"the newest offsite backup ({_counted(newest['answers'])})"
        found.append(Source(at, shown, image=newest["image"], commit=newest["commit"]))
    image, commit = dumps.release_before(folder)
    found += [
        Source(dump.made, dump.shown, dump.file, image, commit) for dump in dumps.all_in(folder)
    ]
    return sorted(found, key=lambda source: source.at or datetime.now(UTC), reverse=True)


def _chosen(start: Start, sources: list[Source]) -> Source | None:
    """The one to restore; None for none. Raises Failed."""
    answer = start.restore
    if not sources and answer in ("", "newest"):
        if answer:
            raise Failed(
                "There is no backup to start with, neither offsite nor in "
                f"{os.path.relpath(start.folder)}. Nothing is in service yet.",
                "If it may start with nothing: the same command with RESTORE=none",
            )
        return None
    if not answer:
        terminal.line(f"This droplet is new. The newest backup: {sources[0]}.")
        for source in sources[1:2]:
            terminal.line(f"The one before that: {source}.")
        given = terminal.ask("Start with it? Type newest, none, or the name of a dump: ")
        if given is None:
            raise Failed(
                "There is no terminal to ask whether the droplet starts with that. It is set up, "
                "and nothing is in service yet.",
                "Run the same command with RESTORE=newest, or with RESTORE=none",
            )
        answer = given
    if answer == "none":
        return None
    if answer == "newest":
        return sources[0]
    file = dumps.readable(start.folder, answer)
    dump = dumps.named(file)
    return Source(dump.made if dump else None, answer, file)


def _restore(start: Start, host: Host, sources: list[Source]) -> None:
    """Restore the first of these that can be restored. Raises Failed."""
    for source in sources:
        terminal.line(f"Restoring {source}")
        if source.file is None:
            status = host.run(digits_command.line("offsite", "restore")).status
        else:
            with source.file.open("rb") as content:
                status = host.run(digits_command.line("restore"), stdin=content).status
        if status == 0:
            _print_what_came_back(start, host, source)
            return
        terminal.line("That one could not be restored; why is above.")
    raise Failed(
        "No backup could be restored; the reasons are above. The droplet is set up, and nothing "
        "is in service yet.",
        "Name a good one: the same command with RESTORE=backups/... Or start with nothing: "
        "RESTORE=none",
    )


def _print_what_came_back(start: Start, host: Host, source: Source) -> None:
    counted = re.fullmatch(r"(\d+)\|(\d+)", host.must(_COUNT).strip())
    count, last_day = map(int, counted.groups() if counted else (0, 0))
    lost = "Predictions after that backup are not in it"
    if source.at:
        age = datetime.now(UTC) - source.at
        pace = round(last_day * age.total_seconds() / 86400)
        lost = (
            f"Predictions after {source.at:%F %H:%M} UTC, {dumps.age_text(age)} ago, "
            f"are not in it: about {_counted(pace)} at the pace of the last day"
        )
    terminal.done(f"{_counted(count)} restored. {lost}.")
    # Each clone keeps its own dumps, so this one's need not be the newest.
    terminal.line(
        f"If another clone or laptop manages {start.folder.name}, too, see whether its "
        f"backups are newer. To put one back: {make('restore FILE=...')}"
    )


def _counted(number: int | str) -> str:
    return f"{number} answer{'' if str(number) == '1' else 's'}"
