"""Run a verb of the Makefile against the local DigitalOcean: the tools know no difference."""

from __future__ import annotations

import os
import signal
import subprocess

from ops.console.errors import AlreadyPrinted
from ops.console.settings import ROOT, Settings
from rehearsal import places
from rehearsal.offline import base_images, docker_hub

from .down import down
from .settings import environment, refuse_what_leads_outside
from .up import up


def run(verb: str, arguments: list[str]) -> int:
    """Start the rehearsal if it does not stand, and run the verb; its exit status.

    Raises Failed. After a `destroy` that succeeded the rehearsal is over.
    """
    refuse_what_leads_outside()
    up()
    if subprocess.run([ROOT / "scripts/venv", "ops"], check=False).returncode != 0:
        raise AlreadyPrinted
    if verb == "upgrade-database":
        _offer_postgres()
    command = [str(ROOT / ".venv/ops/bin/python"), "-m", "ops", verb, *arguments]
    os.chdir(ROOT)
    if verb != "destroy":
        os.execve(command[0], command, environment())  # noqa: S606 - no shell on purpose
    # Ctrl-C is for the verb, which takes back what it began; we wait for its end.
    signal.signal(signal.SIGINT, lambda *_: None)
    status = subprocess.run(command, env=environment(), check=False).returncode
    if status == 0:
        down()
    return status if status >= 0 else 128 - status


def _offer_postgres() -> None:
    """Have ready what the droplet is going to pull, where Docker Hub cannot be reached."""
    if Settings.read().upgrade.version == "18":
        docker_hub.offer(places.HUB, base_images.NEXT_POSTGRES)
