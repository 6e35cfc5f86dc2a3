"""What the API asks of whoever runs the load balancers and the managed databases."""

from __future__ import annotations

from typing import Any, Protocol


class Engines(Protocol):
    """Runs what stands behind the API's load balancers and database clusters.

    Every call says the whole of what is wanted, and may be made again: what is so already stays
    untouched. Calls block until the work is done. Calls for one engine never overlap.
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
