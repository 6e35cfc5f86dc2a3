"""Droplets as containers: what the rehearsal's API calls when one is made, changed or removed."""

from __future__ import annotations

import io
import ipaddress
import json
import subprocess
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rehearsal.api.driver import Addresses
from rehearsal.droplet import firewall

if TYPE_CHECKING:
    from collections.abc import Sequence

IMAGES = {"debian-13-x64": "digits-rehearsal-droplet:debian-13-x64"}

# All of a real server's capabilities but SYS_RESOURCE, which not every host has
# to give. --privileged asks for that one too and fails where it is missing.
CAPABILITIES = (
    "AUDIT_CONTROL",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
)

# Private ranges that few networks use; the first one that is free is taken.
SUBNETS = [f"10.213.{number}.0/24" for number in range(16)]
SUBNET_IPV6 = "fd5d:1917:{number:x}::/64"
FIRST_ADDRESS = 10

# systemd gets this long to stop its services, as before a real power-off.
STOP_SECONDS = 30

SEED = "/var/lib/cloud/seed/nocloud"


class DropletError(RuntimeError):
    """A droplet could not be made or changed; says what happened and what to do."""


class DockerDriver:
    """Makes droplets in Docker on this machine: containers with systemd, sshd and cloud-init.

    Everything it makes carries the label ``digits.rehearsal=<project>``.
    """

    def __init__(self, project: str = "digits-rehearsal") -> None:
        self.project = project
        self.label = f"digits.rehearsal={project}"
        self._addresses = threading.Lock()

    def create(
        self,
        droplet_id: int,
        name: str,
        vcpus: int,
        memory_mb: int,
        disk_gb: int,  # noqa: ARG002 - Docker has no limit for it
        image: str,
        ssh_public_keys: list[str],
        user_data: str | None,
    ) -> Addresses:
        """Start a droplet and return its addresses.

        Returns as soon as it boots: as with a real one, "active" comes before
        sshd answers (some seconds), and cloud-init finishes later still. The
        size of the disk is not enforced.
        """
        if image not in IMAGES:
            raise DropletError(
                f"There is no rehearsal image for {image!r}. "
                f"The rehearsal knows {', '.join(IMAGES)}; ask for that one."
            )
        self._require_image(IMAGES[image])
        container = self._container(droplet_id)
        with self._addresses:
            ipv4, ipv6 = self._free_addresses(droplet_id)
            self._docker(
                "create",
                *("--name", container, "--hostname", name),
                *("--label", self.label, "--label", f"digits.rehearsal.droplet={droplet_id}"),
                *("--network", self.project, "--ip", ipv4),
                *(["--ip6", ipv6] if ipv6 else []),
                *self._limits(vcpus, memory_mb),
                *("--cap-drop", "ALL", *(f"--cap-add={name}" for name in CAPABILITIES)),
                *("--security-opt", "seccomp=unconfined"),
                *("--security-opt", "apparmor=unconfined"),
                *("--security-opt", "systempaths=unconfined"),
                *("--cgroupns", "private", "--tmpfs", "/run", "--tmpfs", "/run/lock"),
                # The console of the droplet must not fill the host's disk.
                *("--log-opt", "max-size=1m"),
                # A reboot from inside ends process 1, and the droplet comes back.
                *("--restart", "unless-stopped"),
                IMAGES[image],
            )
        try:
            self._seed(container, droplet_id, name, ssh_public_keys, user_data)
            self._docker("start", container)
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
        self._write(container, {firewall.PATH: rules})
        if self._running(container):
            self._docker("exec", "--interactive", container, "nft", "-f", "-", stdin=rules.encode())

    def power_off(self, droplet_id: int) -> None:
        """Stop the droplet, keeping its disk and addresses."""
        self._docker("stop", "--time", str(STOP_SECONDS), self._container(droplet_id))

    def power_on(self, droplet_id: int) -> None:
        """Start the droplet again, at the same addresses."""
        self._docker("start", self._container(droplet_id))

    def reboot(self, droplet_id: int) -> None:
        """Stop the droplet and start it again."""
        self._docker("restart", "--time", str(STOP_SECONDS), self._container(droplet_id))

    def resize(self, droplet_id: int, vcpus: int, memory_mb: int) -> None:
        """Give the droplet other processors and memory."""
        self._docker("update", *self._limits(vcpus, memory_mb), self._container(droplet_id))

    def cleanup(self) -> None:
        """Remove every droplet of this project, and its network."""
        listed = self._docker("ps", "--all", "--quiet", "--filter", f"label={self.label}")
        self._remove(listed.split())
        networks = self._docker("network", "ls", "--quiet", "--filter", f"label={self.label}")
        if networks.split():
            self._docker("network", "rm", *networks.split())

    # What follows is how.

    def _container(self, droplet_id: int) -> str:
        return f"{self.project}-{droplet_id}"

    def _running(self, container: str) -> bool:
        return self._docker("inspect", "--format", "{{.State.Running}}", container) == "true"

    @staticmethod
    def _limits(vcpus: int, memory_mb: int) -> list[str]:
        # Twice the memory with swap, as the swap file of a real droplet gives.
        return [
            f"--cpus={vcpus}",
            f"--memory={memory_mb}m",
            f"--memory-swap={2 * memory_mb}m",
        ]

    def _require_image(self, image: str) -> None:
        if not self._docker("images", "--quiet", image):
            raise DropletError(
                f"The image {image} is not on this machine, so no droplet can be made. "
                "Make it: scripts/in rehearsal -m rehearsal.offline images"
            )

    def _remove(self, containers: list[str]) -> None:
        for container in containers:
            # With --volumes goes what Docker inside kept.
            answer = self._run("rm", "--force", "--volumes", container)
            message = answer.stderr.decode(errors="replace")
            if answer.returncode and "No such container" not in message:
                raise DropletError(f"The droplet {container} could not be removed: {message}")

    def _free_addresses(self, droplet_id: int) -> tuple[str, str | None]:
        """An address that no droplet of the project has; a new id gets a new one."""
        settings = self._network()["IPAM"]["Config"]
        subnets = [ipaddress.ip_network(part["Subnet"]) for part in settings]
        listed = self._docker("ps", "--all", "--quiet", "--filter", f"label={self.label}").split()
        taken = set()
        if listed:
            for container in json.loads(self._docker("inspect", *listed)):
                wanted = container["NetworkSettings"]["Networks"][self.project]["IPAMConfig"]
                taken.add((wanted or {}).get("IPv4Address"))
        ipv4 = next(subnet for subnet in subnets if subnet.version == 4)
        ipv6 = next((subnet for subnet in subnets if subnet.version == 6), None)
        span = 254 - FIRST_ADDRESS
        for offset in range(span):
            host = FIRST_ADDRESS + (droplet_id + offset) % span
            if str(ipv4[host]) not in taken:
                return str(ipv4[host]), str(ipv6[host]) if ipv6 else None
        raise DropletError(f"All {span} addresses of the rehearsal's network are taken.")

    def _network(self) -> dict[str, Any]:
        """The project's network, made if there is none."""
        found = self._run("network", "inspect", self.project)
        if found.returncode:
            self._make_network()
            found = self._run("network", "inspect", self.project)
        network: dict[str, Any] = json.loads(found.stdout)[0]
        return network

    def _make_network(self) -> None:
        options = ["--label", self.label, "--opt", f"com.docker.network.driver.mtu={host_mtu()}"]
        has_ipv6 = Path("/proc/net/if_inet6").exists()
        for number, subnet in enumerate(SUBNETS):
            ipv6 = ["--ipv6", "--subnet", SUBNET_IPV6.format(number=number)] if has_ipv6 else []
            answer = self._run(
                "network", "create", *options, "--subnet", subnet, *ipv6, self.project
            )
            message = answer.stderr.decode(errors="replace")
            if not answer.returncode:
                return
            if "overlap" not in message:
                raise DropletError(f"The rehearsal's Docker network could not be made: {message}")
        raise DropletError(
            "Every address range of the rehearsal is in use by another Docker network. "
            "Remove those that are not needed: docker network prune"
        )

    def _seed(
        self, container: str, droplet_id: int, name: str, keys: Sequence[str], user_data: str | None
    ) -> None:
        """Leave what DigitalOcean's metadata service would have told cloud-init."""
        metadata = {
            "instance-id": str(droplet_id),
            "local-hostname": name,
            "public-keys": [key.strip() for key in keys],
        }
        # JSON is YAML, too.
        self._write(
            container,
            {
                f"{SEED}/meta-data": json.dumps(metadata),
                f"{SEED}/user-data": user_data or "#cloud-config\n{}\n",
            },
        )

    def _write(self, container: str, files: dict[str, str]) -> None:
        """Put files, for root's eyes only, into a container that need not run."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path, text in files.items():
                content = text.encode()
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(content), 0o600
                tar.addfile(entry, io.BytesIO(content))
        self._docker("cp", "-", f"{container}:/", stdin=archive.getvalue())

    def _docker(self, *arguments: str, stdin: bytes | None = None) -> str:
        answer = self._run(*arguments, stdin=stdin)
        if answer.returncode:
            message = answer.stderr.decode(errors="replace").strip()
            raise DropletError(f"docker {arguments[0]} failed: {message}")
        return answer.stdout.decode().strip()

    @staticmethod
    def _run(*arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["docker", *arguments], input=stdin, capture_output=True, check=False
            )
        except FileNotFoundError:
            raise DropletError(
                "There is no docker command, and droplets are containers here. "
                "Install Docker: https://docs.docker.com/engine/install/"
            ) from None


def host_mtu() -> int:
    """The packet size of this machine's own way out.

    A bridge with larger packets than the way out loses them where nobody says so.
    """
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        interface, destination = line.split()[:2]
        if destination == "00000000":
            return int(Path(f"/sys/class/net/{interface}/mtu").read_text())
    return 1500
