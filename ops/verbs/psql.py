"""make psql: the database's own prompt, on the droplet."""

from __future__ import annotations

import sys

from ops.backup import local_backup
from ops.console.settings import Settings
from ops.deployment import lookup
from ops.ssh.connection import Droplet


def run(settings: Settings, _arguments: list[str]) -> None:
    """Open it; without a terminal, it reads what comes in. Raises Failed."""
    terminal = sys.stdin.isatty()
    command = f"docker exec -i{'t' if terminal else ''} digits-db-1 psql --username=digits"
    droplet = Droplet(settings, lookup.address(settings))
    local_backup.bring_newest(settings, droplet)
    droplet.show(command, more=["-t"] if terminal else [])
