"""SSH keys: the resource digitalocean_ssh_key."""

from __future__ import annotations

from .fields import State, computed, not_empty, required
from .resource import SdkResource


class SshKey(SdkResource):
    name = "ssh_key"
    errors = {
        "create": "Error creating SSH Key",
        "read": "Error retrieving SSH key",
        "update": "Failed to update SSH key",
        "delete": "Error deleting SSH key",
    }
    fields = {
        "name": required("string", refuse=not_empty),
        "public_key": required(
            "string",
            refuse=not_empty,
            force_new=True,
            same=lambda old, new: old.strip() == new.strip(),
        ),
        "fingerprint": computed("string"),
    }

    def do_create(self, planned: State, given: State) -> State:
        values = {"name": planned["name"], "public_key": planned["public_key"]}
        planned["id"] = str(self.client.post("account/keys", values)["ssh_key"]["id"])
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        key = self.client.get(f"account/keys/{state['id']}")["ssh_key"]
        return {
            "id": state["id"],
            "name": key["name"],
            "public_key": key["public_key"],
            "fingerprint": key["fingerprint"],
        }

    def do_update(self, current: State, planned: State) -> State:
        self.client.put(f"account/keys/{current['id']}", {"name": planned["name"]})
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        self.client.delete(f"account/keys/{state['id']}")
