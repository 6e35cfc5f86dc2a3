"""make backup: bring a dated dump of the database to backups/ on this machine."""

from __future__ import annotations

from ops import backups, deployment
from ops.errors import SaidAlready
from ops.settings import Settings
from ops.ssh import Droplet


def run(settings: Settings, _arguments: list[str]) -> None:
    """Make one. Raises Failed, also where there is nothing to back up yet."""
    if backups.fetch(settings, Droplet(settings, deployment.address(settings))) is None:
        raise SaidAlready
