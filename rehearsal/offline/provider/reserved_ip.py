"""Reserved IPs: the resource digitalocean_reserved_ip."""

from __future__ import annotations

import ipaddress
import time
from typing import Any

from .client import SECONDS_BETWEEN_LOOKS, ApiError
from .fields import State, computed, optional, required
from .resource import SdkResource

#: The real provider looks first after 10 s and then every 3 s at most.
_UNPROCESSABLE = 422


def _ipv4(value: Any) -> str | None:
    """What is wrong with an address."""
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        return f"expected a valid IPv4 address, got: {value}"
    return None


class ReservedIp(SdkResource):
    name = "reserved_ip"
    errors = {
        "create": "Error creating reserved IP",
        "read": "Error retrieving reserved IP",
        "update": "Error assigning reserved IP to the Droplet",
        "delete": "Error deleting reserved IP",
    }
    fields = {
        "region": required("string", force_new=True, state=str.lower),
        "droplet_id": optional("number"),
        "ip_address": optional("string", computed=True, refuse=_ipv4),
        "urn": computed("string"),
    }

    def do_create(self, planned: State, given: State) -> State:
        made = self.client.post("reserved_ips", {"region": planned["region"]})
        planned["id"] = made["reserved_ip"]["ip"]
        if planned["droplet_id"]:
            self._assign(planned)
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        reserved = self.client.get(f"reserved_ips/{state['id']}")["reserved_ip"]
        found = state | {
            "ip_address": reserved["ip"],
            "urn": f"do:reservedip:{reserved['ip']}",
            "region": reserved["region"]["slug"],
        }
        # As the real one: an assignment that was taken back elsewhere is not noticed.
        if state["droplet_id"] and reserved["droplet"]:
            found |= {
                "region": reserved["droplet"]["region"]["slug"],
                "droplet_id": reserved["droplet"]["id"],
            }
        return found

    def do_update(self, current: State, planned: State) -> State:
        if planned["droplet_id"] != current["droplet_id"]:
            if planned["droplet_id"]:
                self._assign(planned)
            else:
                self._act(planned, {"type": "unassign"})
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        if state["droplet_id"]:
            try:
                self._act(state, {"type": "unassign"})
            except ApiError as error:
                if error.status != _UNPROCESSABLE:  # it is on no droplet any more
                    raise
        self.client.delete(f"reserved_ips/{state['id']}")

    def do_import(self, state: State) -> State:
        reserved = self.client.get(f"reserved_ips/{state['id']}")["reserved_ip"]
        droplet = reserved["droplet"]
        return self.do_read(state | {"droplet_id": droplet["id"] if droplet else None})

    def _assign(self, planned: State) -> None:
        """Map it to its droplet, once nothing else is being done to that."""
        droplet = int(planned["droplet_id"])
        while any(
            action["status"] not in ("completed", "errored")
            for action in self.client.get(f"droplets/{droplet}/actions?per_page=50")["actions"]
        ):
            time.sleep(SECONDS_BETWEEN_LOOKS)
        self._act(planned, {"type": "assign", "droplet_id": droplet})

    def _act(self, state: State, what: dict[str, Any]) -> None:
        """Ask for an action and wait until it is done."""
        path = f"reserved_ips/{state['id']}/actions"
        action = self.client.post(path, what)["action"]
        while action["status"] in ("new", "in-progress"):
            time.sleep(SECONDS_BETWEEN_LOOKS)
            action = self.client.get(f"{path}/{action['id']}")["action"]
        if action["status"] != "completed":
            raise ApiError(
                409, f"Error waiting for reserved IP ({state['id']}): {what['type']} errored"
            )
