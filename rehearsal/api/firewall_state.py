"""What the account's firewalls let in to a droplet, for the endpoints and the cloud alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import load_balancer_state

if TYPE_CHECKING:
    from .store import State


def guards(firewall: dict[str, Any], droplet: dict[str, Any]) -> bool:
    """Whether this firewall stands before this droplet."""
    return droplet["id"] in firewall["droplet_ids"] or bool(
        set(firewall["tags"]) & set(droplet["tags"])
    )


def _addresses(droplet: dict[str, Any]) -> list[str]:
    kinds = ("public_ipv4", "private_ipv4", "public_ipv6")
    return [droplet[kind] for kind in kinds if droplet[kind]]


def inbound_rules(state: State, droplet: dict[str, Any]) -> list[dict[str, Any]] | None:
    """All that is let in to a droplet; None if no firewall stands before it."""
    standing = [wall for wall in state["firewalls"].values() if guards(wall, droplet)]
    if not standing:
        return None
    rules = []
    for rule in (rule for wall in standing for rule in wall["inbound_rules"]):
        sources = rule["sources"]
        # Droplets, tags and balancers named as sources stand for their addresses.
        named = [
            other
            for other in state["droplets"].values()
            if other["id"] in sources.get("droplet_ids", [])
            or set(other["tags"]) & set(sources.get("tags", []))
        ]
        addresses = [
            *sources.get("addresses", []),
            *(address for other in named for address in _addresses(other)),
            *load_balancer_state.addresses(state, sources.get("load_balancer_uids", [])),
        ]
        rules.append({**rule, "sources": {"addresses": addresses}})
    return rules
