"""What the API asks of whoever runs the droplets, the load balancers and the databases."""

from __future__ import annotations

from typing import Any, Protocol


class Driver(Protocol):
    """Makes and removes the machines behind the droplets.

    Calls block until the work is done. Calls for one droplet never overlap; calls for different
    droplets may. Where there is no such machine, destroy and answer_at do nothing.
    """

    def create(self, droplet: dict[str, Any]) -> str:
        """Start a machine that accepts SSH logins, for this droplet of the state; its address."""

    def destroy(self, droplet_id: int) -> None: ...

    def apply_firewall(self, droplet_id: int, inbound_rules: list[dict[str, Any]] | None) -> None:
        """Let in only what these rules of DigitalOcean's name; None lets everything in."""

    def reserved_ip(self, taken: set[str]) -> str:
        """An address for the account, on no machine yet and none of these."""

    def answer_at(self, droplet_id: int, address: str | None) -> None:
        """Let the machine, even if it is off, answer at this reserved IP, too; at none if None."""

    def power_off(self, droplet_id: int) -> None: ...

    def power_on(self, droplet_id: int) -> None: ...

    def resize(self, droplet_id: int, vcpus: int, memory_mb: int) -> None: ...


class Engines(Protocol):
    """Runs what stands behind the load balancers and the database clusters.

    Every call says the whole of what is wanted, and may be made again. Calls block until the work
    is done. Calls for one engine never overlap.
    """

    def balance(self, balancer: dict[str, Any], members: dict[str, str]) -> str:
        """Send visitors to these droplets, address by name; the address that visitors come to."""

    def unbalance(self, balancer_id: str) -> None: ...

    def serve(self, cluster: dict[str, Any]) -> str:
        """Run a cluster with the users, passwords and databases that it names; its CA, as PEM."""

    def guard(self, cluster_id: str, addresses: list[str] | None) -> None:
        """Let only these addresses come to a cluster; None lets everybody."""

    def remove(self, cluster_id: str) -> None: ...
