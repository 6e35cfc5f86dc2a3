"""What the API asks of whoever runs the droplets, the load balancers and the databases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Addresses:
    """Where a droplet can be reached."""

    public_ipv4: str
    private_ipv4: str | None = None
    public_ipv6: str | None = None


class Driver(Protocol):
    """Makes and removes the machines behind the droplets.

    Calls block until the work is done. Calls for one droplet never overlap;
    calls for different droplets may.
    """

    def create(self, droplet: dict[str, Any]) -> Addresses:
        """Start a machine that accepts SSH logins, for a droplet as the state has it."""

    def destroy(self, droplet_id: int) -> None:
        """Remove the machine and all it holds; nothing happens if there is none."""

    def apply_firewall(self, droplet_id: int, inbound_rules: list[dict[str, Any]] | None) -> None:
        """Let in only what these rules name, in DigitalOcean's own form.

        None means that no firewall stands before the droplet: everything is
        let in. An empty list means that nothing is. Ports "0" means all.
        """

    def reserved_ip(self, taken: set[str]) -> str:
        """An address for the account, on no machine yet and none of these."""

    def answer_at(self, droplet_id: int, address: str | None) -> None:
        """Let the machine answer at this reserved IP as at its own address; at none if None.

        Holds on a machine that is off, too, and nothing happens if there is none.
        """

    def power_off(self, droplet_id: int) -> None:
        """Stop the machine, keeping its disk."""

    def power_on(self, droplet_id: int) -> None:
        """Start the machine again, at the same addresses."""

    def reboot(self, droplet_id: int) -> None:
        """Stop the machine and start it again."""

    def resize(self, droplet_id: int, vcpus: int, memory_mb: int) -> None:
        """Give the machine, which is powered off, other processors and memory."""


class Engines(Protocol):
    """Runs what stands behind the load balancers and the database clusters.

    Every call says the whole of what is wanted, and may be made again. Calls block until the work
    is done. Calls for one engine never overlap.
    """

    def balance(self, balancer: dict[str, Any], members: dict[str, str]) -> str:
        """Send visitors to these droplets, address by name, as the API's object says.

        Returns the address that visitors come to. Connections that are open stay open.
        """

    def unbalance(self, balancer_id: str) -> None:
        """Remove it; nothing happens if there is none."""

    def serve(self, cluster: dict[str, Any]) -> str:
        """Run a cluster with the users, passwords and databases that it names; its CA, as PEM."""

    def guard(self, cluster_id: str, addresses: list[str] | None) -> None:
        """Let only these addresses come to a cluster; None lets everybody."""

    def remove(self, cluster_id: str) -> None:
        """Remove a cluster with all that is in it; nothing happens if there is none."""
