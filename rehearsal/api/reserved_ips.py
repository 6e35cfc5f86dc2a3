"""Reserved IPs: addresses of the account's own, mapped to a droplet and moved to another."""

from __future__ import annotations

import ipaddress
from typing import Any

from flask import Blueprint

from . import reserved_ip_state
from .catalog import REGIONS
from .clock import now
from .droplet_state import known as known_droplet
from .droplets import view as droplet_view
from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, text
from .errors import not_found, unprocessable
from .project_state import project_of
from .reserved_ip_state import known
from .store import State, next_id

routes = Blueprint("reserved_ips", __name__)


def _view(state: State, reserved: dict[str, Any]) -> dict[str, Any]:
    droplet = state["droplets"].get(str(reserved["droplet_id"]))
    return {
        "ip": reserved["ip"],
        "region": REGIONS[reserved["region_slug"]],
        "droplet": droplet_view(state, droplet) if droplet else None,
        "locked": False,
        "project_id": project_of(state, reserved_ip_state.urn(reserved["ip"]))["id"],
    }


@routes.get("/v2/reserved_ips")
def list_reserved_ips() -> Answer:
    with cloud().store.read() as state:
        found = [_view(state, reserved) for reserved in state["reserved_ips"].values()]
        return page_of("reserved_ips", found)


@routes.post("/v2/reserved_ips")
def create_reserved_ip() -> Answer:
    values = body()
    with cloud().store.change() as state:
        droplet = None
        region = values.get("region")
        if "droplet_id" in values:
            droplet = _free_droplet(state, values)
            region = droplet["region_slug"]
        if region not in REGIONS:
            raise unprocessable("You specified an invalid region.")
        address = cloud().driver.reserved_ip(set(state["reserved_ips"]))
        reserved = reserved_ip_state.add(state, address, region)
        if droplet:
            _map(state, reserved, droplet)
        return {"reserved_ip": _view(state, reserved), "links": {}}, 202


@routes.get("/v2/reserved_ips/<address>")
def get_reserved_ip(address: str) -> Answer:
    with cloud().store.read() as state:
        return {"reserved_ip": _view(state, known(state, address))}, 200


@routes.delete("/v2/reserved_ips/<address>")
def delete_reserved_ip(address: str) -> Answer:
    with cloud().store.change() as state:
        reserved = known(state, address)
        if reserved["droplet_id"]:
            raise unprocessable("The reserved IP is assigned to a Droplet.")
        reserved_ip_state.remove(state, reserved)
    return NO_CONTENT


def _number(reserved: dict[str, Any]) -> int:
    """What its actions name it by: the address as one number."""
    return int(ipaddress.IPv4Address(reserved["ip"]))


def _new_action(state: State, reserved: dict[str, Any], kind: str) -> dict[str, Any]:
    """A note of what is done to a reserved IP, in the state already."""
    action = {
        "id": next_id(state),
        "status": "in-progress",
        "type": f"{kind}_ip",
        "started_at": now(),
        "completed_at": None,
        "resource_id": _number(reserved),
        "resource_type": "reserved_ip",
        "region": REGIONS[reserved["region_slug"]],
        "region_slug": reserved["region_slug"],
    }
    state["actions"][str(action["id"])] = action
    return action


def _free_droplet(state: State, values: dict[str, Any]) -> dict[str, Any]:
    """The droplet that a request names, if nothing is being done to it."""
    droplet_id = values.get("droplet_id")
    if not isinstance(droplet_id, int) or str(droplet_id) not in state["droplets"]:
        raise unprocessable("You specified an invalid Droplet.")
    droplet = known_droplet(state, droplet_id)
    if droplet["locked"]:
        raise unprocessable("Droplet already has a pending event.")
    return droplet


def _map(state: State, reserved: dict[str, Any], droplet: dict[str, Any]) -> dict[str, Any]:
    """Assign it, and let the machine answer there in the background; the action."""
    before = reserved["droplet_id"]
    reserved_ip_state.assign(state, reserved, droplet)
    action = _new_action(state, reserved, "assign")
    now_at = {before: None} if before else {}
    cloud().map(action["id"], {**now_at, droplet["id"]: reserved["ip"]})
    return action


def _unmap(state: State, reserved: dict[str, Any]) -> dict[str, Any]:
    """Take it off its droplet; the action."""
    droplet_id = reserved["droplet_id"]
    if not droplet_id:
        raise unprocessable("The reserved IP is not assigned to a Droplet.")
    reserved["droplet_id"] = None
    action = _new_action(state, reserved, "unassign")
    cloud().map(action["id"], {droplet_id: None})
    return action


@routes.post("/v2/reserved_ips/<address>/actions")
def create_action(address: str) -> Answer:
    values = body()
    kind = text(values, "type")
    with cloud().store.change() as state:
        reserved = known(state, address)
        if kind == "assign":
            action = _map(state, reserved, _free_droplet(state, values))
        elif kind == "unassign":
            action = _unmap(state, reserved)
        else:
            raise unprocessable(f"The action {kind!r} is not one of a reserved IP.")
        return {"action": action}, 201


def _actions(state: State, address: str) -> list[dict[str, Any]]:
    number = _number(known(state, address))
    return [
        action
        for action in reversed(state["actions"].values())
        if action["resource_type"] == "reserved_ip" and action["resource_id"] == number
    ]


@routes.get("/v2/reserved_ips/<address>/actions")
def list_actions(address: str) -> Answer:
    with cloud().store.read() as state:
        return page_of("actions", _actions(state, address))


@routes.get("/v2/reserved_ips/<address>/actions/<int:action_id>")
def get_action(address: str, action_id: int) -> Answer:
    with cloud().store.read() as state:
        for action in _actions(state, address):
            if action["id"] == action_id:
                return {"action": action}, 200
    raise not_found()
