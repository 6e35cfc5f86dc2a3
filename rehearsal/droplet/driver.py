"""Droplets as containers: what the rehearsal's API calls when one is made, changed or removed."""

from __future__ import annotations

import json
from typing import Any

from ops.console.errors import Failed
from ops.console.programs import output_of
from rehearsal.commands import output
from rehearsal.offline import base_images, docker_hub

from .containers import DROPLETS, RESERVED, Containers

# What systemd, the firewall and Docker inside need beside Docker's own set. Not --privileged, which
# fails on a host that lacks a capability and lets a droplet set this machine's clock.
_CAPABILITIES = (
    *("AUDIT_CONTROL", "DAC_READ_SEARCH", "IPC_LOCK", "LINUX_IMMUTABLE", "NET_ADMIN", "SYS_ADMIN"),
    *("SYS_BOOT", "SYS_NICE", "SYS_PTRACE", "SYSLOG"),
)
# What makes a container behave as a server does.
_LIKE_A_SERVER = (
    *(word for name in _CAPABILITIES for word in ("--cap-add", name)),
    *("--security-opt", "seccomp=unconfined"),
    *("--security-opt", "apparmor=unconfined"),
    *("--security-opt", "systempaths=unconfined"),
    *("--cgroupns", "private", "--tmpfs", "/run", "--tmpfs", "/run/lock"),
)
# Where the droplet keeps what gives it its reserved IP, to be run before systemd starts.
_RESERVED_IP = "/etc/digits-rehearsal/reserved-ip"
_RESERVED_LABEL = "eth0:reserved"
# systemd gets this long to stop its services, as before a real power-off.
_STOP_SECONDS = "30"
_SEED = "/var/lib/cloud/seed/nocloud"


class DockerDriver:
    """Makes droplets in Docker on this machine: containers with systemd, sshd and cloud-init.

    Calls block until the work is done; calls for one droplet must not overlap.
    """

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def _container(self, droplet_id: int) -> str:
        return f"{self._containers.project}-{droplet_id}"

    def create(self, droplet: dict[str, Any]) -> str:
        """Start a droplet and return its address, as soon as it boots.

        As with a real one, "active" comes before sshd answers, and cloud-init ends later still.
        """
        droplet_id, name = droplet["id"], self._container(droplet["id"])
        hub = docker_hub.certificate(self._containers)
        address = self._containers.create(
            name,
            base_images.DROPLET,
            DROPLETS,
            *("--hostname", droplet["name"], *_limits(droplet["vcpus"], droplet["memory"])),
            *("--label", f"digits.rehearsal.droplet={droplet_id}", *_LIKE_A_SERVER),
            *(docker_hub.options(self._containers) if hub else ()),
            # A new droplet has an address that the one before it did not have.
            start=droplet_id,
        )
        try:
            self._containers.put(name, _seed(droplet))
            if hub:
                self._containers.put(name, {docker_hub.TRUSTED: hub}, mode=0o644)
            output("docker", "start", name)
        except Failed:
            self.destroy(droplet_id)
            raise
        return address

    def destroy(self, droplet_id: int) -> None:
        self._containers.remove(self._container(droplet_id))

    def apply_firewall(self, droplet_id: int, inbound_rules: list[dict[str, Any]] | None) -> None:
        """The rules come before everything that runs in the droplet, Docker's published ports too.

        They hold from the first moment of every boot.
        """
        self._containers.guard(self._container(droplet_id), inbound_rules)

    def reserved_ip(self, taken: set[str]) -> str:
        return self._containers.free(RESERVED, taken)

    def answer_at(self, droplet_id: int, address: str | None) -> None:
        """DigitalOcean maps it to an address of the droplet's; here the droplet has it itself.

        What the droplet sends of itself goes on coming from its own address.
        """
        name = self._container(droplet_id)
        if not self._containers.exists(name):
            return
        take = f"address add {address}/32 dev eth0 label {_RESERVED_LABEL}\n" if address else ""
        self._containers.put(name, {_RESERVED_IP: take})
        if not self._containers.running(name):
            return
        inside = ("docker", "exec", name)
        output(*inside, "ip", "address", "flush", "dev", "eth0", "label", _RESERVED_LABEL)
        if address:
            output(*inside, "ip", "-batch", _RESERVED_IP)
            # Whoever has just talked to another droplet there hears of it at once.
            output_of(*inside, "arping", "-q", "-U", "-c", "1", "-I", "eth0", address)

    def power_off(self, droplet_id: int) -> None:
        output("docker", "stop", "--time", _STOP_SECONDS, self._container(droplet_id))

    def power_on(self, droplet_id: int) -> None:
        output("docker", "start", self._container(droplet_id))

    def resize(self, droplet_id: int, vcpus: int, memory_mb: int) -> None:
        output("docker", "update", *_limits(vcpus, memory_mb), self._container(droplet_id))


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
    return {f"{_SEED}/meta-data": json.dumps(metadata), f"{_SEED}/user-data": user_data}
