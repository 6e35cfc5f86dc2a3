"""End the rehearsal: its droplets, network, API and state.

What it built (images, Python environments) stays, so that the next one starts fast.
"""

from __future__ import annotations

import shutil
import subprocess

from ops.console import terminal
from ops.release import registry
from ops.release.docker import need_engine
from rehearsal import places, services
from rehearsal.droplet.containers import Containers


def down() -> None:
    """Remove every trace. Raises Failed."""
    need_engine()
    _close_ssh()
    services.stop()
    registry.forget_volume()
    Containers(places.PROJECT).remove_all()
    shutil.rmtree(places.STATE, ignore_errors=True)
    terminal.done("The rehearsal is over: no container, network, volume or process of it is left.")


def _close_ssh() -> None:
    """End the connections that Ansible kept open for its next task."""
    for socket in places.SSH_SOCKETS.glob("*") if places.SSH_SOCKETS.is_dir() else ():
        if socket.is_socket():
            close = ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "droplet"]
            subprocess.run(close, capture_output=True, check=False)
