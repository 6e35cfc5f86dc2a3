"""Droplets as containers: what the rehearsal's API calls when one is made, changed or removed."""

from __future__ import annotations

import json
import threading
from typing import Any

from ops.errors import Failed
from rehearsal.api.machines import Addresses
from rehearsal.offline import docker_hub

from . import firewall
from .docker import DropletError, docker, put, run
from .network import HUB_ADDRESS, Network

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
    # The console of the droplet must not fill the host's disk.
    *("--log-opt", "max-size=1m"),
    # A reboot from inside ends process 1, and the droplet comes back.
    *("--restart", "unless-stopped"),
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
        self.project = project
        self.label = f"digits.rehearsal={project}"
        self._network = Network(project, self.label)
        self._hub = hub and docker_hub.is_needed()
        self._addresses = threading.Lock()

    def create(self, droplet: dict[str, Any]) -> Addresses:
        """Start a droplet and return its addresses, as soon as it boots.

        As with a real one, "active" comes before sshd answers, and cloud-init ends later still.
        """
        self._require_image(droplet["image"])
        droplet_id, container = droplet["id"], self._container(droplet["id"])
        with self._addresses:
            ipv4, ipv6 = self._network.free_addresses(droplet_id)
            hub = self._docker_hub()
            docker(
                "create",
                *("--name", container, "--hostname", droplet["name"]),
                *("--label", self.label, "--label", f"digits.rehearsal.droplet={droplet_id}"),
                *("--network", self.project, "--ip", ipv4),
                *(["--ip6", ipv6] if ipv6 else []),
                *(["--add-host", f"{docker_hub.HOST}:{hub.address}"] if hub else []),
                *self._limits(droplet["vcpus"], droplet["memory"]),
                *LIKE_A_SERVER,
                IMAGES[droplet["image"]],
            )
        try:
            self._seed(container, droplet)
            if hub:
                put(container, {TRUSTED: hub.certificate}, mode=0o644)
            docker("start", container)
        except DropletError:
            self.destroy(droplet_id)
            raise
        return Addresses(public_ipv4=ipv4, private_ipv4=None, public_ipv6=ipv6)

    def destroy(self, droplet_id: int) -> None:
        """Remove the droplet with its disk; nothing happens if there is none."""
        self._remove([self._container(droplet_id)])

    def apply_firewall(self, droplet_id: int, inbound_rules: list[dict[str, Any]] | None) -> None:
        """Let in only what DigitalOcean's inbound rules name; None lets everything in.

        It comes before everything that runs in the droplet, Docker's published
        ports included, and holds from the first moment of every boot. Works on
        a droplet that is off, too.
        """
        container = self._container(droplet_id)
        rules = firewall.ruleset(inbound_rules)
        put(container, {firewall.PATH: rules})
        if self._running(container):
            docker("exec", "--interactive", container, "nft", "-f", "-", stdin=rules.encode())

    def reserved_ip(self, taken: set[str]) -> str:
        """An address of the droplets' network that no droplet has as its own."""
        return self._network.free_reserved(taken)

    def answer_at(self, droplet_id: int, address: str | None) -> None:
        """Let the droplet answer at a reserved IP, now and after every boot; None takes it away.

        DigitalOcean maps it to an address of the droplet's on the way there; here the droplet
        has it itself, beside its own, which what it sends of itself goes on coming from.
        """
        container = self._container(droplet_id)
        if run("inspect", container).returncode:
            return
        take = f"address add {address}/32 dev eth0 label {RESERVED_LABEL}\n" if address else ""
        put(container, {RESERVED_IP: take})
        if not self._running(container):
            return
        docker("exec", container, "ip", "address", "flush", "dev", "eth0", "label", RESERVED_LABEL)
        if address:
            docker("exec", container, "ip", "-batch", RESERVED_IP)
            # Whoever has just talked to another droplet there hears of it at once.
            run("exec", container, "arping", "-q", "-U", "-c", "1", "-I", "eth0", address)

    def power_off(self, droplet_id: int) -> None:
        """Stop the droplet, keeping its disk and addresses."""
        docker("stop", "--time", str(STOP_SECONDS), self._container(droplet_id))

    def power_on(self, droplet_id: int) -> None:
        """Start the droplet again, at the same addresses."""
        docker("start", self._container(droplet_id))

    def reboot(self, droplet_id: int) -> None:
        """Stop the droplet and start it again."""
        docker("restart", "--time", str(STOP_SECONDS), self._container(droplet_id))

    def resize(self, droplet_id: int, vcpus: int, memory_mb: int) -> None:
        """Give the droplet other processors and memory."""
        docker("update", *self._limits(vcpus, memory_mb), self._container(droplet_id))

    def cleanup(self) -> None:
        """Remove every droplet of this project, and its network."""
        listed = docker("ps", "--all", "--quiet", "--filter", f"label={self.label}")
        self._remove(listed.split())
        networks = docker("network", "ls", "--quiet", "--filter", f"label={self.label}")
        if networks.split():
            docker("network", "rm", *networks.split())

    # What follows is how.

    def _container(self, droplet_id: int) -> str:
        return f"{self.project}-{droplet_id}"

    def _running(self, container: str) -> bool:
        return docker("inspect", "--format", "{{.State.Running}}", container) == "true"

    @staticmethod
    def _limits(vcpus: int, memory_mb: int) -> list[str]:
        # Twice the memory with swap, as the swap file of a real droplet gives.
        return [
            f"--cpus={vcpus}",
            f"--memory={memory_mb}m",
            f"--memory-swap={2 * memory_mb}m",
        ]

    @staticmethod
    def _require_image(image: str) -> None:
        if image not in IMAGES:
            raise DropletError(
                f"There is no rehearsal image for {image!r}. "
                f"The rehearsal knows {', '.join(IMAGES)}; ask for that one."
            )
        if not docker("images", "--quiet", IMAGES[image]):
            raise DropletError(
                f"The image {IMAGES[image]} is not on this machine, so no droplet can be made. "
                "Make it: scripts/in rehearsal -m rehearsal.offline images"
            )

    def _remove(self, containers: list[str]) -> None:
        for container in containers:
            # With --volumes goes what Docker inside kept.
            answer = run("rm", "--force", "--volumes", container)
            message = answer.stderr.decode(errors="replace")
            if answer.returncode and "No such container" not in message:
                raise DropletError(f"The droplet {container} could not be removed: {message}")

    @staticmethod
    def _seed(container: str, droplet: dict[str, Any]) -> None:
        """Leave what DigitalOcean's metadata service would have given cloud-init."""
        metadata = {
            "instance-id": str(droplet["id"]),
            "local-hostname": droplet["name"],
            "public-keys": [key.strip() for key in droplet["ssh_keys"]],
        }
        user_data = droplet["user_data"] or "#cloud-config\n{}\n"
        # JSON is YAML, too.
        put(
            container,
            {f"{SEED}/meta-data": json.dumps(metadata), f"{SEED}/user-data": user_data},
        )

    def _docker_hub(self) -> docker_hub.DockerHub | None:
        """Docker Hub's stand-in on the droplets' network, if there has to be one."""
        if not self._hub:
            return None
        name = f"{self.project}-docker-hub"
        try:
            return docker_hub.start(
                name, self.label, self.project, self._network.address(HUB_ADDRESS)
            )
        except Failed as error:
            raise DropletError("\n".join(error.lines())) from error
