"""Keys to Spaces: the resource digitalocean_spaces_key."""

from __future__ import annotations

from typing import Any

from .fields import State, computed, not_empty, required
from .resource import SdkResource


class SpacesKey(SdkResource):
    name = "spaces_key"
    errors = {
        "create": "Error creating spaces key",
        "read": "Error retrieving spaces key",
        "update": "Error updating spaces key",
        "delete": "Error deleting spaces key",
    }
    fields = {
        "name": required("string", refuse=not_empty),
        "access_key": computed("string"),
        "secret_key": computed("string", sensitive=True),
        "created_at": computed("string"),
    }
    blocks = {"grant": {"bucket": required("string"), "permission": required("string")}}

    def do_create(self, planned: State, given: State) -> State:
        key = self.client.post("spaces/keys", _wanted(planned))["key"]
        planned["id"] = key["access_key"]
        # Told this once.
        return _found(planned | {"secret_key": key["secret_key"]}, key)

    def do_read(self, state: State) -> State:
        return _found(state, self.client.get(f"spaces/keys/{state['id']}")["key"])

    def do_update(self, current: State, planned: State) -> State:
        key = self.client.put(f"spaces/keys/{current['id']}", _wanted(planned))["key"]
        return _found(planned | {"secret_key": current["secret_key"]}, key)

    def do_delete(self, state: State) -> None:
        self.client.delete(f"spaces/keys/{state['id']}")


def _wanted(planned: State) -> dict[str, Any]:
    return {"name": planned["name"], "grants": planned["grant"] or []}


def _found(state: State, key: dict[str, Any]) -> State:
    return state | {
        "id": key["access_key"],
        "name": key["name"],
        "access_key": key["access_key"],
        "created_at": key["created_at"],
        "grant": key["grants"],
    }
