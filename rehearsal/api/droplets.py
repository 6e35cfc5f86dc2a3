"""Droplets and what is done to them."""

from __future__ import annotations

import ipaddress
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from .account import find_key
from .catalog import IMAGES, REGIONS, SIZES, find_image
from .errors import not_found, unprocessable
from .firewalls import guards
from .others import default_vpc
from .projects import default_project
from .store import State, next_id
from .tags import add_tag
from .web import NO_CONTENT, Answer, body, cloud, now, page_of, query, strings, text

if TYPE_CHECKING:
    from collections.abc import Callable

routes = Blueprint("droplets", __name__)

_NAME = re.compile(r"[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]")


def _gateway(address: str, prefix: int) -> str:
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False).network_address + 1)


def _networks(droplet: dict[str, Any]) -> dict[str, Any]:
    v4, v6 = [], []
    for kind, prefix in (("public", 20), ("private", 20)):
        if address := droplet[f"{kind}_ipv4"]:
            network = ipaddress.ip_network(f"{address}/{prefix}", strict=False)
            v4.append(
                {
                    "ip_address": address,
                    "netmask": str(network.netmask),
                    "gateway": _gateway(address, prefix) if kind == "public" else "",
                    "type": kind,
                }
            )
    if "ipv6" in droplet["features"] and (address := droplet["public_ipv6"]):
        v6.append(
            {
                "ip_address": address,
                "netmask": 64,
                "gateway": _gateway(address, 64),
                "type": "public",
            }
        )
    return {"v4": v4, "v6": v6}


def view(droplet: dict[str, Any]) -> dict[str, Any]:
    """A droplet as the API answers it."""
    size = SIZES[droplet["size_slug"]]
    kept = ("id", "name", "memory", "vcpus", "disk", "locked", "status", "created_at")
    return {key: droplet[key] for key in kept} | {
        "features": droplet["features"],
        "backup_ids": [],
        "next_backup_window": None,
        "snapshot_ids": [],
        "image": IMAGES[droplet["image_slug"]],
        "volume_ids": [],
        "size": size,
        "size_slug": droplet["size_slug"],
        "networks": _networks(droplet),
        "region": REGIONS[droplet["region_slug"]],
        "tags": droplet["tags"],
        "vpc_uuid": droplet["vpc_uuid"],
        "kernel": None,
    }


def _known(state: State, droplet_id: int) -> dict[str, Any]:
    if str(droplet_id) not in state["droplets"]:
        raise not_found()
    droplet: dict[str, Any] = state["droplets"][str(droplet_id)]
    return droplet


def _new_action(
    state: State, droplet: dict[str, Any], kind: str, done: bool = False
) -> dict[str, Any]:
    action = {
        "id": next_id(state),
        "status": "completed" if done else "in-progress",
        "type": kind,
        "started_at": now(),
        "completed_at": now() if done else None,
        "resource_id": droplet["id"],
        "resource_type": "droplet",
        "region": REGIONS[droplet["region_slug"]],
        "region_slug": droplet["region_slug"],
    }
    state["actions"][str(action["id"])] = action
    return action


@routes.get("/v2/droplets")
def list_droplets() -> Answer:
    tag, name = query("tag_name"), query("name")
    with cloud().store.read() as state:
        droplets = [
            view(droplet)
            for droplet in state["droplets"].values()
            if (tag is None or tag in droplet["tags"]) and (name is None or name == droplet["name"])
        ]
        return page_of("droplets", droplets)


def _public_keys(state: State, wanted: list[object]) -> list[str]:
    keys = []
    for key in wanted:
        found = find_key(state, key)
        if found is None:
            raise unprocessable(f"{key} are invalid key identifiers for Droplet creation.")
        keys.append(found["public_key"])
    return keys


