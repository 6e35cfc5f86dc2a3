"""make releases: the list of releases; * is the one that serves."""

from __future__ import annotations

from ops import backups, commands, fleet
from ops.settings import Settings


def run(settings: Settings, _arguments: list[str]) -> None:
    """Ask the droplet. Raises Failed."""
    there = fleet.members(settings)
    fleet.each(there, lambda one: commands.show(one.droplet, "releases"))
    backups.bring_newest(settings, fleet.asked_once(there))
