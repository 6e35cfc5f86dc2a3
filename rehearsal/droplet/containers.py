"""The containers of a rehearsal: each has an address of its own on the rehearsal's network."""

from __future__ import annotations

import io
import ipaddress
import tarfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.console.errors import Failed
from ops.console.programs import output_of
from rehearsal.commands import output

# Private ranges that few networks use; the first one that is free is taken.
_SUBNETS = [f"10.213.{number}.0/24" for number in range(16)]
# The hosts on it: this machine; the stand-ins for Docker Hub and Let's Encrypt; droplets; load
# balancers and managed databases; reserved IPs, which no container has as its own.
HOST, HUB, AUTHORITY = 1, 5, 6
DROPLETS, ENGINES, RESERVED = range(10, 180), range(180, 200), range(200, 255)
_ADDRESS = "digits.rehearsal.address"
# Where a droplet keeps its cloud firewall, to be loaded before systemd starts.
_FIREWALL = "/etc/digits-rehearsal/firewall.nft"
_TABLE = "inet digits_rehearsal_firewall"
# Priority -150 comes after connection tracking (-200) and before address
# translation (-100): a packet is judged by the port it was sent to, before
# Docker turns it over to a container and past every chain that Docker writes.
_HEAD = f"""\
# The rehearsal's cloud firewall. A real one stands before the droplet.
table {_TABLE}
delete table {_TABLE}
"""
_CHAIN = f"""\
table {_TABLE} {{
    chain inbound {{
        type filter hook prerouting priority -150; policy accept;
        iifname != "eth0" accept
        ct state established,related accept
"""


