"""Cloud firewalls: rules, the droplets that they guard, and what these let in."""

from __future__ import annotations

import ipaddress

from .account import named_droplets
from .fields import Field, Item, refused
from .resource import Call, Resource
from .store import State, now

_NUMBERS = Field(type="integer", many=True, refers="droplets", message="there is no such droplet")
_TAGS = Field(many=True, refers="tags", message="there is no such tag")
_PEERS = Field(
    type="object",
    fields={
        "addresses": Field(many=True),
        "droplet_ids": _NUMBERS,
        "load_balancer_uids": Field(many=True, refers="load_balancers"),
        "kubernetes_ids": Field(many=True),
        "tags": _TAGS,
    },
)


def _rules(peers: str) -> Field:
    return Field(
        type="object",
        many=True,
        fields={
            "protocol": Field(required=True, one_of=("tcp", "udp", "icmp")),
            "ports": Field(pattern=r"\d+(-\d+)?|all"),
            peers: _PEERS,
        },
    )


class Firewalls(Resource):
    path, one, many = "firewalls", "firewall", "firewalls"
    created = 202
    taken = (409, "duplicate name")
    fields = {
        "name": Field(required=True, pattern=r"[a-zA-Z0-9][a-zA-Z0-9.-]+"),
        "inbound_rules": _rules("sources"),
        "outbound_rules": _rules("destinations"),
        "droplet_ids": _NUMBERS,
        "tags": _TAGS,
    }

    def complete(self, call: Call, item: Item) -> None:
        item |= {"created_at": now(), "status": "succeeded", "pending_changes": []}

    def check(self, state: State, item: Item) -> None:
        if not item["inbound_rules"] and not item["outbound_rules"]:
            raise refused("at least one rule must be specified")
        for rule in item["inbound_rules"]:
            _check_rule(rule, "sources")
        for rule in item["outbound_rules"]:
            _check_rule(rule, "destinations")
        item["droplet_ids"] = sorted(set(item["droplet_ids"]))
        item["tags"] = sorted(set(item["tags"]))


def _check_rule(rule: Item, peers: str) -> None:
    """Refuse a rule that means nothing, and bring it into the form that answers have."""
    for address in rule[peers]["addresses"]:
        try:
            ipaddress.ip_network(address, strict=False)
        except ValueError:
            raise refused(f"{peers}: {address!r} is not an address or a network") from None
    rule[peers] = {name: named for name, named in rule[peers].items() if named}
    if not rule[peers]:
        raise refused(f"{peers} must name at least one peer")
    if rule["protocol"] == "icmp" or rule["ports"] in ("0", "all"):
        rule["ports"] = "0"  # all of them
        return
    first, _, last = (rule["ports"] or "").partition("-")
    if not first or not 1 <= int(first) <= int(last or first) <= 65535:
        raise refused(f'ports: {rule["ports"]!r} is not a port, a range of ports or "all"')


def inbound_rules(state: State, droplet: Item) -> list[Item] | None:
    """All that is let in to a droplet; None if no firewall stands before it."""
    standing = [
        firewall
        for firewall in state["firewalls"].values()
        if droplet in named_droplets(state, firewall["droplet_ids"], firewall["tags"])
    ]
    if not standing:
        return None
    return [
        rule | {"sources": {"addresses": _addresses(state, rule["sources"])}}
        for firewall in standing
        for rule in firewall["inbound_rules"]
    ]


def _addresses(state: State, sources: Item) -> list[str]:
    """The addresses of all sources: droplets, tags and balancers stand for theirs."""
    droplets = named_droplets(state, sources.get("droplet_ids", ()), sources.get("tags", ()))
    balancers = state["load_balancers"]
    found = [
        *sources.get("addresses", ()),
        *(droplet["address"] for droplet in droplets),
        *(balancers.get(key, {}).get("ip") for key in sources.get("load_balancer_uids", ())),
    ]
    # One that is being made has none yet.
    return [address for address in found if address]
