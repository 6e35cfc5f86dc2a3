"""Droplets, and the actions that change them: each needs a status, and leads to another."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from .account import key_of
from .catalog import IMAGES, REGIONS, SIZES, Images, vpc_of
from .fields import ApiError, Field, Fields, Item, read, refused
from .resource import NO_CONTENT, Answer, Call, Resource
from .store import State, next_id, now
from .tags import TAG, add_tags

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
    urn = "droplet"
    created = 202
    filters = ("name",)
    fields = {
        "name": _HOSTNAME,
        "region": Field(default="fra1", one_of=tuple(REGIONS), message=_invalid("region")),
        "size": Field(required=True, one_of=tuple(SIZES), message=_invalid("size")),
        "image": Field(type="", required=True, message=_invalid("image")),
        "ssh_keys": Field(type="", many=True),
        "tags": Field(many=True, pattern=TAG.pattern, message=TAG.message),
        "vpc_uuid": Field(),
        "user_data": Field(pattern=r"(?s).{0,65536}", message="User data must be 64 KiB or less."),
        "volumes": Field(type="", many=True, one_of=("",), message="Volumes are not rehearsed."),
        "backup_policy": _POLICY,
        **{option: Field(type="boolean", default=False) for option in _OPTIONS},
    }

    def complete(self, call: Call, item: Item) -> None:
        try:
            item["image"] = Images().find(call.state, item["image"])["slug"]
        except ApiError:
            raise refused(_invalid("image")) from None
        item["ssh_keys"] = _public_keys(call.state, item["ssh_keys"])
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

    def create(self, call: Call, parent: str = "") -> Answer:
        item = self.add(call)
        action = new_action(call.state, "droplet", item, "create")
        call.later.append(partial(call.cloud.boot, item["id"], action["id"]))
        href = f"{call.url.removesuffix('/').removesuffix('droplets')}actions/{action['id']}"
        links = {"actions": [{"id": action["id"], "rel": "create", "href": href}]}
        return {"droplet": self.view(call.state, item), "links": links}, 202

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

    def delete(self, call: Call, key: str, parent: str = "") -> Answer:
        item = self.find(call.state, key)
        call.later.append(partial(call.cloud.destroy, item["id"]))
        return NO_CONTENT


def _public_keys(state: State, keys: list[object]) -> list[str]:
    """The public keys that a request names by number or fingerprint."""
    found = [key_of(state, key) for key in keys]
    if wrong := [key for key, one in zip(keys, found, strict=True) if one is None]:
        raise refused(f"{wrong} are invalid key identifiers for Droplet creation.")
    return [one["public_key"] for one in found if one]


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


def _backups(droplet: Item, *, wanted: bool) -> Item:
    others = [feature for feature in droplet["features"] if feature != "backups"]
    return {"features": [*others, "backups"] if wanted else others}


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


def _other_policy(droplet: Item, given: Item) -> Item:
    if "backups" not in droplet["features"]:
        raise refused("Backups are not enabled for this Droplet.")
    return given


@dataclass(frozen=True, kw_only=True)
class Action:
    """An action on a droplet: what it needs, what does it, and what the droplet is then."""

    fields: Fields = field(default_factory=dict)
    #: The status that the droplet has to have, and what is answered otherwise.
    needs: str = ""
    refusal: str = ""
    #: The driver's method, and its arguments, by their names in the droplet; "": done at once.
    work: str = ""
    arguments: tuple[str, ...] = ()
    #: What changes in the droplet, given the droplet and what the request says.
    after: Callable[[Item, Item], Item] = lambda _droplet, given: given


_SIZE = Field(required=True, one_of=tuple(SIZES), message="You specified an invalid size.")
ACTIONS = {
    "power_off": Action(
        needs="active",
        refusal="Droplet is already powered off.",
        work="power_off",
        after=lambda _droplet, _given: {"status": "off"},
    ),
    "power_on": Action(
        needs="off",
        refusal="Droplet is already powered on.",
        work="power_on",
        after=lambda _droplet, _given: {"status": "active"},
    ),
    "resize": Action(
        fields={"size": _SIZE, "disk": Field(type="boolean", default=False)},
        needs="off",
        refusal="Droplet must be powered off before it is resized.",
        work="resize",
        arguments=("vcpus", "memory"),
        after=_resized,
    ),
    "rename": Action(fields={"name": _HOSTNAME}),
    "enable_backups": Action(after=lambda droplet, _given: _backups(droplet, wanted=True)),
    "disable_backups": Action(after=lambda droplet, _given: _backups(droplet, wanted=False)),
    "change_backup_policy": Action(fields={"backup_policy": _POLICY}, after=_other_policy),
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

    def create(self, call: Call, parent: str = "") -> Answer:
        droplet = Droplets().find(call.state, parent)
        kind = str(call.values.get("type") or "")
        if kind not in ACTIONS:
            raise refused(f"The action {kind!r} is not rehearsed.")
        if droplet["locked"]:
            raise refused("Droplet already has a pending event.")
        action = ACTIONS[kind]
        if action.needs and droplet["status"] != action.needs:
            raise refused(action.refusal)
        after = action.after(droplet, read(action.fields, call.values, call.state))
        note = new_action(call.state, "droplet", droplet, kind)
        if action.work:
            droplet["locked"] = True

            def work() -> Item:
                values = [after[name] for name in action.arguments]
                getattr(call.cloud.driver, action.work)(droplet["id"], *values)
                return after

            call.later.append(partial(call.cloud.act, droplet["id"], note["id"], work))
        else:
            droplet |= after
            end_action(note, "completed")
        return {"action": note}, 201


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
