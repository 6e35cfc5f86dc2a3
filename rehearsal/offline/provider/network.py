"""Firewalls, load balancers, reserved IPs, names and certificates."""

from __future__ import annotations

import time

from .client import SECONDS_BETWEEN_LOOKS, ApiError, Client
from .resource import Resource, Wait
from .schema import NUMBERS, STRINGS, Field, State, block, computed, kept, optional, required


def _rules(name: str, peers: str, prefix: str) -> Field:
    """The rules of a firewall in one direction; in the API, peers are in an object of their own."""
    return block(
        {
            "protocol": required(),
            "port_range": optional(api="ports", from_api=_ports),
            **{
                f"{prefix}_{kind}": optional(
                    of, api=f"{peers}.{kind}", from_api=lambda got: got or []
                )
                for kind, of in (
                    ("addresses", STRINGS),
                    ("droplet_ids", NUMBERS),
                    ("load_balancer_uids", STRINGS),
                    ("tags", STRINGS),
                )
            },
        },
        api=name,
        unset=[],
    )


def _ports(ports: str) -> str:
    return "all" if ports == "0" else ports


class Firewall(Resource):
    name, title = "firewall", "firewall"
    path, one = "firewalls", "firewall"
    fields = {
        "name": required(),
        "droplet_ids": optional(NUMBERS, unset=[]),
        "tags": optional(STRINGS, unset=[]),
        "inbound_rule": _rules("inbound_rules", "sources", "source"),
        "outbound_rule": _rules("outbound_rules", "destinations", "destination"),
    }

    def found(self, state: State, answer: State) -> State:
        found = super().found(state, answer)
        for rule in found["inbound_rule"] + found["outbound_rule"]:
            if rule["protocol"] == "icmp":  # it has none
                rule["port_range"] = None
        return found


class LoadBalancer(Resource):
    name, title = "loadbalancer", "Load Balancer"
    path, one = "load_balancers", "load_balancer"
    urn = "loadbalancer"
    version = 1
    # The real provider looks every 15 s.
    made = Wait(pending=("new",), target="active")
    fields = {
        "name": required(),
        "region": optional(force_new=True, state=str.lower, read="region.slug"),
        "size_unit": optional("number", computed=True),
        "algorithm": optional(default="round_robin"),
        "droplet_ids": optional(NUMBERS, computed=True),
        "droplet_tag": optional(api="tag"),
        "redirect_http_to_https": optional("bool", default=False),
        "disable_lets_encrypt_dns_records": optional("bool", default=False, unset=False),
        "http_idle_timeout_seconds": optional("number", computed=True),
        "vpc_uuid": optional(computed=True, force_new=True),
        "ip": computed(force_new=True),
        "subnet_uuid": computed(force_new=True),
        "forwarding_rule": block(
            {
                "entry_protocol": required(),
                "entry_port": required("number"),
                "target_protocol": required(),
                "target_port": required("number"),
                "certificate_name": optional(api="certificate_id"),
                "tls_passthrough": optional("bool"),
            },
            api="forwarding_rules",
        ),
        "sticky_sessions": block(
            {
                "type": optional(),
                "cookie_name": optional(),
                "cookie_ttl_seconds": optional("number"),
            },
            ordered=True,
            single=True,
        ),
        "healthcheck": block(
            {
                "protocol": required(),
                "port": required("number"),
                "path": optional(),
                "check_interval_seconds": optional("number"),
                "response_timeout_seconds": optional("number"),
                "unhealthy_threshold": optional("number"),
                "healthy_threshold": optional("number"),
            },
            api="health_check",
            ordered=True,
            single=True,
        ),
    }

    def body(self, state: State) -> State:
        # One or the other: with a tag, the numbers are the service's business.
        body = super().body(state | ({"droplet_ids": None} if state["droplet_tag"] else {}))
        for rule in body["forwarding_rules"]:
            if name := rule.get("certificate_id"):
                rule["certificate_id"] = _certificate(self.client, name)["id"]
        return body

    changed = body

    def found(self, state: State, answer: State) -> State:
        found = super().found(state, answer)
        for rule in found["forwarding_rule"]:
            # Under its name in Terraform: the id of one that renews itself changes.
            if key := rule["certificate_name"]:
                certificate = self.client.get(f"certificates/{key}")["certificate"]
                rule["certificate_name"] = certificate["name"]
        return found


