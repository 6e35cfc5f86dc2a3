"""The process of the Spaces: started with the first bucket, it outlives the verb that wanted it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

from ops import say
from ops.errors import Failed
from ops.settings import ROOT, Settings
from rehearsal import places
from rehearsal.droplet.network import Network

_SECONDS_TO_START = 60


def start_if_wanted() -> None:
    """Start it if a bucket is asked for, or was before. Raises Failed."""
    if not (Settings.read().backup_bucket or places.SPACES_URL.exists()):
        return
    if not _answers():
        _start()
    url = places.SPACES_URL.read_text().strip()
    say.line(f"Rehearsal: moto at {url} stands in for DigitalOcean's Spaces.")


def _answers() -> bool:
    if not places.SPACES_URL.exists():
        return False
    there = urlsplit(places.SPACES_URL.read_text().strip())
    try:
        socket.create_connection((there.hostname or "", there.port or 80), timeout=5).close()
    except OSError:
        return False
    return True


def _start() -> None:
    stop()
    if subprocess.run([ROOT / "scripts/venv", "spaces"], check=False).returncode != 0:
        raise Failed(
            "What stands in for Spaces has no Python environment; why is above.",
            "Mend it, then run the same command again.",
        )
    # Where the droplets reach this machine: the first address of their network.
    address = Network(places.PROJECT, places.LABEL).host_address()
    command = [str(ROOT / ".venv/spaces/bin/python"), "-m", "rehearsal.spaces", address]
    with places.SPACES_LOG.open("w") as log:
        process = subprocess.Popen(
            [*command, str(places.API_STATE / "state.json")],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    places.SPACES_PID.write_text(f"{process.pid}\n")
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        if ready := re.search(r"ready: (\S+)", places.SPACES_LOG.read_text()):
            places.SPACES_URL.write_text(f"{ready[1]}\n")
            return
        time.sleep(0.1)
    raise Failed(
        "What stands in for Spaces did not start. What it said:",
        places.SPACES_LOG.read_text().strip(),
        "Clear away what is left and try again: scripts/in rehearsal -m rehearsal down",
    )


def stop() -> None:
    """End it, if it runs."""
    try:
        pid = int(places.SPACES_PID.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if b"rehearsal.spaces" in command:
        os.kill(pid, signal.SIGTERM)
