"""Tags: the resource digitalocean_tag."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .fields import State, computed, required
from .resource import SdkResource

if TYPE_CHECKING:
    from .client import Client

_COUNTS = {
    "droplets_count": "droplets",
    "images_count": "images",
    "volumes_count": "volumes",
    "volume_snapshots_count": "volume_snapshots",
    "databases_count": "databases",
}


def check_tag(value: Any) -> str | None:
    """What is wrong with the name of a tag."""
    if re.fullmatch(r"[a-zA-Z0-9:\-_]{1,255}", str(value)):
        return None
    return "may only contain letters, numbers, colons, dashes and underscores, at most 255"


def set_tags(client: Client, kind: str, key: str, old: list[str], new: list[str]) -> None:
    """Bring a resource's tags from old to new."""
    resource = {"resources": [{"resource_id": key, "resource_type": kind}]}
    for tag in sorted(set(old) - set(new)):
        client.delete(f"tags/{tag}/resources", resource)
    for tag in sorted(set(new) - set(old)):
        client.post("tags", {"name": tag})
        client.post(f"tags/{tag}/resources", resource)


class Tag(SdkResource):
    name = "tag"
    errors = {
        "create": "Error creating tag",
        "read": "Error retrieving tag",
        "delete": "Error deleting tag",
    }
    fields = {
        "name": required("string", force_new=True, refuse=check_tag),
        "total_resource_count": computed("number"),
        **{field: computed("number") for field in _COUNTS},
    }

    def do_create(self, planned: State, given: State) -> State:
        planned["id"] = self.client.post("tags", {"name": planned["name"]})["tag"]["name"]
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        tag = self.client.get(f"tags/{state['id']}")["tag"]
        resources = tag["resources"]
        return {
            "id": state["id"],
            "name": tag["name"],
            "total_resource_count": resources["count"],
            **{field: resources[kind]["count"] for field, kind in _COUNTS.items()},
        }

    def do_update(self, current: State, planned: State) -> State:
        return self.do_read(planned)  # its only attribute makes a new one

    def do_delete(self, state: State) -> None:
        self.client.delete(f"tags/{state['id']}")
