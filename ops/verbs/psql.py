"""make psql: the database's own prompt, on the droplet."""

from __future__ import annotations

import sys

from ops.backup import local_backup
from ops.console.settings import Settings
from ops.deployment import lookup


def run(settings: Settings, _arguments: list[str]) -> None:
    """Open it; without a terminal, it reads what comes in. Raises Failed."""
    on_terminal = sys.stdin.isatty()
    command = f"docker exec -i{'t' if on_terminal else ''} digits-db-1 psql --username=digits"
    deployment = lookup.find(settings)
    host = deployment.host(deployment.chosen)
    local_backup.bring_newest(settings.backups, deployment.name, host)
    host.show(command, more=["-t"] if on_terminal else [])
