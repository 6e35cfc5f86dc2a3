"""The process of the local DigitalOcean: it outlives the verb that started it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from ops.errors import Failed
from ops.settings import ROOT

from . import places

_SECONDS_TO_START = 30
_SECONDS_TO_STOP = 20


def url() -> str | None:
    """Where it answers; None if it does not."""
    if not places.API_URL.exists():
        return None
    there = places.API_URL.read_text().strip()
    request = urllib.request.Request(  # noqa: S310 - an address of this machine
        f"{there}/v2/account",
        headers={"Authorization": f"Bearer {places.TOKEN.read_text().strip()}"},
    )
    # A proxy has no business between two programs of one machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(request, timeout=5).close()
    except OSError:
        return None
    return there


def start() -> str:
    """Start it, on a free port; its address. Raises Failed."""
    stop()  # one that was started and then not waited for
    command = [sys.executable, "-m", "rehearsal.api"]
    command += ["--state-dir", str(places.API_STATE), "--token-file", str(places.TOKEN)]
    with places.API_LOG.open("w") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    places.API_PID.write_text(f"{process.pid}\n")
    deadline = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < deadline and process.poll() is None:
        if ready := re.search(r"ready: (\S+)", places.API_LOG.read_text()):
            places.API_URL.write_text(f"{ready[1]}\n")
            return ready[1]
        time.sleep(0.1)
    raise Failed(
        "The local DigitalOcean did not start. What it said:",
        places.API_LOG.read_text().strip(),
        "Clear away what is left and try again: scripts/in rehearsal -m rehearsal down",
    )


def stop() -> None:
    """End it, if it runs: it finishes what is under way."""
    pid = _pid()
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _SECONDS_TO_STOP
    while _pid() and time.monotonic() < deadline:
        time.sleep(0.1)


def _pid() -> int | None:
    """The number of its process; None if that is gone, or the number is another's now."""
    try:
        pid = int(places.API_PID.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"rehearsal.api" in command else None
