"""Cloud firewalls: rules, and the droplets that they guard."""

from __future__ import annotations

import ipaddress
import re
import uuid
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from .clock import now
from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, strings, text
from .errors import conflict, not_found, unprocessable

if TYPE_CHECKING:
    from .store import State

routes = Blueprint("firewalls", __name__)

_PEERS = {"inbound_rules": "sources", "outbound_rules": "destinations"}


def _ports(protocol: str, value: object) -> str:
    """Ports as DigitalOcean answers them: "0" stands for all."""
    given = str(value or "")
    if protocol == "icmp" or given in ("0", "all"):
        return "0"
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", given)
    if not match or not 1 <= int(match[1]) <= int(match[2] or match[1]) <= 65535:
        raise unprocessable(f'ports: {given!r} is not a port, a range of ports or "all"')
    return given


def _rule(state: State, rule: object, peers: str) -> dict[str, Any]:
    if not isinstance(rule, dict) or rule.get("protocol") not in ("tcp", "udp", "icmp"):
        raise unprocessable("protocol must be tcp, udp or icmp")
    given = rule.get(peers) or {}
    for address in strings(given, "addresses"):
        try:
            ipaddress.ip_network(address, strict=False)
        except ValueError:
            raise unprocessable(f"{peers}: {address!r} is not an address or a network") from None
    _droplet_ids(state, given)
    _tags(state, given)
    _balancers(state, given)
    fields = ("addresses", "droplet_ids", "load_balancer_uids", "kubernetes_ids", "tags")
    kept = {field: given[field] for field in fields if given.get(field)}
    if not kept:
        raise unprocessable(f"{peers} must name at least one peer")
    return {
        "protocol": rule["protocol"],
        "ports": _ports(rule["protocol"], rule.get("ports")),
        peers: kept,
    }


def _rules(state: State, values: dict[str, Any], field: str) -> list[dict[str, Any]]:
    return [_rule(state, rule, _PEERS[field]) for rule in values.get(field) or []]


def _droplet_ids(state: State, values: dict[str, Any]) -> list[int]:
    ids: list[int] = values.get("droplet_ids") or []
    for droplet_id in ids:
        if str(droplet_id) not in state["droplets"]:
            raise unprocessable(f"there is no droplet {droplet_id}")
    return sorted(set(ids))


def _tags(state: State, values: dict[str, Any]) -> list[str]:
    names = strings(values, "tags")
    for name in names:
        if name not in state["tags"]:
            raise unprocessable(f"there is no tag {name!r}")
    return sorted(set(names))


def _balancers(state: State, values: dict[str, Any]) -> None:
    for key in strings(values, "load_balancer_uids"):
        if key not in state["load_balancers"]:
            raise unprocessable(f"there is no load balancer {key}")


def _fill(state: State, values: dict[str, Any], firewall: dict[str, Any]) -> None:
    """Put into a firewall all that a request says of it."""
    name = text(values, "name")
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9.-]+", name):
        raise unprocessable("name may only contain letters, numbers, dots and dashes")
    others = (other for other in state["firewalls"].values() if other["id"] != firewall["id"])
    if any(other["name"] == name for other in others):
        raise conflict("duplicate name")
    firewall |= {
        "name": name,
        "status": "succeeded",
        "pending_changes": [],
        "inbound_rules": _rules(state, values, "inbound_rules"),
        "outbound_rules": _rules(state, values, "outbound_rules"),
        "droplet_ids": _droplet_ids(state, values),
        "tags": _tags(state, values),
    }
    if not firewall["inbound_rules"] and not firewall["outbound_rules"]:
        raise unprocessable("at least one rule must be specified")


def _known(state: State, firewall_id: str) -> dict[str, Any]:
    if firewall_id not in state["firewalls"]:
        raise not_found()
    firewall: dict[str, Any] = state["firewalls"][firewall_id]
    return firewall


@routes.get("/v2/firewalls")
def list_firewalls() -> Answer:
    with cloud().store.read() as state:
        return page_of("firewalls", list(state["firewalls"].values()))


@routes.post("/v2/firewalls")
def create_firewall() -> Answer:
    values = body()
    with cloud().store.change() as state:
        firewall: dict[str, Any] = {"id": str(uuid.uuid4()), "created_at": now()}
        _fill(state, values, firewall)
        state["firewalls"][firewall["id"]] = firewall
        cloud().apply_firewalls(state)
        return {"firewall": firewall}, 202


@routes.get("/v2/firewalls/<firewall_id>")
def get_firewall(firewall_id: str) -> Answer:
    with cloud().store.read() as state:
        return {"firewall": _known(state, firewall_id)}, 200


@routes.put("/v2/firewalls/<firewall_id>")
def update_firewall(firewall_id: str) -> Answer:
    values = body()
    with cloud().store.change() as state:
        firewall = _known(state, firewall_id)
        _fill(state, values, firewall)
        cloud().apply_firewalls(state)
        return {"firewall": firewall}, 200


@routes.delete("/v2/firewalls/<firewall_id>")
def delete_firewall(firewall_id: str) -> Answer:
    with cloud().store.change() as state:
        _known(state, firewall_id)
        del state["firewalls"][firewall_id]
        cloud().apply_firewalls(state)
    return NO_CONTENT


def _edit(firewall_id: str, field: str, add: bool) -> Answer:
    """Add members to, or take members from, one of a firewall's two lists."""
    values = body()
    with cloud().store.change() as state:
        firewall = _known(state, firewall_id)
        given: list[Any] = (
            _droplet_ids(state, values) if field == "droplet_ids" else _tags(state, values)
        )
        kept = [item for item in firewall[field] if item not in given]
        firewall[field] = sorted(kept + given) if add else kept
        cloud().apply_firewalls(state)
    return NO_CONTENT


@routes.post("/v2/firewalls/<firewall_id>/droplets")
def add_droplets(firewall_id: str) -> Answer:
    return _edit(firewall_id, "droplet_ids", add=True)


@routes.delete("/v2/firewalls/<firewall_id>/droplets")
def remove_droplets(firewall_id: str) -> Answer:
    return _edit(firewall_id, "droplet_ids", add=False)


@routes.post("/v2/firewalls/<firewall_id>/tags")
def add_tags(firewall_id: str) -> Answer:
    return _edit(firewall_id, "tags", add=True)


@routes.delete("/v2/firewalls/<firewall_id>/tags")
def remove_tags(firewall_id: str) -> Answer:
    return _edit(firewall_id, "tags", add=False)


def _edit_rules(firewall_id: str, add: bool) -> Answer:
    values = body()
    with cloud().store.change() as state:
        firewall = _known(state, firewall_id)
        for field in _PEERS:
            given = _rules(state, values, field)
            kept = [rule for rule in firewall[field] if rule not in given]
            firewall[field] = kept + given if add else kept
        cloud().apply_firewalls(state)
    return NO_CONTENT


@routes.post("/v2/firewalls/<firewall_id>/rules")
def add_rules(firewall_id: str) -> Answer:
    return _edit_rules(firewall_id, add=True)


@routes.delete("/v2/firewalls/<firewall_id>/rules")
def remove_rules(firewall_id: str) -> Answer:
    return _edit_rules(firewall_id, add=False)
