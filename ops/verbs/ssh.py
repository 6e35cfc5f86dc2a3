"""make ssh: a shell on the droplet; `python -m ops ssh COMMAND` runs one there."""

from __future__ import annotations

from ops import deployment
from ops.settings import Settings
from ops.ssh import Droplet


def run(settings: Settings, arguments: list[str]) -> None:
    """Let the person in. Raises Failed, also if the last command there failed."""
    Droplet(settings, deployment.address(settings)).show(" ".join(arguments))
