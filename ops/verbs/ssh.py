"""make ssh: a shell on the droplet; `python -m ops ssh COMMAND` runs one there."""

from __future__ import annotations

from ops import backups, deployment
from ops.settings import Settings
from ops.ssh import Droplet


def run(settings: Settings, arguments: list[str]) -> None:
    """Let the person in. Raises Failed, also if the last command there failed."""
    droplet = Droplet(settings, deployment.address(settings))
    backups.bring_newest(settings, droplet)
    droplet.show(" ".join(arguments))