class ReservedIp(Resource):
    name, title = "reserved_ip", "reserved IP"
    path, one = "reserved_ips", "reserved_ip"
    key = "ip"
    urn = "reservedip"
    fields = {
        "region": required(force_new=True, state=str.lower, read="region.slug"),
        "droplet_id": kept("number"),
        "ip_address": optional(computed=True, api="", read="ip"),
    }

    def create(self, planned: State) -> State:
        made = super().create(planned)
        if planned["droplet_id"]:
            self._assign(planned)
        return made

    def found(self, state: State, answer: State) -> State:
        # As the real one: an assignment that was taken back elsewhere is not noticed.
        found, droplet = super().found(state, answer), answer["droplet"]
        return found | ({"droplet_id": droplet["id"]} if state["droplet_id"] and droplet else {})

    def update(self, current: State, planned: State) -> State:
        if planned["droplet_id"] != current["droplet_id"]:
            if planned["droplet_id"]:
                self._assign(planned)
            else:
                self.act(planned, "unassign")
        return self.read(planned)

    def delete(self, state: State) -> None:
        if state["droplet_id"]:
            self.act_if_needed(state, "unassign")
        super().delete(state)

    def import_(self, state: State) -> State:
        droplet = self.get(state)["droplet"]
        return self.read(state | {"droplet_id": droplet["id"] if droplet else None})

    def _assign(self, planned: State) -> None:
        """Map it to its droplet, once nothing else is being done to that."""
        droplet = int(planned["droplet_id"])
        path = f"droplets/{droplet}/actions?per_page=50"
        over = ("completed", "errored")
        while any(action["status"] not in over for action in self.client.get(path)["actions"]):
            time.sleep(SECONDS_BETWEEN_LOOKS)
        self.act(planned, "assign", droplet_id=droplet)


class Certificate(Resource):
    """One that DigitalOcean gets. Its id is its name: its number changes with each renewal."""

    name, title = "certificate", "Certificate"
    path, one = "certificates", "certificate"
    key = "name"
    version = 1
    made = Wait(pending=("pending",), target="verified", field="state")
    fields = {
        "name": required(force_new=True),
        "type": optional(default="custom", force_new=True),
        "domains": optional(STRINGS, computed=True, force_new=True, api="dns_names"),
    }

    def get(self, state: State) -> State:
        return _certificate(self.client, state["id"])

    def delete(self, state: State) -> None:
        self.client.request("DELETE", f"certificates/{self.get(state)['id']}")


def _certificate(client: Client, name: str) -> State:
    found = client.get(f"certificates?name={name}")["certificates"]
    if not found:
        raise ApiError(404, f"there is no certificate {name}")
    first: State = found[0]
    return first


class Record(Resource):
    name, title = "record", "record"
    path, one = "domains/{domain}/records", "domain_record"
    imported = ("domain", "id")
    # What is not set is sent, too.
    sent = dict.fromkeys(("priority", "port", "weight", "flags"), 0)
    fields = {
        "domain": required(force_new=True, api="", read=""),
        "type": required(force_new=True),
        "name": required(),
        "value": required(api="data"),
        "ttl": optional("number", computed=True),
    }


class Domains(Resource):
    """The zones at DigitalOcean's DNS."""

    name, title, data = "domains", "domains", True
    item = "domains?page=1&per_page=200"
    fields = {
        "domains": computed(
            ["list", ["object", {"name": "string", "ttl": "number"}]],
            from_api=lambda found: [{"name": one["name"], "ttl": one["ttl"]} for one in found],
        )
    }
