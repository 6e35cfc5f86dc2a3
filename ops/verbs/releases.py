"""make releases: the list of releases; * is the one that serves."""

from __future__ import annotations

from ops import backups, deployment
from ops.settings import Settings
from ops.ssh import Droplet


def run(settings: Settings, _arguments: list[str]) -> None:
    """Ask the droplet. Raises Failed."""
    droplet = Droplet(settings, deployment.address(settings))
    droplet.show("digits-releases")
    backups.bring_newest(settings, droplet)
