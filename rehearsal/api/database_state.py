"""Managed databases in the account's state, for the endpoints and the keeper alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import not_found

if TYPE_CHECKING:
    from .store import State

PORT = 25060
ADMIN = "doadmin"
FIRST_DATABASE = "defaultdb"


def urn(cluster_id: str) -> str:
    """Its name in a project's list."""
    return f"do:dbaas:{cluster_id}"


def there(state: State) -> list[dict[str, Any]]:
    """All clusters but those that are on their way out."""
    return [one for one in state["databases"].values() if not one["gone"]]


def known(state: State, cluster_id: str) -> dict[str, Any]:
    """The cluster with this id."""
    for cluster in there(state):
        if cluster["id"] == cluster_id:
            return cluster
    raise not_found()


def settings(cluster: dict[str, Any]) -> dict[str, Any]:
    """What matters to the engine behind it."""
    keys = ("version", "size", "num_nodes", "users", "dbs", "removed")
    return {key: cluster[key] for key in keys}


def reach(state: State, cluster: dict[str, Any]) -> list[str] | None:
    """The addresses that may come to a cluster; None, without a rule, means everybody."""
    if not cluster["rules"]:
        return None
    found = set()
    for rule in cluster["rules"]:
        if rule["type"] == "ip_addr":
            found.add(rule["value"])
        for droplet in state["droplets"].values():
            by_tag = rule["type"] == "tag" and rule["value"] in droplet["tags"]
            if by_tag or (rule["type"] == "droplet" and rule["value"] == str(droplet["id"])):
                kinds = ("public_ipv4", "private_ipv4", "public_ipv6")
                found |= {droplet[kind] for kind in kinds if droplet[kind]}
    return sorted(found)
