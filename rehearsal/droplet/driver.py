"""Droplets as containers: what the rehearsal's API calls when one is made, changed or removed."""

from __future__ import annotations

import json
from typing import Any

from ops.console.errors import Failed
from rehearsal.api.machines import Addresses
from rehearsal.offline import docker_hub

from .containers import Containers
from .docker import DropletError, docker, put, run
from .network import HUB_ADDRESS

IMAGES = {"debian-13-x64": "digits-rehearsal-droplet:debian-13-x64"}

# What makes a container behave as a server does.
LIKE_A_SERVER = (
    # All of a real server's capabilities but one, which not every host has to give. --privileged
    # asks for that one too and fails where it is missing.
    *("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
    *("--security-opt", "seccomp=unconfined"),
    *("--security-opt", "apparmor=unconfined"),
    *("--security-opt", "systempaths=unconfined"),
    *("--cgroupns", "private", "--tmpfs", "/run", "--tmpfs", "/run/lock"),
)

# Where the droplet keeps what gives it its reserved IP, to be run before systemd starts.
RESERVED_IP = "/etc/digits-rehearsal/reserved-ip"
RESERVED_LABEL = "eth0:reserved"

# systemd gets this long to stop its services, as before a real power-off.
STOP_SECONDS = 30

SEED = "/var/lib/cloud/seed/nocloud"
# Beside the certificates that the droplet trusts anyway.
TRUSTED = "/etc/ssl/certs/rehearsal-docker-hub.pem"


class DockerDriver:
    """Makes droplets in Docker on this machine: containers with systemd, sshd and cloud-init.

    Everything it makes carries the label ``digits.rehearsal=<project>``.
    """

    def __init__(self, project: str = "digits-rehearsal", *, hub: bool = False) -> None:
        """With `hub`, droplets find a Docker Hub even where the real one is out of reach."""
        self._containers = Containers(project)
        self.label = self._containers.label
        self._hub = hub and docker_hub.is_needed()

    def _container(self, droplet_id: int) -> str:
        return f"{self._containers.project}-{droplet_id}"

    def create(self, droplet: dict[str, Any]) -> Addresses:
        """Start a droplet and return its addresses, as soon as it boots.

        As with a real one, "active" comes before sshd answers, and cloud-init ends later still.
        """
        if droplet["image"] not in IMAGES:
            raise DropletError(
                f"There is no rehearsal image for {droplet['image']!r}. "
                f"The rehearsal knows {', '.join(IMAGES)}; ask for that one."
            )
        droplet_id, container = droplet["id"], self._container(droplet["id"])
        with self._containers.addresses:
            ipv4, ipv6 = self._containers.network.free_addresses(droplet_id)
            hub = self._docker_hub()
            self._containers.create(
                container,
                IMAGES[droplet["image"]],
                *("--hostname", droplet["name"], "--ip", ipv4),
                *("--label", f"digits.rehearsal.droplet={droplet_id}"),
                *(["--ip6", ipv6] if ipv6 else []),
                *(["--add-host", f"{docker_hub.HOST}:{hub.address}"] if hub else []),
                *_limits(droplet["vcpus"], droplet["memory"]),
                *LIKE_A_SERVER,
            )
        try:
            put(container, _seed(droplet))
            if hub:
                put(container, {TRUSTED: hub.certificate}, mode=0o644)
            docker("start", container)
        except DropletError:
            self.destroy(droplet_id)
            raise
        return Addresses(public_ipv4=ipv4, private_ipv4=None, public_ipv6=ipv6)

    def destroy(self, droplet_id: int) -> None:
        self._containers.remove(self._container(droplet_id))

    def apply_firewall(self, droplet_id: int, inbound_rules: list[dict[str, Any]] | None) -> None:
        """The rules come before everything that runs in the droplet, Docker's published ports too.

        They hold from the first moment of every boot.
        """
        self._containers.guard(self._container(droplet_id), inbound_rules)

    def reserved_ip(self, taken: set[str]) -> str:
        return self._containers.network.free_reserved(taken)

    def answer_at(self, droplet_id: int, address: str | None) -> None:
        """DigitalOcean maps it to an address of the droplet's; here the droplet has it itself.

        What the droplet sends of itself goes on coming from its own address.
        """
        container = self._container(droplet_id)
        if not self._containers.exists(container):
            return
        take = f"address add {address}/32 dev eth0 label {RESERVED_LABEL}\n" if address else ""
        put(container, {RESERVED_IP: take})
        if not self._containers.running(container):
            return
        docker("exec", container, "ip", "address", "flush", "dev", "eth0", "label", RESERVED_LABEL)
        if address:
            docker("exec", container, "ip", "-batch", RESERVED_IP)
            # Whoever has just talked to another droplet there hears of it at once.
            run("exec", container, "arping", "-q", "-U", "-c", "1", "-I", "eth0", address)

    def power_off(self, droplet_id: int) -> None:
        docker("stop", "--time", str(STOP_SECONDS), self._container(droplet_id))

    def power_on(self, droplet_id: int) -> None:
        docker("start", self._container(droplet_id))

    def reboot(self, droplet_id: int) -> None:
        """Stop the droplet and start it again."""
        docker("restart", "--time", str(STOP_SECONDS), self._container(droplet_id))

    def resize(self, droplet_id: int, vcpus: int, memory_mb: int) -> None:
        """Give the droplet other processors and memory."""
        docker("update", *_limits(vcpus, memory_mb), self._container(droplet_id))

    def cleanup(self) -> None:
        """Remove every container of this project, and its network."""
        ours = ("--quiet", "--filter", f"label={self.label}")
        self._containers.remove(*docker("ps", "--all", *ours).split())
        if networks := docker("network", "ls", *ours).split():
            docker("network", "rm", *networks)

    def _docker_hub(self) -> docker_hub.DockerHub | None:
        """Docker Hub's stand-in on the droplets' network, if there has to be one."""
        if not self._hub:
            return None
        project = self._containers.project
        address = self._containers.network.address(HUB_ADDRESS)
        try:
            return docker_hub.start(f"{project}-docker-hub", self.label, project, address)
        except Failed as error:
            raise DropletError("\n".join(error.lines())) from error


def _limits(vcpus: int, memory_mb: int) -> tuple[str, ...]:
    # Twice the memory with swap, as the swap file of a real droplet gives.
    return f"--cpus={vcpus}", f"--memory={memory_mb}m", f"--memory-swap={2 * memory_mb}m"


def _seed(droplet: dict[str, Any]) -> dict[str, str]:
    """The files of what DigitalOcean's metadata service would have given cloud-init."""
    metadata = {
        "instance-id": str(droplet["id"]),
        "local-hostname": droplet["name"],
        "public-keys": [key.strip() for key in droplet["ssh_keys"]],
    }
    user_data = droplet["user_data"] or "#cloud-config\n{}\n"
    # JSON is YAML, too.
    return {f"{SEED}/meta-data": json.dumps(metadata), f"{SEED}/user-data": user_data}
