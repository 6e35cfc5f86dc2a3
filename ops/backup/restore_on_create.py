"""What a new droplet begins with: the answers of the one before, and the image that served there.

A droplet that has served nobody yet takes the newest backup outside it: an offsite one
(roles/copies), or a dump of backups/. Nothing is lost by that, since nothing is there.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ops.backup import dumps
from ops.cloud import prices
from ops.console import terminal
from ops.console.errors import Failed, SaidAlready
from ops.console.settings import Settings
from ops.deployment import lookup
from ops.ssh import digits_command
from ops.ssh.connection import Droplet

# The answers, and how many of them came in the last day that has any.
_COUNT = (
    'docker exec digits-db-1 psql --username=digits --no-align --tuples-only --command "SELECT '
    "count(*), count(*) FILTER (WHERE predicted_at > (SELECT max(predicted_at) FROM predictions) "
    "- interval '1 day') FROM predictions\""
)
# Images that only one droplet had: built here, and brought there by a release.
_LOCAL = re.compile(r"127\.0\.0\.1:|sha256:|[^/]+$")


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
        age = dumps.in_words(datetime.now(UTC) - self.at)
        return f"{self.shown}, of {self.at:%F %H:%M} UTC, {age} old"


def need_an_answer(settings: Settings) -> None:
    """See, before a new droplet is made, that it is known what it begins with. Raises Failed."""
    if settings.restore not in ("", "newest", "none"):
        dumps.readable(settings, settings.restore)
    here = dumps.newest(settings)
    if here and not settings.restore and not terminal.somebody_is_there():
        raise Failed(
            f"A new droplet is to be made, and there is a copy of what was logged: {_here(here)}. "
            "Nobody is there to be asked whether it begins with that. Nothing was changed.",
            "Say it: the same command with RESTORE=newest, or with RESTORE=none",
        )


def bring_back(settings: Settings, droplet: Droplet) -> Settings:
    """Give a droplet that has served nobody yet what the one before had. Raises Failed.

    Returns the settings for its first release: with the image that served, if it is to be had.
    """
    if digits_command.live(droplet):
        if settings.restore:
            terminal.line(
                "RESTORE is for a new droplet, and this one serves: nothing was restored. "
                f"For that: {settings.verb('restore FILE=...')}"
            )
        return settings
    if settings.restore == "none":
        return settings
    if held := _held(settings, droplet):
        terminal.line(f"The managed database holds {held} answers, so nothing has to be restored.")
        return settings
    by_name = settings.restore not in ("", "newest")
    sources = [] if by_name else _sources(settings, droplet)
    chosen = _chosen(settings, sources)
    if chosen is None:
        return settings
    terminal.phase("What the droplet before had logged")
    _restore(settings, droplet, chosen, sources)
    image = next((source for source in sources if source.image), None)
    return _with_image(settings, droplet, image) if image else settings


def _held(settings: Settings, droplet: Droplet) -> int:
    """How many answers the managed database holds already."""
    if not prices.is_managed(settings):
        return 0
    return int(digits_command.ask(droplet, "restore", "--held").get("held", 0))


def _here(dump: dumps.Dump) -> str:
    return str(Source(dump.made, dump.shown))


def _sources(settings: Settings, droplet: Droplet) -> list[Source]:
    """What there is, the newest first."""
    found = []
    try:
        listed = digits_command.ask(droplet, "offsite", "list").get("backups", [])
    except SaidAlready:
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
    image, commit = dumps.what_served(settings)
    found += [
        Source(dump.made, dump.shown, dump.file, image, commit) for dump in dumps.dumps(settings)
    ]
    return sorted(found, key=lambda source: source.at or datetime.now(UTC), reverse=True)


def _chosen(settings: Settings, sources: list[Source]) -> Source | None:
    """The one to restore; None for none. Raises Failed."""
    answer = settings.restore
    if not sources and answer in ("", "newest"):
        if answer:
            raise Failed(
                "There is no copy to begin with, neither in a repository nor in "
                f"{os.path.relpath(dumps.folder(settings))}. Nothing serves yet.",
                "If it may begin with nothing: the same command with RESTORE=none",
            )
        return None
    if not answer:
        terminal.line(f"This droplet is new. The newest copy outside it: {sources[0]}.")
        for source in sources[1:2]:
            terminal.line(f"The one before that: {source}.")
        given = terminal.ask("Begin with it? Type newest, none, or the name of a dump: ")
        if given is None:
            raise Failed(
                "Nobody is there to be asked whether the droplet begins with that. It is set up, "
                "and nothing serves yet.",
                "Say it: the same command with RESTORE=newest, or with RESTORE=none",
            )
        answer = given
    if answer == "none":
        return None
    if answer == "newest":
        return sources[0]
    file = dumps.readable(settings, answer)
    dump = dumps.named(file)
    return Source(dump.made if dump else None, answer, file)


def _restore(settings: Settings, droplet: Droplet, chosen: Source, sources: list[Source]) -> None:
    """Put it back, or, if it cannot be, the newest one before it that can. Raises Failed."""
    asked_for_one = settings.restore not in ("", "newest")
    others = [] if asked_for_one else [source for source in sources if source != chosen]
    for source in (chosen, *others):
        terminal.line(f"Restoring {source}")
        if source.file is None:
            status = droplet.run(digits_command.line("offsite", "restore")).status
        else:
            with source.file.open("rb") as content:
                status = droplet.run(digits_command.line("restore"), stdin=content).status
        if status == 0:
            _say_what_came_back(settings, droplet, source)
            return
        terminal.line("That one could not be restored; why is above.")
    raise Failed(
        "No copy could be restored; the reasons are above. The droplet is set up, and nothing "
        "serves yet.",
        "Name a good one: the same command with RESTORE=backups/... Or begin with nothing: "
        "RESTORE=none",
    )


def _say_what_came_back(settings: Settings, droplet: Droplet, source: Source) -> None:
    counted = re.fullmatch(r"(\d+)\|(\d+)", droplet.must(_COUNT).strip())
    count, last_day = map(int, counted.groups() if counted else (0, 0))
    lost = "What was logged after that copy was made is not in it"
    if source.at:
        age = datetime.now(UTC) - source.at
        pace = round(last_day * age.total_seconds() / 86400)
        lost = (
            f"What was logged after {source.at:%F %H:%M} UTC, {dumps.in_words(age)} ago, "
            f"is not in it: about {_counted(pace)} at the pace of the last day"
        )
    terminal.done(f"{_counted(count)} came back. {lost}.")
    # A dump comes to whatever clone asks, so this one's need not be the newest.
    terminal.line(
        f"If another clone or laptop looks after {lookup.name(settings)}, too, see whether its "
        f"backups are newer. To put one back: {settings.verb('restore FILE=...')}"
    )


def _counted(number: int | str) -> str:
    return f"{number} answer{'' if str(number) == '1' else 's'}"


def _with_image(settings: Settings, droplet: Droplet, source: Source) -> Settings:
    """The settings with the image that served, if nothing else is wanted and it can be had."""
    if settings.image or _LOCAL.match(source.image):
        return settings
    terminal.line(f"The image that served was {source.image}, commit {source.commit}.")
    # With a login, the release pulls it; without, it has to be public.
    public = settings.registry_user or (
        droplet.run(f"docker pull --quiet {shlex.quote(source.image)} >/dev/null").status == 0
    )
    if not public:
        terminal.line("It cannot be pulled, so what is here is built and released instead.")
        return settings
    return settings.but(image=source.image, commit=source.commit)
