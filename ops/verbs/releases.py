"""make releases: the list of releases; * is the one in service."""

from __future__ import annotations

from ops.backup import local_backup
from ops.console.settings import Settings
from ops.deployment import fleet, lookup
from ops.ssh import digits_command


def run(settings: Settings, _arguments: list[str]) -> None:
    """Ask the droplet. Raises Failed."""
    deployment = lookup.find(settings)
    fleet.each(deployment, lambda host: digits_command.show(host, "releases"))
    host = deployment.host(deployment.first_on)
    local_backup.bring_newest(settings.backups, deployment.name, host)
