"""make logs: what the containers write, as it comes (Ctrl-C ends it); of several, DROPLET's."""

from __future__ import annotations

import shlex

from ops import backups, deployment
from ops.settings import Settings
from ops.ssh import Droplet


def run(settings: Settings, _arguments: list[str]) -> None:
    """Show them. Raises Failed."""
    words = ["docker", "compose", "--env-file", "release.env", "logs"]
    words += ["--tail", settings.lines_back, *settings.follow.split()]
    droplet = Droplet(settings, deployment.address(settings))
    backups.bring_newest(settings, droplet)
    droplet.show(f"cd /opt/digits && {shlex.join(words)}")
