"""Load balancers: made, changed, removed. What runs behind them is the keeper's business."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from .catalog import REGIONS
from .clock import now
from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, text
from .errors import not_found, unprocessable
from .load_balancer_state import members, urn
from .project_state import default_project, project_of
from .tags import add_tag
from .vpcs import default_vpc

if TYPE_CHECKING:
    from .store import State

routes = Blueprint("load_balancers", __name__)

_RULE = ("entry_protocol", "entry_port", "target_protocol", "target_port")
_HEALTH = {
    "protocol": "http",
    "port": 80,
    "path": "/",
    "check_interval_seconds": 10,
    "response_timeout_seconds": 5,
    "unhealthy_threshold": 3,
    "healthy_threshold": 5,
}
# The smallest and the largest of each number.
_LIMITS = {
    "check_interval_seconds": (3, 300),
    "response_timeout_seconds": (3, 300),
    "unhealthy_threshold": (2, 10),
    "healthy_threshold": (2, 10),
    "http_idle_timeout_seconds": (30, 600),
    "size_unit": (1, 100),
    "cookie_ttl_seconds": (1, 34650),
}
_SWITCHES = ("redirect_http_to_https", "enable_proxy_protocol", "enable_backend_keepalive")


def _within_limits(values: dict[str, Any]) -> dict[str, Any]:
    for name, (least, most) in _LIMITS.items():
        if name in values and not least <= int(values[name]) <= most:
            raise unprocessable(f"{name} must be between {least} and {most}")
    return values


def _rules(state: State, values: dict[str, Any]) -> list[dict[str, Any]]:
    rules = []
    for given in values.get("forwarding_rules") or []:
        if any(not given.get(name) for name in _RULE):
            raise unprocessable("a forwarding rule needs two protocols and two ports")
        certificate = given.get("certificate_id") or ""
        secure = given["entry_protocol"] == "https"
        plain = given["entry_protocol"] == "http"
        if not (secure or plain) or given["target_protocol"] != "http":
            raise unprocessable("Rules for anything but http and https to http are not rehearsed.")
        if secure != (certificate in state["certificates"]):
            raise unprocessable("certificate_id is invalid")
        rule = {name: given[name] for name in _RULE}
        rules.append({**rule, "certificate_id": certificate, "tls_passthrough": False})
    if not rules:
        raise unprocessable("at least one forwarding rule must be provided")
    return rules


def _sticky(values: dict[str, Any]) -> dict[str, Any]:
    given = values.get("sticky_sessions") or {"type": "none"}
    if given.get("type") != "cookies":
        return {"type": "none"}
    name = given.get("cookie_name") or ""
    if not (2 <= len(name) <= 40 and re.fullmatch(r"[\w-]+", name)):
        raise unprocessable("cookie_name must have 2 to 40 letters, digits, dashes, underscores")
    ttl = int(given.get("cookie_ttl_seconds") or 0)
    return _within_limits({"type": "cookies", "cookie_name": name, "cookie_ttl_seconds": ttl})


def _targets(state: State, values: dict[str, Any]) -> dict[str, Any]:
    """The droplets that a request names: by tag or by number."""
    tag, numbers = values.get("tag") or "", values.get("droplet_ids") or []
    if tag and numbers:
        raise unprocessable("use either tag or droplet_ids, not both")
    if any(str(number) not in state["droplets"] for number in numbers):
        raise unprocessable("droplet_ids names a droplet that does not exist")
    if tag:
        add_tag(state, tag)
    return {"tag": tag, "droplet_ids": sorted(set(numbers))}


def _given(state: State, values: dict[str, Any]) -> dict[str, Any]:
    """All that a request says of a load balancer."""
    if values.get("algorithm", "round_robin") != "round_robin" or values.get("firewall"):
        raise unprocessable("Another algorithm than round_robin, or a firewall, is not rehearsed.")
    numbers = {
        "size_unit": int(values.get("size_unit") or 1),
        "http_idle_timeout_seconds": int(values.get("http_idle_timeout_seconds") or 60),
    }
    return {
        "name": text(values, "name"),
        **_within_limits(numbers),
        **_targets(state, values),
        "forwarding_rules": _rules(state, values),
        "health_check": _within_limits(_HEALTH | (values.get("health_check") or {})),
        "sticky_sessions": _sticky(values),
        **{name: bool(values.get(name)) for name in _SWITCHES},
        "disable_lets_encrypt_dns_records": bool(values.get("disable_lets_encrypt_dns_records")),
    }


def _view(state: State, balancer: dict[str, Any]) -> dict[str, Any]:
    hidden = ("gone", "region_slug")
    return {key: value for key, value in balancer.items() if key not in hidden} | {
        "region": REGIONS[balancer["region_slug"]],
        "droplet_ids": [droplet["id"] for droplet, _ in members(state, balancer)],
        "project_id": project_of(state, urn(balancer["id"]))["id"],
        "algorithm": "round_robin",
        "type": "REGIONAL",
        "network": "EXTERNAL",
    }


def _there(state: State) -> list[dict[str, Any]]:
    """All but those that are on their way out."""
    return [one for one in state["load_balancers"].values() if not one["gone"]]


def _known(state: State, balancer_id: str) -> dict[str, Any]:
    for balancer in _there(state):
        if balancer["id"] == balancer_id:
            return balancer
    raise not_found()


@routes.get("/v2/load_balancers")
def list_balancers() -> Answer:
    with cloud().store.read() as state:
        return page_of("load_balancers", [_view(state, one) for one in _there(state)])


@routes.post("/v2/load_balancers")
def create_balancer() -> Answer:
    values = body()
    region = values.get("region")
    with cloud().store.change() as state:
        if region not in REGIONS:
            raise unprocessable("region is invalid")
        vpc = default_vpc(state, region)["id"]
        if values.get("vpc_uuid") not in (None, "", vpc):
            raise unprocessable("vpc_uuid is invalid")
        given = _given(state, values)
        if any(one["name"] == given["name"] for one in _there(state)):
            raise unprocessable("a load balancer with this name already exists")
        balancer: dict[str, Any] = given | {
            "id": str(uuid.uuid4()),
            "status": "new",
            "ip": "",
            "created_at": now(),
            "region_slug": region,
            "vpc_uuid": vpc,
            "gone": False,
        }
        state["load_balancers"][balancer["id"]] = balancer
        default_project(state)["resources"][urn(balancer["id"])] = now()
        return {"load_balancer": _view(state, balancer)}, 202


@routes.get("/v2/load_balancers/<balancer_id>")
def get_balancer(balancer_id: str) -> Answer:
    with cloud().store.read() as state:
        return {"load_balancer": _view(state, _known(state, balancer_id))}, 200


@routes.put("/v2/load_balancers/<balancer_id>")
def update_balancer(balancer_id: str) -> Answer:
    values = body()
    with cloud().store.change() as state:
        balancer = _known(state, balancer_id)
        if values.get("region") not in (None, balancer["region_slug"]):
            raise unprocessable("the region of a load balancer cannot be changed")
        balancer |= _given(state, values)
        return {"load_balancer": _view(state, balancer)}, 200


@routes.delete("/v2/load_balancers/<balancer_id>")
def delete_balancer(balancer_id: str) -> Answer:
    with cloud().store.change() as state:
        _known(state, balancer_id)["gone"] = True
        project_of(state, urn(balancer_id))["resources"].pop(urn(balancer_id))
    return NO_CONTENT
