"""make logs: what the containers write, as it comes (Ctrl-C ends it).

All droplets, each line with the droplet's name; DROPLET=name for one.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace

from ops.backup import local_backup
from ops.console.errors import AlreadyPrinted
from ops.console.settings import ROOT, Settings
from ops.deployment import lookup

_LINES_BEFORE = "100"


def run(settings: Settings, _arguments: list[str]) -> None:
    """Show them. Raises Failed."""
    deployment = lookup.find(settings)
    there = [one for one in deployment.reachable if not one.is_off]
    if len(there) > 1 and not settings.selected.droplet:
        _all_at_once(settings, [one.name for one in there])
        return
    words = ["docker", "compose", "logs"]
    words += ["--tail", _LINES_BEFORE, *settings.view.follow.split()]
    name = settings.selected.droplet
    named = f" 2>&1 | sed --unbuffered 's/^/{name} | /'" if len(there) > 1 else ""
    host = deployment.host(deployment.chosen)
    local_backup.bring_newest(settings.backups, deployment.name, host)
    host.show(f"cd /opt/digits && {shlex.join(words)}{named}")


def _all_at_once(settings: Settings, names: list[str]) -> None:
    """The same for each, side by side, until all have ended. Raises Failed if one failed."""
    running = [
        subprocess.Popen([sys.executable, "-m", "ops", "logs"], cwd=ROOT, env=_for(settings, name))
        for name in names
    ]
    try:
        statuses = [process.wait() for process in running]
    finally:
        # Ctrl-C reached them, too; whatever else ends this one ends them.
        for process in running:
            process.terminate()
            process.wait()
    if any(statuses):
        raise AlreadyPrinted


def _for(settings: Settings, name: str) -> dict[str, str]:
    """The environment of the same verb for the droplet of this name."""
    selected = replace(settings.selected, droplet=name)
    backups = replace(settings.backups, bring="no")
    return replace(settings, selected=selected, backups=backups).environment()
