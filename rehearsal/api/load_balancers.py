"""Load balancers: new until one runs behind them, and busy while that takes over a change."""

from __future__ import annotations

import time
from typing import Any

from rehearsal.engines import DockerEngines

from .account import TAG, add_tags, named_droplets
from .catalog import REGIONS, vpc_of
from .fields import ApiError, Field, Fields, Item, refused
from .resource import Call, Resource
from .store import State, now

BUSY = "Load Balancer can't be updated while it processes previous actions"
SECONDS_BETWEEN_SIZES = 3600.0
_PORT = Field(type="integer", required=True, limits=(1, 65535))
_SECONDS = (3, 300)
_TIMES = (2, 10)
_RULE: Fields = {
    "entry_protocol": Field(required=True, one_of=("http", "https")),
    "entry_port": _PORT,
    "target_protocol": Field(required=True, one_of=("http",)),
    "target_port": _PORT,
    "certificate_id": Field(default="", refers="certificates"),
    "tls_passthrough": Field(type="boolean", default=False, one_of=(False,)),
}
_HEALTH_CHECK: Fields = {
    "protocol": Field(default="http", one_of=("http",)),
    "port": Field(type="integer", default=80),
    "path": Field(default="/"),
    "check_interval_seconds": Field(type="integer", default=10, limits=_SECONDS),
    "response_timeout_seconds": Field(type="integer", default=5, limits=_SECONDS),
    "unhealthy_threshold": Field(type="integer", default=5, limits=_TIMES),
    "healthy_threshold": Field(type="integer", default=3, limits=_TIMES),
}
_STICKY_SESSIONS: Fields = {
    "type": Field(default="none", one_of=("cookies", "none")),
    "cookie_name": Field(pattern=r"[\w-]{2,40}"),
    "cookie_ttl_seconds": Field(type="integer", limits=(1, 34650)),
}
# What the balancer behind it needs to know.
_SETTINGS = (
    *("name", "forwarding_rules", "health_check", "sticky_sessions"),
    *("http_idle_timeout_seconds", "redirect_http_to_https"),
)


class LoadBalancers(Resource):
    path, one, many = "load_balancers", "load_balancer", "load_balancers"
    created = 202
    in_project = True
    runs = True
    taken = (422, "a load balancer with this name already exists")
    hidden = ("gone", "busy", "resized_at")
    fields = {
        "name": Field(required=True),
        "region": Field(required=True, one_of=tuple(REGIONS), fixed=True),
        "size_unit": Field(type="integer", default=1, limits=(1, 100)),
        "algorithm": Field(default="round_robin", one_of=("round_robin",)),
        "tag": Field(default="", pattern=TAG.pattern, message=TAG.message),
        "droplet_ids": Field(type="integer", many=True, refers="droplets"),
        "forwarding_rules": Field(type="object", many=True, required=True, fields=_RULE),
        "health_check": Field(type="object", fields=_HEALTH_CHECK),
        "sticky_sessions": Field(type="object", fields=_STICKY_SESSIONS),
        "http_idle_timeout_seconds": Field(type="integer", default=60, limits=(30, 600)),
        "redirect_http_to_https": Field(type="boolean", default=False),
        "enable_proxy_protocol": Field(type="boolean", default=False),
        "enable_backend_keepalive": Field(type="boolean", default=False),
        "disable_lets_encrypt_dns_records": Field(type="boolean", default=False),
        "vpc_uuid": Field(fixed=True),
    }

    def complete(self, call: Call, item: Item) -> None:
        item["vpc_uuid"] = vpc_of(call.state, item["region"], item["vpc_uuid"])
        item |= {"status": "new", "ip": "", "created_at": now()}
        item |= {"busy": True, "resized_at": time.time()}

    def check(self, state: State, item: Item) -> None:
        if item["tag"] and item["droplet_ids"]:
            raise refused("use either tag or droplet_ids, not both")
        add_tags(state, [item["tag"]] if item["tag"] else [])
        for rule in item["forwarding_rules"]:
            if (rule["entry_protocol"] == "https") != bool(rule["certificate_id"]):
                raise refused("certificate_id is invalid")
        sticky = item["sticky_sessions"]
        if sticky["type"] == "none":
            item["sticky_sessions"] = {"type": "none"}
        elif not (sticky["cookie_name"] and sticky["cookie_ttl_seconds"]):
            raise refused("cookies need a cookie_name and cookie_ttl_seconds")

    def changed(self, call: Call, before: Item, item: Item) -> None:
        if call.values.get("region") not in (None, item["region"]):
            raise refused("the region of a load balancer cannot be changed")
        if before["busy"]:
            raise ApiError(403, BUSY)
        if item["size_unit"] != before["size_unit"]:
            if time.time() - before["resized_at"] < SECONDS_BETWEEN_SIZES:
                raise refused("size_unit can be changed once an hour")
            item["resized_at"] = time.time()
        item["busy"] = any(item[name] != before[name] for name in _SETTINGS)

    def view(self, state: State, item: Item) -> Item:
        return super().view(state, item) | {
            "region": REGIONS[item["region"]],
            "droplet_ids": [droplet["id"] for droplet, _ in _members(state, item)],
            "type": "REGIONAL",
            "network": "EXTERNAL",
        }

    # What runs behind it

    def wanted(self, state: State, item: Item) -> Any:
        """All that what runs behind it has to know."""
        members = {droplet["name"]: address for droplet, address in _members(state, item)}
        return {name: item[name] for name in _SETTINGS}, members

    def run(self, engines: DockerEngines, item: Item, members: dict[str, str]) -> Item:
        """Make it so; what changes in the object."""
        address = engines.balance(item, members)
        return {"status": "active", "ip": address, "busy": False}

    def stop(self, engines: DockerEngines, item: Item) -> None:
        engines.unbalance(item["id"])


def _members(state: State, balancer: Item) -> list[tuple[Item, str]]:
    """The droplets that it stands before, those with its tag or named, and their addresses."""
    droplets = named_droplets(state, balancer["droplet_ids"], [balancer["tag"]])
    return [(one, one["address"]) for one in droplets if one["address"] and one["status"] != "new"]
