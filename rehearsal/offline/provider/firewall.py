"""Cloud firewalls: the resource digitalocean_firewall."""

from __future__ import annotations

from typing import Any

from .fields import (
    Field,
    ObjectType,
    State,
    computed,
    list_of,
    not_empty,
    one_of,
    optional,
    required,
)
from .resource import SdkResource

_PEER_FIELDS = {
    "addresses": "addresses",
    "droplet_ids": "droplet_ids",
    "load_balancer_uids": "load_balancer_uids",
    "kubernetes_ids": "kubernetes_ids",
    "tags": "tags",
}


def _rule_fields(prefix: str) -> dict[str, Field]:
    return {
        "protocol": required("string", refuse=one_of("tcp", "udp", "icmp")),
        "port_range": optional("string", refuse=not_empty),
        f"{prefix}_addresses": optional("strings"),
        f"{prefix}_droplet_ids": optional("numbers"),
        f"{prefix}_load_balancer_uids": optional("strings"),
        f"{prefix}_kubernetes_ids": optional("strings"),
        f"{prefix}_tags": optional("strings"),
    }


_BLOCKS = {
    "inbound_rule": ("inbound_rules", "sources", "source"),
    "outbound_rule": ("outbound_rules", "destinations", "destination"),
}


def _to_api(rule: State, peers: str, prefix: str) -> dict[str, Any]:
    given = {name: rule.get(f"{prefix}_{name}") for name in _PEER_FIELDS}
    answer: dict[str, Any] = {"protocol": rule["protocol"]}
    # icmp has no ports, and the real provider then leaves the field out.
    if rule.get("port_range"):
        answer["ports"] = rule["port_range"]
    answer[peers] = {name: value for name, value in given.items() if value}
    return answer


def _from_api(rule: dict[str, Any], peers: str, prefix: str) -> State:
    ports: str | None = rule["ports"]
    if ports == "0":  # all of them; for icmp, none were given
        ports = None if rule["protocol"] == "icmp" else "all"
    given = rule[peers]
    return {
        "protocol": rule["protocol"],
        "port_range": ports,
        **{f"{prefix}_{name}": given.get(name) or [] for name in _PEER_FIELDS},
    }


class Firewall(SdkResource):
    name = "firewall"
    errors = {
        "create": "Error creating firewall",
        "read": "Error retrieving firewall",
        "update": "Error updating firewall",
        "delete": "Error deleting firewall",
    }
    fields = {
        "name": required("string", refuse=not_empty),
        "droplet_ids": optional("numbers"),
        "tags": optional("strings"),
        "status": computed("string"),
        "created_at": computed("string"),
        "pending_changes": computed(
            list_of(ObjectType(droplet_id="number", removing="bool", status="string"))
        ),
    }
    blocks = {block: _rule_fields(prefix) for block, (_, _, prefix) in _BLOCKS.items()}

    def check(self, planned: State) -> str | None:
        if planned["inbound_rule"] == [] and planned["outbound_rule"] == []:
            return "At least one rule must be specified"
        for block in _BLOCKS:
            for rule in planned[block] if isinstance(planned[block], list) else []:
                if rule["protocol"] in ("tcp", "udp") and rule["port_range"] in (None, ""):
                    return (
                        f"`port_range` of {block.replace('_', ' ')}s is required if protocol is "
                        "`tcp` or `udp`"
                    )
        return None

    def do_create(self, planned: State, given: State) -> State:
        planned["id"] = self.client.post("firewalls", self._body(planned))["firewall"]["id"]
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        firewall = self.client.get(f"firewalls/{state['id']}")["firewall"]
        return {
            "id": state["id"],
            "name": firewall["name"],
            "status": firewall["status"],
            "created_at": firewall["created_at"],
            "pending_changes": firewall["pending_changes"],
            "droplet_ids": firewall["droplet_ids"],
            "tags": firewall["tags"],
            **{
                block: [_from_api(rule, peers, prefix) for rule in firewall[rules] or []]
                for block, (rules, peers, prefix) in _BLOCKS.items()
            },
        }

    def do_update(self, current: State, planned: State) -> State:
        self.client.put(f"firewalls/{current['id']}", self._body(planned))
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        self.client.delete(f"firewalls/{state['id']}")

    @staticmethod
    def _body(state: State) -> dict[str, Any]:
        return {
            "name": state["name"],
            "droplet_ids": [int(key) for key in state["droplet_ids"] or []],
            "tags": state["tags"] or [],
            **{
                rules: [_to_api(rule, peers, prefix) for rule in state[block] or []]
                for block, (rules, peers, prefix) in _BLOCKS.items()
            },
        }
