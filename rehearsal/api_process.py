"""The process of the local DigitalOcean: it outlives the verb that started it."""

from __future__ import annotations

import os
import signal
import sys
import time
import urllib.request

from . import places
from .background import Background

_SERVER = Background("The local DigitalOcean", places.API_LOG, places.API_PID, places.API_URL)
_MODULE = b"rehearsal.api"
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
    return _SERVER.start(command, _SECONDS_TO_START)


def stop() -> None:
    """End it, if it runs: it finishes what is under way."""
    pid = _SERVER.number(_MODULE)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _SECONDS_TO_STOP
    while _SERVER.number(_MODULE) and time.monotonic() < deadline:
        time.sleep(0.1)
