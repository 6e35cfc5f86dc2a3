"""Containers of the engines: what they are called, made from, and where they stand."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from rehearsal.droplet.docker import DropletError, docker, run
from rehearsal.droplet.network import Network
from rehearsal.offline.base_images import ENGINES as IMAGE

if TYPE_CHECKING:
    from collections.abc import Sequence


class Containers:
    """Those of one project; each has an address of its own on the droplets' network."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.label = f"digits.rehearsal={project}"
        self.network = Network(project, self.label)
        # An address is free until the container that it is for is made.
        self._addresses = threading.Lock()

    def name(self, kind: str, key: str) -> str:
        """The container's name."""
        return f"{self.project}-{kind}-{key[:8]}"

    def exists(self, name: str) -> bool:
        """Whether there is one of this name."""
        return run("inspect", name).returncode == 0

    def running(self, name: str) -> bool:
        """Whether it runs."""
        return docker("inspect", "--format", "{{.State.Running}}", name) == "true"

    def create(self, name: str, *options: str, command: Sequence[str]) -> None:
        """Make it, not started yet. Raises DropletError."""
        if not docker("images", "--quiet", IMAGE):
            raise DropletError(
                f"The image {IMAGE} is not on this machine, so no load balancer and no managed "
                f"database can be made. Make it: scripts/in rehearsal -m rehearsal.offline images "
                f"{IMAGE}"
            )
        with self._addresses:
            docker(
                "create", "--name", name, "--label", self.label, "--restart", "unless-stopped",
                "--network", self.project, "--ip", self.network.free_engine(),
                "--log-opt", "max-size=1m", *options, IMAGE, *command,
            )  # fmt: skip

    def address(self, name: str) -> str:
        """Its address on the droplets' network."""
        where = f'{{{{(index .NetworkSettings.Networks "{self.project}").IPAddress}}}}'
        return docker("inspect", "--format", where, name)

    def move(self, name: str, *aliases: str) -> str:
        """Give it another address, under the same names; the address."""
        with self._addresses:
            address = self.network.free_engine(but=self.address(name))
            docker("network", "disconnect", self.project, name)
            named = [word for alias in aliases for word in ("--alias", alias)]
            docker("network", "connect", "--ip", address, *named, self.project, name)
        return address
