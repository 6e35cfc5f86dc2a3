"""The engines as containers: what the rehearsal's API calls for balancers and databases."""

from __future__ import annotations

from typing import Any

from .balancers import Balancers
from .containers import Containers
from .databases import Databases


class DockerEngines:
    """Runs both kinds on this machine, labelled as all of the rehearsal is."""

    def __init__(self, project: str = "digits-rehearsal") -> None:
        containers = Containers(project)
        self._balancers = Balancers(containers)
        self.databases = Databases(containers)

    def balance(self, balancer: dict[str, Any], members: dict[str, str]) -> str:
        return self._balancers.balance(balancer, members)

    def unbalance(self, balancer_id: str) -> None:
        self._balancers.unbalance(balancer_id)

    def serve(self, cluster: dict[str, Any]) -> str:
        return self.databases.serve(cluster)

    def guard(self, cluster_id: str, addresses: list[str] | None) -> None:
        self.databases.guard(cluster_id, addresses)

    def remove(self, cluster_id: str) -> None:
        self.databases.remove(cluster_id)
