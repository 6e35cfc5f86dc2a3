"""Droplets: made, listed, removed."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from .account import find_key
from .catalog import IMAGES, REGIONS, SIZES, find_image
from .clock import now
from .droplet_state import check_name, known, new_action
from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, query, strings, text
from .errors import unprocessable
from .firewall_state import guards
from .project_state import default_project
from .store import State, next_id
from .tags import add_tag
from .vpcs import default_vpc

if TYPE_CHECKING:
    from collections.abc import Iterator

routes = Blueprint("droplets", __name__)


def _gateway(address: str, prefix: int) -> str:
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False).network_address + 1)


def _addresses(state: State, droplet: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Its IPv4 addresses and their kinds: its own first, a reserved IP as one more public one."""
    for kind in ("public", "private"):
        if address := droplet[f"{kind}_ipv4"]:
            yield kind, address
    for reserved in state["reserved_ips"].values():
        if reserved["droplet_id"] == droplet["id"]:
            yield "public", reserved["ip"]


def _networks(state: State, droplet: dict[str, Any]) -> dict[str, Any]:
    v4, v6, prefix = [], [], 20
    for kind, address in _addresses(state, droplet):
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


def view(state: State, droplet: dict[str, Any]) -> dict[str, Any]:
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
        "networks": _networks(state, droplet),
        "region": REGIONS[droplet["region_slug"]],
        "tags": droplet["tags"],
        "vpc_uuid": droplet["vpc_uuid"],
        "kernel": None,
    }


@routes.get("/v2/droplets")
def list_droplets() -> Answer:
    tag, name = query("tag_name"), query("name")
    with cloud().store.read() as state:
        droplets = [
            view(state, droplet)
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


def _wanted(values: dict[str, Any]) -> dict[str, Any]:
    """The droplet that a request asks for, as far as it needs no look at the account."""
    if "names" in values:
        raise unprocessable("Making several droplets at once is not rehearsed; give one name.")
    name = text(values, "name")
    check_name(name)
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
    return {
        "name": name,
        "region_slug": region,
        "size_slug": size,
        "image_slug": image["slug"],
        **{field: SIZES[size][field] for field in ("memory", "vcpus", "disk")},
        "features": features,
        "tags": strings(values, "tags"),
        "user_data": user_data,
    }


def _add(state: State, wanted: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Put the droplet into the account, where it waits to be made."""
    vpc = default_vpc(state, wanted["region_slug"])
    if values.get("vpc_uuid") not in (None, "", vpc["id"]):
        raise unprocessable("You specified an invalid VPC for Droplet creation.")
    droplet: dict[str, Any] = wanted | {
        "id": next_id(state),
        "status": "new",
        "locked": True,
        "created_at": now(),
        "vpc_uuid": vpc["id"],
        "public_ipv4": None,
        "private_ipv4": None,
        "public_ipv6": None,
        "ssh_public_keys": _public_keys(state, values.get("ssh_keys") or []),
    }
    for tag in droplet["tags"]:
        add_tag(state, tag)
    state["droplets"][str(droplet["id"])] = droplet
    default_project(state)["resources"][f"do:droplet:{droplet['id']}"] = now()
    return droplet


@routes.post("/v2/droplets")
def create_droplet() -> Answer:
    values = body()
    wanted = _wanted(values)
    with cloud().store.change() as state:
        droplet = _add(state, wanted, values)
        action = new_action(state, droplet, "create")
        answer = view(state, droplet)
    cloud().boot(droplet["id"])
    href = f"{request.host_url}v2/actions/{action['id']}"
    links = {"actions": [{"id": action["id"], "rel": "create", "href": href}]}
    return {"droplet": answer, "links": links}, 202


@routes.get("/v2/droplets/<int:droplet_id>")
def get_droplet(droplet_id: int) -> Answer:
    with cloud().store.read() as state:
        return {"droplet": view(state, known(state, droplet_id))}, 200


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
        droplet = known(state, droplet_id)
        walls = [wall for wall in state["firewalls"].values() if guards(wall, droplet)]
        return page_of("firewalls", walls)


@routes.get("/v2/droplets/<int:droplet_id>/snapshots", defaults={"key": "snapshots"})
@routes.get("/v2/droplets/<int:droplet_id>/backups", defaults={"key": "backups"})
def list_droplet_images(droplet_id: int, key: str) -> Answer:
    with cloud().store.read() as state:
        known(state, droplet_id)
        return page_of(key, [])
