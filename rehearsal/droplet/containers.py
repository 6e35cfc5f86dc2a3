"""The containers of a rehearsal: droplets, load balancers and managed databases."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from rehearsal.offline.base_images import ENGINES

from . import firewall
from .docker import DropletError, docker, put, run
from .network import Network


class Containers:
    """Those of one project, with a label; each has an address of its own on their network."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.label = f"digits.rehearsal={project}"
        self.network = Network(project, self.label)
        # An address is free until the container that it is for is made.
        self.addresses = threading.Lock()

    def name(self, kind: str, key: str) -> str:
        """The name of an engine's container."""
        return f"{self.project}-{kind}-{key[:8]}"

    def exists(self, name: str) -> bool:
        return run("inspect", name).returncode == 0

    def running(self, name: str) -> bool:
        return docker("inspect", "--format", "{{.State.Running}}", name) == "true"

    def create(self, name: str, image: str, *options: str, command: Sequence[str] = ()) -> None:
        """Make it, not started yet; `addresses` is held meanwhile. Raises DropletError."""
        if not docker("images", "--quiet", image):
            raise DropletError(
                f"The image {image} is not on this machine. Make it: "
                f"scripts/in rehearsal -m rehearsal.offline images {image}"
            )
        # The console must not fill the disk. A reboot from inside ends process 1; it comes back.
        docker(
            "create", "--name", name, "--label", self.label, "--restart", "unless-stopped",
            "--network", self.project, "--log-opt", "max-size=1m", *options, image, *command,
        )  # fmt: skip

    def create_engine(self, name: str, *options: str, command: Sequence[str]) -> None:
        """Make the container of a load balancer or a database. Raises DropletError."""
        with self.addresses:
            ip = ("--ip", self.network.free_engine())
            self.create(name, ENGINES, *ip, *options, command=command)

    def guard(self, name: str, inbound_rules: list[dict[str, Any]] | None) -> None:
        """Let in only what DigitalOcean's inbound rules name, now and from the next start on."""
        rules = firewall.ruleset(inbound_rules)
        put(name, {firewall.PATH: rules})
        if self.running(name):
            docker("exec", "--interactive", name, "nft", "-f", "-", stdin=rules.encode())

    def address(self, name: str) -> str:
        """Its address on their network."""
        where = f'{{{{(index .NetworkSettings.Networks "{self.project}").IPAddress}}}}'
        return docker("inspect", "--format", where, name)

    def move(self, name: str, *aliases: str) -> str:
        """Give it another address, under the same names; the address."""
        with self.addresses:
            address = self.network.free_engine(but=self.address(name))
            docker("network", "disconnect", self.project, name)
            named = [word for alias in aliases for word in ("--alias", alias)]
            docker("network", "connect", "--ip", address, *named, self.project, name)
        return address

    def remove(self, *names: str) -> None:
        """Remove them with all that is in them; those that are not there are no error."""
        for name in names:
            answer = run("rm", "--force", "--volumes", name)
            message = answer.stderr.decode(errors="replace")
            if answer.returncode and "No such container" not in message:
                raise DropletError(f"{name} could not be removed: {message}")
