"""make backup: bring a dated dump of the database to backups/ on this machine."""

from __future__ import annotations

from ops.backup import dumps, local_backup
from ops.console.errors import AlreadyPrinted
from ops.console.settings import Settings
from ops.deployment import lookup


def run(settings: Settings, _arguments: list[str]) -> None:
    """Make one. Raises Failed, also where there is nothing to back up yet."""
    deployment = lookup.find(settings)
    folder = dumps.folder_of(settings.backups, deployment.name)
    if local_backup.fetch(folder, deployment.host(deployment.chosen)) is None:
        raise AlreadyPrinted
