"""End the rehearsal: its droplets, network, API and state.

What it built (images, Python environments) stays, so that the next one starts fast.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from ops import registry, say
from ops.docker import need_engine
from ops.programs import output_of
from rehearsal import places
from rehearsal.commands import output

_SECONDS_TO_STOP = 20


def down() -> None:
    """Remove every trace. Raises Failed."""
    need_engine()
    _close_ssh()
    _stop_api()
    registry.forget_volume()
    _remove_from_docker()
    shutil.rmtree(places.STATE, ignore_errors=True)
    say.done("The rehearsal is over: no container, network, volume or process of it is left.")


def _close_ssh() -> None:
    """End the connections that Ansible kept open for its next task."""
    for socket in places.SSH_SOCKETS.glob("*") if places.SSH_SOCKETS.is_dir() else ():
        if socket.is_socket():
            close = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "droplet"]
            subprocess.run(close, capture_output=True, check=False)


def _stop_api() -> None:
    pid = _api_process()
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _SECONDS_TO_STOP
    while _api_process() and time.monotonic() < deadline:
        time.sleep(0.1)


def _api_process() -> int | None:
    """The number of the API's process; None if it is gone, or the number is another's now."""
    try:
        pid = int(places.API_PID.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if b"rehearsal.api" in command else None


def _remove_from_docker() -> None:
    """Everything that carries the rehearsal's label."""
    ours = ("--quiet", "--filter", f"label={places.LABEL}")
    if containers := output("docker", "ps", "--all", *ours).split():
        output("docker", "rm", "--force", "--volumes", *containers)
    for kind in ("network", "volume"):
        for name in (output_of("docker", kind, "ls", *ours) or "").split():
            output("docker", kind, "rm", name)
