"""Uptime checks and their alerts: digitalocean_uptime_check and digitalocean_uptime_alert."""

from __future__ import annotations

from typing import Any

from .client import ApiError
from .fields import State, not_empty, one_of, optional, required
from .resource import SdkResource

_PERIODS = ("2m", "3m", "5m", "10m", "15m", "30m", "1h")


class UptimeCheck(SdkResource):
    name = "uptime_check"
    errors = {
        "create": "Error creating Check",
        "read": "Error retrieving check",
        "update": "Error updating Check",
        "delete": "Error deleting Check",
    }
    fields = {
        "name": required("string", refuse=not_empty),
        "target": required("string", refuse=not_empty),
        "type": optional("string", default="https", refuse=one_of("ping", "http", "https")),
        "regions": optional("strings"),
        "enabled": optional("bool", default=True),
    }

    def do_create(self, planned: State, given: State) -> State:
        made = self.client.post("uptime/checks", self._body(planned))
        planned["id"] = made["check"]["id"]
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        check = self.client.get(f"uptime/checks/{state['id']}")["check"]
        return {"id": state["id"], **{key: check[key] for key in self.fields}}

    def do_update(self, current: State, planned: State) -> State:
        self.client.put(f"uptime/checks/{current['id']}", self._body(planned))
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        self.client.delete(f"uptime/checks/{state['id']}")

    @staticmethod
    def _body(state: State) -> dict[str, Any]:
        return {key: state[key] for key in ("name", "type", "target", "regions", "enabled")}


class UptimeAlert(SdkResource):
    name = "uptime_alert"
    errors = {
        "create": "Error creating Alert",
        "read": "Error retrieving Alert",
        "update": "Error updating Alert",
        "delete": "Error deleting Alert",
    }
    fields = {
        "check_id": required("string", refuse=not_empty),
        "name": required("string", refuse=not_empty),
        "type": required("string", refuse=one_of("latency", "down", "down_global", "ssl_expiry")),
        "threshold": optional("number"),
        "comparison": optional("string", refuse=one_of("greater_than", "less_than")),
        "period": optional("string", refuse=one_of(*_PERIODS)),
    }
    blocks = {"notifications": {"email": optional("strings")}}

    def do_create(self, planned: State, given: State) -> State:
        made = self.client.post(self._path(planned), self._body(planned))
        planned["id"] = made["alert"]["id"]
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        alert = self.client.get(f"{self._path(state)}/{state['id']}")["alert"]
        return {
            "id": state["id"],
            "check_id": state["check_id"],
            **{key: alert.get(key) for key in self.fields if key != "check_id"},
            "notifications": [{"email": alert["notifications"]["email"]}],
        }

    def do_import(self, state: State) -> State:
        check, _, alert = str(state["id"]).partition(",")
        if not alert:
            raise ApiError(0, "must use the format: check_id,alert_id")
        return self.do_read(state | {"id": alert, "check_id": check})

    def do_update(self, current: State, planned: State) -> State:
        self.client.put(f"{self._path(planned)}/{current['id']}", self._body(planned))
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        self.client.delete(f"{self._path(state)}/{state['id']}")

    @staticmethod
    def _path(state: State) -> str:
        return f"uptime/checks/{state['check_id']}/alerts"

    @staticmethod
    def _body(state: State) -> dict[str, Any]:
        [told] = state["notifications"]
        return {
            "name": state["name"],
            "type": state["type"],
            # What is not set is sent, too.
            "threshold": int(state["threshold"] or 0),
            "comparison": state["comparison"] or "",
            "period": state["period"] or "",
            "notifications": {"email": told["email"], "slack": None},
        }