@routes.post("/v2/droplets")
def create_droplet() -> Answer:
    values = body()
    if "names" in values:
        raise unprocessable("Making several droplets at once is not rehearsed; give one name.")
    name = text(values, "name")
    if not _NAME.fullmatch(name) or len(name) > 255:
        raise unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
    region, size = values.get("region") or "fra1", values.get("size")
    image = find_image(values.get("image"))
    if region not in REGIONS:
        raise unprocessable("You specified an invalid region for Droplet creation.")
    if size not in SIZES:
        raise unprocessable("You specified an invalid size for Droplet creation.")
    if image is None:
        raise unprocessable("You specified an invalid image for Droplet creation.")
    if values.get("volumes"):
        raise unprocessable("Volumes are not rehearsed.")
    user_data = values.get("user_data") or None
    if user_data is not None and len(user_data.encode()) > 64 * 1024:
        raise unprocessable("User data must be 64 KiB or less.")
    features = ["droplet_agent", "private_networking"]
    features += [feature for feature in ("monitoring", "ipv6", "backups") if values.get(feature)]

    with cloud().store.change() as state:
        vpc = default_vpc(state, region)
        if values.get("vpc_uuid") not in (None, "", vpc["id"]):
            raise unprocessable("You specified an invalid VPC for Droplet creation.")
        droplet: dict[str, Any] = {
            "id": next_id(state),
            "name": name,
            "region_slug": region,
            "size_slug": size,
            "image_slug": image["slug"],
            "memory": SIZES[size]["memory"],
            "vcpus": SIZES[size]["vcpus"],
            "disk": SIZES[size]["disk"],
            "features": features,
            "status": "new",
            "locked": True,
            "created_at": now(),
            "tags": strings(values, "tags"),
            "vpc_uuid": vpc["id"],
            "public_ipv4": None,
            "private_ipv4": None,
            "public_ipv6": None,
            "ssh_public_keys": _public_keys(state, values.get("ssh_keys") or []),
            "user_data": user_data,
        }
        for tag in droplet["tags"]:
            add_tag(state, tag)
        state["droplets"][str(droplet["id"])] = droplet
        default_project(state)["resources"][f"do:droplet:{droplet['id']}"] = now()
        action = _new_action(state, droplet, "create")
        answer = view(droplet)
    cloud().boot(droplet["id"])
    href = f"{request.host_url}v2/actions/{action['id']}"
    links = {"actions": [{"id": action["id"], "rel": "create", "href": href}]}
    return {"droplet": answer, "links": links}, 202


@routes.get("/v2/droplets/<int:droplet_id>")
def get_droplet(droplet_id: int) -> Answer:
    with cloud().store.read() as state:
        return {"droplet": view(_known(state, droplet_id))}, 200


@routes.delete("/v2/droplets/<int:droplet_id>")
def delete_droplet(droplet_id: int) -> Answer:
    cloud().destroy(droplet_id)
    return NO_CONTENT


@routes.delete("/v2/droplets")
def delete_tagged_droplets() -> Answer:
    tag = query("tag_name")
    if not tag:
        raise unprocessable("tag_name is missing")
    with cloud().store.read() as state:
        found = [droplet["id"] for droplet in state["droplets"].values() if tag in droplet["tags"]]
    for droplet_id in found:
        cloud().destroy(droplet_id)
    return NO_CONTENT


@routes.get("/v2/droplets/<int:droplet_id>/firewalls")
def list_droplet_firewalls(droplet_id: int) -> Answer:
    with cloud().store.read() as state:
        droplet = _known(state, droplet_id)
        walls = [wall for wall in state["firewalls"].values() if guards(wall, droplet)]
        return page_of("firewalls", walls)


@routes.get("/v2/droplets/<int:droplet_id>/snapshots", defaults={"key": "snapshots"})
@routes.get("/v2/droplets/<int:droplet_id>/backups", defaults={"key": "backups"})
def list_droplet_images(droplet_id: int, key: str) -> Answer:
    with cloud().store.read() as state:
        _known(state, droplet_id)
        return page_of(key, [])


# Actions


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
        _known(state, droplet_id)
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
    if not _NAME.fullmatch(name):
        raise unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
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
        droplet = _known(state, droplet_id)
        if droplet["locked"]:
            raise unprocessable("Droplet already has a pending event.")
        if _instant(droplet, kind, values):
            return {"action": _new_action(state, droplet, kind, done=True)}, 201
        work, after = _work(droplet, kind, values)
        droplet["locked"] = True
        action = _new_action(state, droplet, kind)
    cloud().act(droplet_id, work, after)
    return {"action": action}, 201
