"""The process of the Spaces: started with the first bucket, it outlives the verb that wanted it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from urllib.parse import urlsplit

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import ROOT, Settings
from rehearsal import places
from rehearsal.background import Background
from rehearsal.droplet.network import Network

_SERVER = Background(
    "What stands in for Spaces", places.SPACES_LOG, places.SPACES_PID, places.SPACES_URL
)
_SECONDS_TO_START = 60


def start_if_wanted() -> None:
    """Start it if a bucket is asked for, or was before. Raises Failed."""
    if not (Settings.read().offsite.bucket or places.SPACES_URL.exists()):
        return
    if not _answers():
        _start()
    url = places.SPACES_URL.read_text().strip()
    terminal.line(f"Rehearsal: moto at {url} stands in for DigitalOcean's Spaces.")


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
            "Fix it, then run the same command again.",
        )
    # Where the droplets reach this machine: the first address of their network.
    address = Network(places.PROJECT, places.LABEL).host_address()
    command = [str(ROOT / ".venv/spaces/bin/python"), "-m", "rehearsal.spaces", address]
    _SERVER.start([*command, str(places.API_STATE / "state.json")], _SECONDS_TO_START)


def stop() -> None:
    """End it, if it runs."""
    if pid := _SERVER.number(b"rehearsal.spaces"):
        os.kill(pid, signal.SIGTERM)
