"""The network of the droplets: a Docker bridge, and who has which address on it."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

from .docker import DropletError, docker, run

# Private ranges that few networks use; the first one that is free is taken.
SUBNETS = [f"10.213.{number}.0/24" for number in range(16)]
SUBNET_IPV6 = "fd5d:1917:{number:x}::/64"
# This machine; Docker Hub's stand-in, if there is one; the certificate authority; the droplets.
HOST_ADDRESS = 1
HUB_ADDRESS = 5
AUTHORITY_ADDRESS = 6
FIRST_ADDRESS = 10
# From here on: load balancers and managed databases.
FIRST_ENGINE = 180
# From here on: reserved IPs, which no container is given as its own.
FIRST_RESERVED = 200


class Network:
    """The network of one project, made when it is first asked for."""

    def __init__(self, project: str, label: str) -> None:
        self.project = project
        self.label = label

    def address(self, host: int) -> str:
        """The address of a host of this number."""
        return str(self._subnets()[4][host])

    def _subnets(self) -> dict[int, ipaddress.IPv4Network | ipaddress.IPv6Network]:
        """Its address ranges, by the version of IP."""
        settings = self._made()["IPAM"]["Config"]
        subnets = [ipaddress.ip_network(part["Subnet"]) for part in settings]
        return {subnet.version: subnet for subnet in subnets}

    def free_addresses(self, droplet_id: int) -> tuple[str, str | None]:
        """An address that no droplet of the project has; a new id gets a new one."""
        address = self._free(FIRST_ADDRESS, FIRST_ENGINE, self._taken(), droplet_id)
        ipv6 = self._subnets().get(6)
        return address, str(ipv6[int(address.rpartition(".")[2])]) if ipv6 else None

    def free_engine(self, but: str = "") -> str:
        """An address for a load balancer or a managed database, and not this one."""
        return self._free(FIRST_ENGINE, FIRST_RESERVED, self._taken() | {but})

    def free_reserved(self, taken: set[str]) -> str:
        """A reserved IP that is none of these."""
        return self._free(FIRST_RESERVED, 255, taken)

    def _free(self, first: int, end: int, taken: set[str], start: int = 0) -> str:
        """An address whose host's number is in this range, the search beginning somewhere in it."""
        ipv4, span = self._subnets()[4], end - first
        for offset in range(span):
            address = str(ipv4[first + (start + offset) % span])
            if address not in taken:
                return address
        raise DropletError(f"All {span} addresses from {ipv4[first]} on are taken.")

    def _taken(self) -> set[str]:
        """The addresses that containers of the project have."""
        listed = docker("ps", "--all", "--quiet", "--filter", f"label={self.label}").split()
        taken = set()
        # One may be gone since it was listed; the others are printed all the same.
        for container in json.loads(run("inspect", *listed).stdout) if listed else ():
            here = container["NetworkSettings"]["Networks"].get(self.project) or {}
            taken.add((here.get("IPAMConfig") or {}).get("IPv4Address", ""))
        return taken

    def _made(self) -> dict[str, Any]:
        """The project's network, made if there is none."""
        found = run("network", "inspect", self.project)
        if found.returncode:
            self._make()
            found = run("network", "inspect", self.project)
        network: dict[str, Any] = json.loads(found.stdout)[0]
        return network

    def _make(self) -> None:
        options = ["--label", self.label, "--opt", f"com.docker.network.driver.mtu={host_mtu()}"]
        has_ipv6 = Path("/proc/net/if_inet6").exists()
        for number, subnet in enumerate(SUBNETS):
            ipv6 = ["--ipv6", "--subnet", SUBNET_IPV6.format(number=number)] if has_ipv6 else []
            answer = run("network", "create", *options, "--subnet", subnet, *ipv6, self.project)
            message = answer.stderr.decode(errors="replace")
            if not answer.returncode:
                return
            if "overlap" not in message:
                raise DropletError(f"The rehearsal's Docker network could not be made: {message}")
        raise DropletError(
            "Every address range of the rehearsal is in use by another Docker network. "
            "Remove those that are not needed: docker network prune"
        )


def host_mtu() -> int:
    """The packet size of this machine's own way out.

    A bridge with larger packets than the way out loses them where nobody says so.
    """
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        interface, destination = line.split()[:2]
        if destination == "00000000":
            return int(Path(f"/sys/class/net/{interface}/mtu").read_text())
    return 1500
