"""make logs: what the containers write, as it comes (Ctrl-C ends it).

Of several droplets all, with the droplet's name before each line, or DROPLET's alone.
"""

from __future__ import annotations

import shlex
import subprocess
import sys

from ops.backup import local_backup
from ops.console.errors import SaidAlready
from ops.console.settings import ROOT, Settings
from ops.deployment import fleet, lookup
from ops.ssh.connection import Droplet


def run(settings: Settings, _arguments: list[str]) -> None:
    """Show them. Raises Failed."""
    there = [one for one in fleet.members(settings) if not one.is_off]
    if len(there) > 1 and not settings.droplet:
        _all_at_once(settings, [one.name for one in there])
        return
    words = ["docker", "compose", "logs"]
    words += ["--tail", settings.lines_back, *settings.follow.split()]
    named = f" 2>&1 | sed --unbuffered 's/^/{settings.droplet} | /'" if len(there) > 1 else ""
    droplet = Droplet(settings, lookup.address(settings))
    local_backup.bring_newest(settings, droplet)
    droplet.show(f"cd /opt/digits && {shlex.join(words)}{named}")


def _all_at_once(settings: Settings, names: list[str]) -> None:
    """The same for each, side by side, until all have ended. Raises SaidAlready if one failed."""
    told = [settings.but(droplet=name, bring_backup="no").environment() for name in names]
    running = [
        subprocess.Popen([sys.executable, "-m", "ops", "logs"], cwd=ROOT, env=env) for env in told
    ]
    try:
        statuses = [process.wait() for process in running]
    finally:
        # Ctrl-C reached them, too; whatever else ends this one ends them.
        for process in running:
            process.terminate()
            process.wait()
    if any(statuses):
        raise SaidAlready
