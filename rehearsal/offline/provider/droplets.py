"""Droplets: the resource digitalocean_droplet."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from .client import SECONDS_BETWEEN_LOOKS
from .resource import Resource, Wait
from .schema import STRINGS, State, block, body, computed, kept, optional, required

# The real provider looks first after 10 s and then every 3 s at most.
_ACTIVE = Wait(pending=("new", "off"), target="active")
_OFF = Wait(pending=("active",), target="off")
_UNLOCKED = Wait(pending=(True,), target=False, field="locked")


def _hash(value: str) -> str:
    return hashlib.sha1(value.encode(), usedforsecurity=False).hexdigest()


def _number(key: str) -> int | str:
    return int(key) if key.isdigit() else key


def _feature(name: str, **more: Any) -> Any:
    """A switch that an answer has among the droplet's features."""
    listed = {"read": "features", "from_api": lambda found: name in found}
    return optional("bool", default=False, unset=False, **listed, **more)


class Droplet(Resource):
    name, title = "droplet", "droplet"
    path, one = "droplets", "droplet"
    urn = "droplet"
    version = 1
    made = Wait(pending=("new",), target="active")
    fields = {
        # It is not read back: its slug may name a newer one by now.
        "image": required(force_new=True, read="", to_api=_number),
        "name": required(),
        "region": optional(
            computed=True, force_new=True, state=str.lower, read="region.slug", unset=""
        ),
        "size": required(state=str.lower, read="size.slug"),
        "backups": _feature("backups"),
        "monitoring": _feature("monitoring", force_new=True),
        "resize_disk": kept("bool", default=True),
        "ssh_keys": optional(
            STRINGS, force_new=True, unset=[], read="", to_api=lambda keys: [*map(_number, keys)]
        ),
        "user_data": kept(
            force_new=True, state=_hash, same=lambda old, new: old in (new, _hash(new))
        ),
        "tags": optional(STRINGS, unset=[]),
        "vpc_uuid": optional(computed=True, force_new=True),
        "backup_policy": block(
            {"plan": optional(), "weekday": optional(), "hour": optional("number", unset=0)},
            ordered=True,
            single=True,
            read="",
        ),
        # The first: a reserved IP is one more, after the droplet's own.
        "ipv4_address": computed(
            read="networks.v4", from_api=lambda found: found[0]["ip_address"] if found else ""
        ),
        "price_monthly": computed("number", read="size.price_monthly"),
    }

    def body(self, state: State) -> State:
        user_data = {"user_data": self.config["user_data"]} if self.config["user_data"] else {}
        return super().body(state) | user_data

    def import_(self, state: State) -> State:
        image = self.get(state)["image"]
        # As the real one, which cannot know how the droplet was made.
        return self.read(state | {"image": image["slug"] or str(image["id"]), "resize_disk": True})

    def update(self, current: State, planned: State) -> State:
        changed = {key for key in planned if planned[key] != current.get(key)}
        if "size" in changed:
            self._resize(planned)
        if "name" in changed:
            self.act(planned, "rename", name=planned["name"])
            self.wait(planned, Wait((current["name"],), planned["name"], field="name"))
        policy = body({"backup_policy": self.fields["backup_policy"]}, planned)
        # An action names a day always: none where there is a backup every day.
        policy = {name: {"weekday": ""} | given for name, given in policy.items()}
        if "backups" in changed and planned["backups"]:
            self.act(planned, "enable_backups", **policy)
        elif "backups" in changed:
            self.act(planned, "disable_backups")
        if "backup_policy" in changed and policy:
            self.act(planned, "change_backup_policy", **policy)
        if "tags" in changed:
            self._set_tags(planned["id"], set(current["tags"] or []), set(planned["tags"] or []))
        return self.read(planned)

    def delete(self, state: State) -> None:
        self.wait(state, _UNLOCKED)
        super().delete(state)
        while True:
            self.get(state)  # 404 at last
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _set_tags(self, key: str, old: set[str], new: set[str]) -> None:
        """As the real one, the old go first."""
        droplet = {"resources": [{"resource_id": key, "resource_type": "droplet"}]}
        for tag in sorted(old - new):
            self.client.request("DELETE", f"tags/{tag}/resources", droplet)
        for tag in sorted(new - old):
            self.client.request("POST", "tags", {"name": tag})
            self.client.request("POST", f"tags/{tag}/resources", droplet)

    def _resize(self, planned: State) -> None:
        self.act_if_needed(planned, "power_off")
        self.wait(planned, _OFF)
        try:
            self.act(planned, "resize", size=planned["size"], disk=bool(planned["resize_disk"]))
        finally:
            self.act(planned, "power_on")
            self.wait(planned, _ACTIVE)
