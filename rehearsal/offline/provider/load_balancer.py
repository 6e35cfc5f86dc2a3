"""Load balancers: the resource digitalocean_loadbalancer."""

from __future__ import annotations

import time
from typing import Any

from .client import SECONDS_BETWEEN_LOOKS, ApiError
from .fields import State, computed, is_set, not_empty, one_of, optional, required
from .resource import SdkResource

#: The real provider looks every 15 s, for 10 minutes at most.
_LONGEST_WAIT = 10 * 60.0
#: By the block's name in Terraform, the object's in the API.
_OBJECTS = {"sticky_sessions": "sticky_sessions", "healthcheck": "health_check"}
#: What is sent only if it is set.
_SWITCHES = ("redirect_http_to_https", "enable_proxy_protocol", "enable_backend_keepalive")
_TEXTS = ("vpc_uuid", "project_id", "type", "network")


class LoadBalancer(SdkResource):
    name = "loadbalancer"
    errors = {
        "create": "Error creating Load Balancer",
        "read": "Error retrieving Loadbalancer",
        "update": "Error updating Load Balancer",
        "delete": "Error deleting Load Balancer",
    }
    fields = {
        "name": required("string", refuse=not_empty),
        "region": optional("string", force_new=True, state=str.lower),
        "size_unit": optional("number", computed=True),
        "algorithm": optional("string", default="round_robin"),
        "droplet_ids": optional("numbers", computed=True),
        "droplet_tag": optional("string"),
        "redirect_http_to_https": optional("bool", default=False),
        "enable_proxy_protocol": optional("bool", default=False),
        "enable_backend_keepalive": optional("bool", default=False),
        "disable_lets_encrypt_dns_records": optional("bool", default=False),
        "http_idle_timeout_seconds": optional("number", computed=True),
        "vpc_uuid": optional("string", computed=True, force_new=True, refuse=not_empty),
        "project_id": optional("string", computed=True),
        "type": optional("string", computed=True, force_new=True),
        "network": optional("string", computed=True, force_new=True),
        "ip": computed("string"),
        "status": computed("string"),
        "urn": computed("string"),
    }
    blocks = {
        "forwarding_rule": {
            "entry_protocol": required("string", refuse=one_of("http", "https", "tcp", "udp")),
            "entry_port": required("number"),
            "target_protocol": required("string", refuse=one_of("http", "https", "tcp", "udp")),
            "target_port": required("number"),
            "certificate_name": optional("string"),
            "tls_passthrough": optional("bool"),
        },
        "sticky_sessions": {
            "type": optional("string", refuse=one_of("cookies", "none")),
            "cookie_name": optional("string"),
            "cookie_ttl_seconds": optional("number"),
        },
        "healthcheck": {
            "protocol": required("string", refuse=one_of("http", "https", "tcp")),
            "port": required("number"),
            "path": optional("string"),
            "check_interval_seconds": optional("number"),
            "response_timeout_seconds": optional("number"),
            "unhealthy_threshold": optional("number"),
            "healthy_threshold": optional("number"),
        },
    }

    def check(self, planned: State) -> str | None:
        for session in planned["sticky_sessions"] or []:
            if session["type"] == "cookies" and not (
                session["cookie_name"] and session["cookie_ttl_seconds"]
            ):
                return "Attributes required for cookies: cookie_name and cookie_ttl_seconds"
        return None

    def do_create(self, planned: State, given: State) -> State:
        made = self.client.post("load_balancers", self._body(planned))["load_balancer"]
        planned["id"] = made["id"]
        deadline = time.monotonic() + _LONGEST_WAIT
        while True:
            now = self.do_read(planned)
            if now["status"] == "active":
                return now
            if now["status"] != "new" or time.monotonic() > deadline:
                raise ApiError(
                    409,
                    f"Error waiting for Load Balancer ({planned['id']}) to become ready: it is "
                    f"{now['status']}. What went wrong is in the log of the rehearsal's API.",
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def do_read(self, state: State) -> State:
        found = self.client.get(f"load_balancers/{state['id']}")["load_balancer"]
        same = ("name", "size_unit", "algorithm", "droplet_ids", *_SWITCHES, *_TEXTS)
        own = ("http_idle_timeout_seconds", "disable_lets_encrypt_dns_records", "ip", "status")
        return {
            "id": state["id"],
            **{name: found.get(name) for name in (*same, *own)},
            "region": found["region"]["slug"],
            "droplet_tag": found["tag"],
            "urn": f"do:loadbalancer:{state['id']}",
            "forwarding_rule": [self._rule(rule) for rule in found["forwarding_rules"]],
            **{
                block: [{key: found[field].get(key) for key in self.blocks[block]}]
                for block, field in _OBJECTS.items()
            },
        }

    def do_update(self, current: State, planned: State) -> State:
        # It does not wait, as the real one.
        self.client.put(f"load_balancers/{current['id']}", self._body(planned))
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        self.client.delete(f"load_balancers/{state['id']}")

    def _rule(self, rule: dict[str, Any]) -> State:
        certificate = rule.get("certificate_id")
        # Under its name in Terraform: the id of one that renews itself changes.
        name = (
            self.client.get(f"certificates/{certificate}")["certificate"]["name"]
            if certificate
            else ""
        )
        keys = ("entry_protocol", "entry_port", "target_protocol", "target_port", "tls_passthrough")
        return {**{key: rule.get(key) for key in keys}, "certificate_name": name}

    def _to_api(self, rule: State) -> dict[str, Any]:
        keys = ("entry_protocol", "entry_port", "target_protocol", "target_port")
        body = {key: _number(rule[key]) for key in keys}
        if rule["tls_passthrough"]:
            body["tls_passthrough"] = True
        if name := rule["certificate_name"]:
            found = self.client.get(f"certificates?name={name}")["certificates"]
            if not found:
                raise ApiError(404, f"there is no certificate {name}")
            body["certificate_id"] = found[0]["id"]
        return body

    def _body(self, state: State) -> dict[str, Any]:
        body: dict[str, Any] = {
            "name": state["name"],
            "region": state["region"],
            "algorithm": state["algorithm"],
            "forwarding_rules": [self._to_api(rule) for rule in state["forwarding_rule"]],
            "disable_lets_encrypt_dns_records": bool(state["disable_lets_encrypt_dns_records"]),
        }
        numbers = ("size_unit", "http_idle_timeout_seconds")
        body |= {key: int(state[key]) for key in numbers if is_set(state[key])}
        body |= {key: True for key in _SWITCHES if state[key]}
        body |= {key: state[key] for key in _TEXTS if is_set(state[key])}
        # One or the other: with a tag, the numbers are the service's business.
        if is_set(state["droplet_tag"]):
            body["tag"] = state["droplet_tag"]
        elif is_set(state["droplet_ids"]):
            body["droplet_ids"] = [int(key) for key in state["droplet_ids"]]
        for block, field in _OBJECTS.items():
            for values in state[block] or []:
                body[field] = {
                    key: _number(value) for key, value in values.items() if is_set(value)
                }
        return body


def _number(value: Any) -> Any:
    """A number as JSON has it: Terraform's may be fractions."""
    return int(value) if isinstance(value, float) else value
