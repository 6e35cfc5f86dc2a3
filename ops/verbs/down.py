"""make down: stop the two containers. The volume with the answers stays."""

from __future__ import annotations

import subprocess

from ops.console import terminal
from ops.console.errors import AlreadyPrinted
from ops.console.settings import Settings
from ops.release import docker


def run(_settings: Settings, _arguments: list[str]) -> None:
    """Stop them. Raises Failed."""
    docker.need_engine()
    docker.need_compose()
    if subprocess.run([*docker.COMPOSE, "down"], check=False).returncode != 0:
        raise AlreadyPrinted
    terminal.done(
        "Stopped. The answers are kept in the volume digits_postgres; make up shows them to the "
        "app again."
    )
