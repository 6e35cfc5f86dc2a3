"""make backup: bring a dated dump of the database to backups/ on this machine."""

from __future__ import annotations

from ops.backup import local_backup
from ops.console.errors import SaidAlready
from ops.console.settings import Settings
from ops.deployment import lookup
from ops.ssh.connection import Droplet


def run(settings: Settings, _arguments: list[str]) -> None:
    """Make one. Raises Failed, also where there is nothing to back up yet."""
    if local_backup.fetch(settings, Droplet(settings, lookup.address(settings))) is None:
        raise SaidAlready
