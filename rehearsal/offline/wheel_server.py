"""Serves the wheel folders of this machine's pip to builds in containers.

A folder can't be reached from a container, a page on Docker's bridge can, and nothing of it
ends up in an image.
"""

from __future__ import annotations

import time
from pathlib import Path

from ops.console.errors import Failed
from ops.console.programs import output_of
from rehearsal.commands import output

from .machine import docker_gateway

# One page of links, which is what pip's find-links asks for.
_SERVE = """
mkdir /tmp/page
ln -s /folders/*/*.whl /tmp/page
exec python3 -m http.server --directory /tmp/page 8000
"""
_TRIES = 100


def start(name: str, label: str, image: str, folders: list[Path]) -> str:
    """Serve them, in a container of this name, until `stop`; the address. Raises Failed."""
    if address := _address(name):
        return address
    stop(name)
    mounts = [
        f"type=bind,readonly,source={folder},target=/folders/{number}"
        for number, folder in enumerate(folders)
    ]
    output(
        "docker", "run", "--detach", "--init", "--name", name, "--label", label,
        # Docker chooses the port. Only this machine's containers reach the bridge's address.
        "--publish", f"{docker_gateway()}::8000", "--read-only", "--tmpfs", "/tmp",  # noqa: S108
        "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65534:65534",
        *(word for mount in mounts for word in ("--mount", mount)),
        image, "sh", "-euc", _SERVE,
    )  # fmt: skip
    for _ in range(_TRIES):
        if address := _address(name):
            return address
        time.sleep(0.1)
    raise Failed(
        "The wheel folders of this machine's pip could not be served to the build.",
        f"What the server printed: {output('docker', 'logs', name)}",
        "Fix it, then run the same command again.",
    )


def stop(name: str) -> None:
    """End it, if it serves."""
    output_of("docker", "rm", "--force", "--volumes", name)


def _address(name: str) -> str | None:
    """Where the container of this name serves; None if it does not run."""
    return output_of("docker", "port", name, "8000")
