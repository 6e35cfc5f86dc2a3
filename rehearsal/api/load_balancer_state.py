"""Load balancers in the account's state, for the endpoints, the keeper and the firewalls alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .store import State


def urn(balancer_id: str) -> str:
    """Its name in a project's list."""
    return f"do:loadbalancer:{balancer_id}"


def members(state: State, balancer: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The droplets that it stands before, whoever carries its tag now, and their addresses."""
    for droplet in state["droplets"].values():
        address = droplet["private_ipv4"] or droplet["public_ipv4"]
        chosen = droplet["id"] in balancer["droplet_ids"] or balancer["tag"] in droplet["tags"]
        if chosen and address and droplet["status"] != "new":
            yield droplet, address


def settings(balancer: dict[str, Any]) -> dict[str, Any]:
    """What matters to the engine behind it."""
    keys = (
        "name",
        "forwarding_rules",
        "health_check",
        "sticky_sessions",
        "http_idle_timeout_seconds",
    )
    return {key: balancer[key] for key in (*keys, "redirect_http_to_https")}


def addresses(state: State, balancer_ids: list[str]) -> list[str]:
    """Where those of these that are there send their requests from."""
    found = (state["load_balancers"].get(key) for key in balancer_ids)
    return [balancer["ip"] for balancer in found if balancer and balancer["ip"]]
