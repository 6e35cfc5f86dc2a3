"""Alerts on what a droplet uses: the resource digitalocean_monitor_alert."""

from __future__ import annotations

import struct
from typing import Any

from .fields import State, computed, not_empty, one_of, optional, required
from .resource import SdkResource


def _float32(value: float) -> float:
    """The number as the real provider keeps it: 90.1 comes back as another one."""
    (kept,) = struct.unpack("f", struct.pack("f", value))
    return float(kept)


class MonitorAlert(SdkResource):
    name = "monitor_alert"
    errors = {
        "create": "Error creating Alert Policy",
        "read": "Error retrieving Alert Policy",
        "update": "Error updating Alert Policy",
        "delete": "Error deleting Alert Policy",
    }
    fields = {
        "type": required("string", refuse=not_empty),
        "description": required("string", refuse=not_empty),
        "compare": required("string", refuse=one_of("greaterthan", "lessthan")),
        "value": required("number"),
        "window": required("string", refuse=one_of("5m", "10m", "30m", "1h")),
        "enabled": optional("bool", default=True),
        "entities": optional("strings"),
        "tags": optional("strings"),
        "uuid": computed("string"),
    }
    blocks = {"alerts": {"email": optional("strings")}}

    def do_create(self, planned: State, given: State) -> State:
        made = self.client.post("monitoring/alerts", self._body(planned))
        planned["id"] = made["policy"]["uuid"]
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        policy = self.client.get(f"monitoring/alerts/{state['id']}")["policy"]
        return {
            "id": state["id"],
            **{key: policy[key] for key in self.fields if key != "uuid"},
            "value": _float32(policy["value"]),
            "uuid": None,  # the real one declares it and never sets it
            "alerts": [{"email": policy["alerts"]["email"]}],
        }

    def do_update(self, current: State, planned: State) -> State:
        self.client.put(f"monitoring/alerts/{current['id']}", self._body(planned))
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        self.client.delete(f"monitoring/alerts/{state['id']}")

    @staticmethod
    def _body(state: State) -> dict[str, Any]:
        [told] = state["alerts"]
        keys = ("type", "description", "compare", "value", "window")
        return {
            **{key: state[key] for key in keys},
            "enabled": bool(state["enabled"]),
            "entities": state["entities"] or [],
            "tags": state["tags"] or [],
            "alerts": {"email": told["email"], "slack": None},
        }