class Containers:
    """Those of one project: Docker has them under the project's label."""

    def __init__(self, project: str) -> None:
        self.project = project
        self.label = f"digits.rehearsal={project}"
        # An address is free until the container that it is for is made.
        self._addresses = threading.Lock()

    # The network

    def host(self, number: int) -> str:
        """The address of this host. The network is made when it is first asked for."""
        subnet = "{{(index .IPAM.Config 0).Subnet}}"
        command = ("docker", "network", "inspect", "--format", subnet, self.project)
        return str(ipaddress.ip_network(output_of(*command) or self._make_network())[number])

    def _make_network(self) -> str:
        mtu = f"com.docker.network.driver.mtu={host_mtu()}"
        create = ("docker", "network", "create", "--label", self.label, "--opt", mtu)
        for subnet in _SUBNETS:
            try:
                output(*create, "--subnet", subnet, self.project)
            except Failed as error:
                if "overlap" not in str(error):
                    raise
            else:
                return subnet
        raise Failed(
            "Every address range of the rehearsal is in use by another Docker network.",
            "Remove those that are not needed: docker network prune",
        )

    def free(self, hosts: range, taken: set[str], start: int = 0) -> str:
        """The address of one of these hosts that is not taken; the search begins at `start`."""
        base = self.host(0).removesuffix("0")
        for offset in range(len(hosts)):
            address = f"{base}{hosts[(start + offset) % len(hosts)]}"
            if address not in taken:
                return address
        raise Failed(f"All {len(hosts)} addresses from {base}{hosts[0]} on are taken.")

    # The containers

    def name(self, kind: str, key: str) -> str:
        """The name of an engine's container."""
        return f"{self.project}-{kind}-{key[:8]}"

    def exists(self, name: str) -> bool:
        return self._running(name) is not None

    def running(self, name: str) -> bool:
        return self._running(name) == "true"

    def _running(self, name: str) -> str | None:
        """Whether it runs, in Docker's word; None if there is none."""
        command = ("docker", "inspect", "--format", "{{.State.Running}}", name)
        return output_of(*command, seconds=120)

    def label_of(self, name: str, label: str = _ADDRESS) -> str:
        """A label of a container: its address, or another one. Raises Failed."""
        return output(
            "docker", "inspect", "--format", f'{{{{index .Config.Labels "{label}"}}}}', name
        )

    def create(
        self,
        name: str,
        image: str,
        hosts: range,
        *options: str,
        command: Sequence[str] = (),
        start: int = 0,
    ) -> str:
        """Make one, not started yet; its address. Raises Failed."""
        if not output("docker", "images", "--quiet", image):
            raise Failed(
                f"The image {image} is not on this machine. Make it: "
                f"scripts/in rehearsal -m rehearsal.offline images {image}"
            )
        ours = ("--filter", f"label={self.label}", "--format", f'{{{{.Label "{_ADDRESS}"}}}}')
        with self._addresses:
            taken = set(output("docker", "ps", "--all", *ours).split())
            address = self.free(hosts, taken, start)
            # The console must not fill the disk. A reboot from inside ends process 1: it restarts.
            output(
                "docker", "create", "--name", name, "--label", self.label,
                "--label", f"{_ADDRESS}={address}", "--restart", "unless-stopped",
                "--network", self.project, "--ip", address, "--log-opt", "max-size=1m",
                *options, image, *command,
            )  # fmt: skip
        return address

    def serve(
        self, name: str, image: str, host: int, *options: str, command: Sequence[str]
    ) -> bool:
        """Let this one run at its host's address; whether it had to be started. Raises Failed."""
        if self.running(name):
            return False
        self.remove(name)
        self.create(name, image, range(host, host + 1), *options, command=command)
        output("docker", "start", name)
        return True

    def put(self, name: str, files: Mapping[str, str], mode: int = 0o600) -> None:
        """Put files, for root's eyes only, into a container that need not run. Raises Failed."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for path, text in files.items():
                content = text.encode()
                entry = tarfile.TarInfo(path.lstrip("/"))
                entry.size, entry.mode = len(content), mode
                tar.addfile(entry, io.BytesIO(content))
        output("docker", "cp", "-", f"{name}:/", stdin=archive.getvalue())

    def guard(self, name: str, inbound_rules: list[dict[str, Any]] | None) -> None:
        """Let in only what DigitalOcean's inbound rules name, now and from the next start on."""
        rules = ruleset(inbound_rules)
        self.put(name, {_FIREWALL: rules})
        if self.running(name):
            output("docker", "exec", "--interactive", name, "nft", "-f", "-", stdin=rules)

    def remove(self, *names: str) -> None:
        """Remove them with all that is in them; a missing one is no error. Raises Failed."""
        for name in names:
            output("docker", "rm", "--force", "--volumes", name)

    def remove_all(self) -> None:
        """Everything that carries the project's label. Raises Failed."""
        ours = ("--quiet", "--filter", f"label={self.label}")
        self.remove(*output("docker", "ps", "--all", *ours).split())
        for kind in ("network", "volume"):
            for name in output("docker", kind, "ls", *ours).split():
                output("docker", kind, "rm", name)


def host_mtu() -> int:
    """The packet size of this machine's own way out.

    A bridge with larger packets than the way out loses them where nobody says so.
    """
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        interface, destination = line.split()[:2]
        if destination == "00000000":
            return int(Path(f"/sys/class/net/{interface}/mtu").read_text())
    return 1500


def ruleset(inbound_rules: list[dict[str, Any]] | None) -> str:
    """The nftables ruleset for these inbound rules; None lets everything in."""
    if inbound_rules is None:
        return _HEAD
    accepted = [line for rule in inbound_rules for line in _accept(rule)]
    body = "".join(f"        {line}\n" for line in [*accepted, "drop"])
    return f"{_HEAD}{_CHAIN}{body}    }}\n}}\n"


def _accept(rule: dict[str, Any]) -> list[str]:
    """A line for each IPv4 network that a rule names; a droplet has no other address here."""
    protocol, ports = rule["protocol"], rule.get("ports", "0")
    every = protocol == "icmp" or ports in ("all", "0")
    match = f"meta l4proto {protocol}" if every else f"{protocol} dport {ports}"
    networks = [ipaddress.ip_network(one, strict=False) for one in rule["sources"]["addresses"]]
    return [f"ip saddr {network} {match} accept" for network in networks if network.version == 4]
