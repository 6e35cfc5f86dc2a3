"""Droplets, and the actions that change them."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from functools import partial

from .account import TAG, add_tags
from .catalog import IMAGES, REGIONS, SIZES, vpc_of
from .fields import Field, Fields, Item, read, refused
from .resource import NO_CONTENT, Answer, Call, Resource, route
from .store import State, next_id, now

_HOSTNAME = Field(
    required=True,
    pattern=r"(?=.{1,255}$)[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]",
    message="Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)",
)
_POLICY = Field(
    type="object",
    fields={
        "plan": Field(one_of=("daily", "weekly")),
        "weekday": Field(one_of=("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")),
        "hour": Field(type="integer", default=0, one_of=(0, 4, 8, 12, 16, 20)),
    },
)
_OPTIONS = ("monitoring", "backups")


def _invalid(what: str) -> str:
    return f"You specified an invalid {what} for Droplet creation."


class Droplets(Resource):
    path, one, many = "droplets", "droplet", "droplets"
    verbs = ("list", "create", "get", "delete")
    numbered = True
    in_project = True
    created = 202
    filters = ("name",)
    fields = {
        "name": _HOSTNAME,
        "region": Field(default="fra1", one_of=tuple(REGIONS), message=_invalid("region")),
        "size": Field(required=True, one_of=tuple(SIZES), message=_invalid("size")),
        "image": Field(required=True, one_of=tuple(IMAGES), message=_invalid("image")),
        "ssh_keys": Field(type="", many=True, refers="keys", message=_invalid("SSH key")),
        "tags": Field(many=True, pattern=TAG.pattern, message=TAG.message),
        "vpc_uuid": Field(),
        "user_data": Field(pattern=r"(?s).{0,65536}", message="User data must be 64 KiB or less."),
        "volumes": Field(type="", many=True, one_of=("",), message="Volumes are not rehearsed."),
        "backup_policy": _POLICY,
        **{option: Field(type="boolean", default=False) for option in _OPTIONS},
    }

    def complete(self, call: Call, item: Item) -> None:
        keys = [call.state["keys"][str(key)] for key in item["ssh_keys"]]
        item["ssh_keys"] = [key["public_key"] for key in keys]
        item["vpc_uuid"] = vpc_of(call.state, item["region"], item["vpc_uuid"])
        add_tags(call.state, item["tags"])
        item |= {
            **{name: SIZES[item["size"]][name] for name in ("memory", "vcpus", "disk")},
            "features": [
                *("droplet_agent", "private_networking"),
                *(option for option in _OPTIONS if item[option]),
            ],
            "status": "new",
            "locked": True,
            "created_at": now(),
            "address": None,
        }
        action = new_action(call.state, "droplet", item, "create")
        call.later.append(partial(call.cloud.boot, item["id"], action["id"]))

    def chosen(self, item: Item, query: Mapping[str, str]) -> bool:
        return super().chosen(item, query) and query.get("tag_name", "") in ("", *item["tags"])

    def view(self, state: State, item: Item) -> Item:
        size = SIZES[item["size"]]
        kept = ("id", "name", "memory", "vcpus", "disk", "locked", "status", "created_at", "tags")
        return {name: item[name] for name in (*kept, "features", "vpc_uuid")} | {
            "backup_ids": [],
            "next_backup_window": None,
            "snapshot_ids": [],
            "image": IMAGES[item["image"]],
            "volume_ids": [],
            "size": size,
            "size_slug": size["slug"],
            "networks": _networks(state, item),
            "region": REGIONS[item["region"]],
        }

    @route("DELETE", "<key>")
    def delete(self, call: Call, key: str, parent: str = "") -> Answer:
        item = self.find(call.state, key)
        call.first.append(partial(call.cloud.destroy, item["id"]))
        return NO_CONTENT


def _networks(state: State, droplet: Item) -> Item:
    """Its addresses: its own first, a reserved IP as one more."""
    reserved = state["reserved_ips"].values()
    mapped = [one["ip"] for one in reserved if one["droplet_id"] == droplet["id"]]
    addresses = [droplet["address"], *mapped]
    return {"v4": [_network(address) for address in addresses if address], "v6": []}


def _network(address: str) -> Item:
    network = ipaddress.ip_network(f"{address}/20", strict=False)
    return {
        "ip_address": address,
        "netmask": str(network.netmask),
        "gateway": str(network.network_address + 1),
        "type": "public",
    }


class Actions(Resource):
    """Notes of what is done to droplets and reserved IPs, the newest first."""

    path, one, many = "actions", "action", "actions"
    verbs: tuple[str, ...] = ("list", "get")

    def items(self, state: State, parent: str = "") -> dict[str, Item]:
        found = dict(reversed(state["actions"].items()))
        if self.parent is None:
            return found
        number = action_number(self.parent.find(state, parent))
        return {key: action for key, action in found.items() if action["resource_id"] == number}


def action_number(item: Item) -> int:
    """What actions name a droplet or a reserved IP by: its id, or its address as one number."""
    return int(item["id"] if "id" in item else ipaddress.IPv4Address(item["ip"]))


class DropletActions(Actions):
    path = "droplets/<parent>/actions"
    parent = Droplets()
    verbs = ("list", "get", "create")

    @route("POST", "")
    def create(self, call: Call, parent: str = "") -> Answer:
        droplet = Droplets().find(call.state, parent)
        kind = str(call.values.get("type") or "")
        if droplet["locked"]:
            raise refused("Droplet already has a pending event.")
        after, work = _begin(kind, droplet, call)
        note = new_action(call.state, "droplet", droplet, kind)
        if work:
            droplet["locked"] = True
            call.later.append(
                partial(call.cloud.act, droplet["id"], note["id"], lambda: work() or after)
            )
        else:
            droplet |= after
            end_action(note, "completed")
        return {"action": note}, 201


_SIZE: Fields = {
    "size": Field(required=True, one_of=tuple(SIZES), message="You specified an invalid size."),
    "disk": Field(type="boolean", default=False),
}


def _begin(kind: str, droplet: Item, call: Call) -> tuple[Item, Callable[[], None] | None]:
    """What an action changes in a droplet, and what its machine has to do for that."""
    driver, number = call.cloud.driver, droplet["id"]
    others = [feature for feature in droplet["features"] if feature != "backups"]
    match kind:
        case "power_off":
            _need(droplet, "active", "Droplet is already powered off.")
            return {"status": "off"}, partial(driver.power_off, number)
        case "power_on":
            _need(droplet, "off", "Droplet is already powered on.")
            return {"status": "active"}, partial(driver.power_on, number)
        case "resize":
            _need(droplet, "off", "Droplet must be powered off before it is resized.")
            after = _resized(droplet, read(_SIZE, call.values, call.state))
            return after, partial(driver.resize, number, after["vcpus"], after["memory"])
        case "rename":
            return read({"name": _HOSTNAME}, call.values, call.state), None
        case "enable_backups":
            return {"features": [*others, "backups"]}, None
        case "disable_backups":
            return {"features": others}, None
        case "change_backup_policy":
            if "backups" not in droplet["features"]:
                raise refused("Backups are not enabled for this Droplet.")
            return read({"backup_policy": _POLICY}, call.values, call.state), None
    raise refused(f"The action {kind!r} is not rehearsed.")


def _need(droplet: Item, status: str, refusal: str) -> None:
    if droplet["status"] != status:
        raise refused(refusal)


def _resized(droplet: Item, given: Item) -> Item:
    size = SIZES[given["size"]]
    if size["disk"] < droplet["disk"]:
        raise refused("This size is not available because it has a smaller disk.")
    return {
        "size": size["slug"],
        "memory": size["memory"],
        "vcpus": size["vcpus"],
        "disk": size["disk"] if given["disk"] else droplet["disk"],
    }


def new_action(state: State, kind: str, item: Item, what: str) -> Item:
    """A note of what is done to a resource, in the state already."""
    action = {
        "id": next_id(state),
        "status": "in-progress",
        "type": what,
        "started_at": now(),
        "completed_at": None,
        "resource_id": action_number(item),
        "resource_type": kind,
        "region": REGIONS[item["region"]],
        "region_slug": item["region"],
    }
    state["actions"][str(action["id"])] = action
    return action


def end_action(action: Item, status: str) -> None:
    """Note what came of it."""
    action |= {"status": status, "completed_at": now()}
