"""The rehearsal's own process, which outlives the verb that started it: the API and Spaces."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

from ops.console.errors import Failed
from ops.console.settings import ROOT
from rehearsal import places

LOG = places.STATE / "api.log"
_PID = places.STATE / "api.pid"
_MODULE = "rehearsal.api"
_SECONDS_TO_START = 60
_SECONDS_TO_STOP = 20


def url() -> str | None:
    """Where the API answers; None if it does not."""
    if _pid() is None or not places.API_URL.exists():
        return None
    there = places.API_URL.read_text().strip()
    address = urlsplit(there)
    try:
        socket.create_connection((address.hostname or "", address.port or 80), 5).close()
    except OSError:
        return None
    return there


def start() -> None:
    """Start it, and wait until the API is ready. Raises Failed."""
    stop()  # one that was started and then not waited for
    places.API_URL.unlink(missing_ok=True)
    with LOG.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, f"{places.STATE}/"], cwd=ROOT,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    _PID.write_text(f"{process.pid}\n")
    deadline = time.monotonic() + _SECONDS_TO_START
    while url() is None:
        if process.poll() is not None or time.monotonic() > deadline:
            raise Failed(
                "The local DigitalOcean did not start. What it printed:",
                LOG.read_text().strip(),
                "Clear away what is left and try again: scripts/in rehearsal -m rehearsal down",
            )
        time.sleep(0.1)


def stop() -> None:
    """End it, if it runs: it finishes what is under way."""
    deadline = time.monotonic() + _SECONDS_TO_STOP
    if pid := _pid():
        os.kill(pid, signal.SIGTERM)
    while _pid() and time.monotonic() < deadline:
        time.sleep(0.1)


def _pid() -> int | None:
    """The number of its process; None if that is gone, or the number is another's now."""
    try:
        pid = int(_PID.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except (OSError, ValueError):
        return None
    return pid if _MODULE in command else None
