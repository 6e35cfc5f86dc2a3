"""Actions: what is done to a droplet that is there, and what came of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from .catalog import SIZES
from .droplet_state import check_name, known, new_action
from .endpoint import Answer, body, cloud, page_of, text
from .errors import not_found, unprocessable

if TYPE_CHECKING:
    from collections.abc import Callable

routes = Blueprint("actions", __name__)


@routes.get("/v2/actions")
def list_actions() -> Answer:
    with cloud().store.read() as state:
        return page_of("actions", list(reversed(state["actions"].values())))


@routes.get("/v2/actions/<int:action_id>")
def get_action(action_id: int) -> Answer:
    with cloud().store.read() as state:
        if str(action_id) not in state["actions"]:
            raise not_found()
        return {"action": state["actions"][str(action_id)]}, 200


@routes.get("/v2/droplets/<int:droplet_id>/actions")
def list_droplet_actions(droplet_id: int) -> Answer:
    with cloud().store.read() as state:
        known(state, droplet_id)
        actions = [
            action
            for action in reversed(state["actions"].values())
            if action["resource_id"] == droplet_id
        ]
        return page_of("actions", actions)


@routes.get("/v2/droplets/<int:droplet_id>/actions/<int:action_id>")
def get_droplet_action(droplet_id: int, action_id: int) -> Answer:
    with cloud().store.read() as state:
        action = state["actions"].get(str(action_id))
        if action is None or action["resource_id"] != droplet_id:
            raise not_found()
        return {"action": action}, 200


def _rename(droplet: dict[str, Any], values: dict[str, Any]) -> None:
    name = text(values, "name")
    check_name(name)
    droplet["name"] = name


def _feature(droplet: dict[str, Any], feature: str, *, wanted: bool) -> None:
    others = [other for other in droplet["features"] if other != feature]
    droplet["features"] = [*others, feature] if wanted else others


def _new_size(droplet: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """What a resize changes in a droplet."""
    size = SIZES.get(str(values.get("size")))
    if size is None:
        raise unprocessable("You specified an invalid size.")
    if droplet["status"] != "off":
        raise unprocessable("Droplet must be powered off before it is resized.")
    if size["disk"] < droplet["disk"]:
        raise unprocessable("This size is not available because it has a smaller disk.")
    grown = {"disk": size["disk"]} if values.get("disk") else {}
    return grown | {
        "size_slug": size["slug"],
        "memory": size["memory"],
        "vcpus": size["vcpus"],
    }


def _instant(droplet: dict[str, Any], kind: str, values: dict[str, Any]) -> bool:
    """Do what needs no machine; whether it was such an action."""
    if kind == "rename":
        _rename(droplet, values)
    elif kind == "enable_ipv6":
        _feature(droplet, "ipv6", wanted=True)
    elif kind == "change_backup_policy":
        if "backups" not in droplet["features"]:
            raise unprocessable("Backups are not enabled for this Droplet.")
    elif kind in ("enable_backups", "disable_backups"):
        _feature(droplet, "backups", wanted=kind == "enable_backups")
    else:
        return False
    return True


def _work(
    droplet: dict[str, Any], kind: str, values: dict[str, Any]
) -> tuple[Callable[[], None], dict[str, Any]]:
    """What is to be done to the machine, and what its droplet is afterwards."""
    driver, droplet_id, is_off = cloud().driver, droplet["id"], droplet["status"] == "off"
    if kind in ("power_off", "shutdown"):
        if is_off:
            raise unprocessable("Droplet is already powered off.")
        return partial(driver.power_off, droplet_id), {"status": "off"}
    if kind == "power_on":
        if not is_off:
            raise unprocessable("Droplet is already powered on.")
        return partial(driver.power_on, droplet_id), {"status": "active"}
    if kind in ("reboot", "power_cycle"):
        if is_off:
            raise unprocessable("Droplet is powered off.")
        return partial(driver.reboot, droplet_id), {}
    if kind == "resize":
        size = _new_size(droplet, values)
        return partial(driver.resize, droplet_id, size["vcpus"], size["memory"]), size
    raise unprocessable(f"The action {kind!r} is not rehearsed.")


@routes.post("/v2/droplets/<int:droplet_id>/actions")
def create_action(droplet_id: int) -> Answer:
    values = body()
    kind = text(values, "type")
    with cloud().store.change() as state:
        droplet = known(state, droplet_id)
        if droplet["locked"]:
            raise unprocessable("Droplet already has a pending event.")
        if _instant(droplet, kind, values):
            return {"action": new_action(state, droplet, kind, done=True)}, 201
        work, after = _work(droplet, kind, values)
        droplet["locked"] = True
        action = new_action(state, droplet, kind)
    cloud().act(droplet_id, work, after)
    return {"action": action}, 201
