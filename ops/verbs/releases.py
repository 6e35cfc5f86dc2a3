"""make releases: the list of releases; * is the one that serves."""

from __future__ import annotations

from ops.backup import local_backup
from ops.console.settings import Settings
from ops.deployment import fleet
from ops.ssh import digits_command


def run(settings: Settings, _arguments: list[str]) -> None:
    """Ask the droplet. Raises Failed."""
    there = fleet.members(settings)
    fleet.each(there, lambda one: digits_command.show(one.droplet, "releases"))
    local_backup.bring_newest(settings, fleet.asked_once(there))
