"""Droplets: the resource digitalocean_droplet."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from .client import SECONDS_BETWEEN_LOOKS, ApiError
from .fields import State, computed, is_set, not_empty, optional, required
from .resource import SdkResource
from .tag import set_tags

#: The real provider looks first after 10 s and then every 3 s at most; here
#: nobody pays for the looking.
_LONGEST_WAIT = 60 * 60.0
_PRICES = ("price_hourly", "price_monthly")


def _hash(value: str) -> str:
    return hashlib.sha1(value.encode(), usedforsecurity=False).hexdigest()


def _policy(planned: State) -> dict[str, Any]:
    """When backups are made; without a day where there is one every day."""
    [given] = planned["backup_policy"]
    policy = {"plan": given["plan"], "hour": int(given["hour"] or 0)}
    return policy | ({"weekday": given["weekday"]} if given["weekday"] else {})


def _same_user_data(old: str, new: str) -> bool:
    return new != "" and old in (new, _hash(new))


class Droplet(SdkResource):
    name = "droplet"
    version = 1
    errors = {
        "create": "Error creating droplet",
        "read": "Error retrieving droplet",
        "update": "Error updating droplet",
        "delete": "Error deleting droplet",
    }
    fields = {
        "image": required("string", force_new=True, refuse=not_empty),
        "name": required("string", refuse=not_empty),
        "region": optional(
            "string", computed=True, force_new=True, refuse=not_empty, state=str.lower
        ),
        "size": required("string", refuse=not_empty, state=str.lower),
        "graceful_shutdown": optional("bool", default=False),
        "backups": optional("bool", default=False),
        "ipv6": optional("bool", default=False),
        "ipv6_address": optional("string", computed=True),
        "private_networking": optional("bool", computed=True),
        "resize_disk": optional("bool", default=True),
        "ssh_keys": optional("strings", force_new=True),
        "user_data": optional(
            "string", force_new=True, refuse=not_empty, state=_hash, same=_same_user_data
        ),
        "volume_ids": optional("strings", computed=True),
        "monitoring": optional("bool", default=False, force_new=True),
        "droplet_agent": optional("bool", force_new=True),
        "tags": optional("strings"),
        "vpc_uuid": optional("string", computed=True, force_new=True, refuse=not_empty),
        "created_at": computed("string"),
        "urn": computed("string"),
        "disk": computed("number"),
        "vcpus": computed("number"),
        "memory": computed("number"),
        "price_hourly": computed("number"),
        "price_monthly": computed("number"),
        "status": computed("string"),
        "locked": computed("bool"),
        "ipv4_address": computed("string"),
        "ipv4_address_private": computed("string"),
    }

    blocks = {
        "backup_policy": {
            "plan": optional("string"),
            "weekday": optional("string"),
            "hour": optional("number"),
        }
    }

    def do_create(self, planned: State, given: State) -> State:
        image = planned["image"]
        values: dict[str, Any] = {
            "name": planned["name"],
            "region": planned["region"] or "",
            "size": planned["size"],
            "image": int(image) if image.isdigit() else image,
            "ssh_keys": [int(key) if key.isdigit() else key for key in planned["ssh_keys"] or []],
            "backups": bool(planned["backups"]),
            "ipv6": bool(planned["ipv6"]),
            "private_networking": bool(planned["private_networking"]),
            "monitoring": bool(planned["monitoring"]),
            "tags": planned["tags"] or [],
        }
        if planned["backup_policy"]:
            values["backup_policy"] = _policy(planned)
        if is_set(planned["vpc_uuid"]):
            values["vpc_uuid"] = planned["vpc_uuid"]
        if is_set(planned["volume_ids"]):
            values["volumes"] = [{"id": volume} for volume in planned["volume_ids"]]
        if planned["droplet_agent"] is not None:
            values["with_droplet_agent"] = planned["droplet_agent"]
        if is_set(user_data := given.get("user_data")):
            values["user_data"] = user_data
        planned["id"] = str(self.client.post("droplets", values)["droplet"]["id"])
        return self._wait(planned, "status", "active", pending=("new",))

    def do_read(self, state: State) -> State:
        droplet = self.client.get(f"droplets/{state['id']}")["droplet"]
        features = droplet["features"]
        networks = droplet["networks"]

        def address(family: str, kind: str) -> str:
            # The first one: a reserved IP is one more, after the droplet's own.
            for network in networks[family]:
                if network["type"] == kind:
                    return str(network["ip_address"]).lower()
            return ""

        # The image is not read back: its slug may name a newer one by now.
        return state | {
            "name": droplet["name"],
            "urn": f"do:droplet:{droplet['id']}",
            "region": droplet["region"]["slug"],
            "size": droplet["size"]["slug"],
            "price_hourly": droplet["size"]["price_hourly"],
            "price_monthly": droplet["size"]["price_monthly"],
            "disk": droplet["disk"],
            "vcpus": droplet["vcpus"],
            "memory": droplet["memory"],
            "status": droplet["status"],
            "locked": droplet["locked"],
            "created_at": droplet["created_at"],
            "vpc_uuid": droplet["vpc_uuid"],
            "ipv4_address": address("v4", "public"),
            "ipv4_address_private": address("v4", "private"),
            "ipv6_address": address("v6", "public"),
            "backups": "backups" in features,
            "ipv6": "ipv6" in features,
            "private_networking": "private_networking" in features,
            "monitoring": "monitoring" in features,
            "volume_ids": droplet["volume_ids"],
            "tags": droplet["tags"],
        }

    def do_import(self, state: State) -> State:
        image = self.client.get(f"droplets/{state['id']}")["droplet"]["image"]
        # As the real one, which cannot know how the droplet was made.
        found = state | {"image": image["slug"] or str(image["id"]), "resize_disk": True}
        return self.do_read(found)

    def do_update(self, current: State, planned: State) -> State:
        changed = {key for key in planned if planned[key] != current.get(key)}
        if "size" in changed:
            self._resize(planned)
        if "name" in changed:
            self._act(planned, "rename", name=planned["name"])
            self._wait(planned, "name", planned["name"], pending=(current["name"],))
        policy = {"backup_policy": _policy(planned)} if planned["backup_policy"] else {}
        if "backups" in changed:
            if planned["backups"]:
                self._act(planned, "enable_backups", **policy)
            else:
                self._act(planned, "disable_backups")
        if "backup_policy" in changed and policy:
            self._act(planned, "change_backup_policy", **policy)
        if "ipv6" in changed and planned["ipv6"]:
            self._act(planned, "enable_ipv6")
        if "tags" in changed:
            old, new = current["tags"] or [], planned["tags"] or []
            set_tags(self.client, "droplet", planned["id"], old, new)
        # The real provider, 2.99.1, notices a new price only when it reads again.
        return self.do_read(planned) | {key: current[key] for key in _PRICES}

    def do_delete(self, state: State) -> None:
        self._wait(state, "locked", False, pending=(True,))
        if state["graceful_shutdown"]:
            self._act(state, "shutdown")
            self._wait(state, "status", "off", pending=("active",))
        self.client.delete(f"droplets/{state['id']}")
        while True:
            self.client.get(f"droplets/{state['id']}")  # 404 at last
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _resize(self, planned: State) -> None:
        try:
            self._act(planned, "power_off")
        except ApiError as error:
            if "already powered off" not in str(error):
                raise
        self._wait(planned, "status", "off", pending=("active",))
        try:
            self._act(planned, "resize", size=planned["size"], disk=bool(planned["resize_disk"]))
        finally:
            self._act(planned, "power_on")
            self._wait(planned, "status", "active", pending=("off",))

    def _act(self, state: State, kind: str, **more: Any) -> None:
        """Ask for an action and wait until it is done."""
        path = f"droplets/{state['id']}/actions"
        action = self.client.post(path, {"type": kind, **more})["action"]
        while action["completed_at"] is None:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            action = self.client.get(f"actions/{action['id']}")["action"]
        if action["status"] == "errored":
            raise ApiError(409, f"action {kind} of droplet {state['id']} failed (errored)")

    def _wait(self, state: State, field: str, target: Any, pending: tuple[Any, ...]) -> State:
        """Look at the droplet until it is as it should be."""
        deadline = time.monotonic() + _LONGEST_WAIT
        while True:
            now = self.do_read(state)
            if not now["locked"]:
                if now[field] == target:
                    return now
                if now[field] not in pending:
                    raise ApiError(
                        409,
                        f"Error waiting for droplet ({state['id']}) to become ready: unexpected "
                        f"state '{now[field]}', wanted target '{target}'. What went wrong is in "
                        "the log of the rehearsal's API.",
                    )
            if time.monotonic() > deadline:
                raise ApiError(408, f"timeout while waiting for {field} to be {target}")
            time.sleep(SECONDS_BETWEEN_LOOKS)
