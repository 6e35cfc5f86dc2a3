"""make ssh: a shell on the droplet; `python -m ops ssh COMMAND` runs one there.

Of several droplets, DROPLET says which; else it is the first.
"""

from __future__ import annotations

from ops.backup import local_backup
from ops.console.settings import Settings
from ops.deployment import fleet, lookup


def run(settings: Settings, arguments: list[str]) -> None:
    """Let the person in. Raises Failed, also if the last command there failed."""
    deployment = lookup.find(settings)
    host = fleet.chosen(deployment)
    local_backup.bring_newest(settings.backups, deployment.name, host)
    host.show(" ".join(arguments))
