"""Alerts on what a droplet uses, and uptime checks of the page with theirs."""

from __future__ import annotations

import struct

from .resource import Resource
from .schema import LIST, STRINGS, block, computed, optional, required


def _float32(value: float) -> float:
    """The number as the real provider keeps it: 90.1 comes back as another one."""
    (kept,) = struct.unpack("f", struct.pack("f", value))
    return float(kept)


_SLACK = {"channel": required(), "url": required()}
_RECEIVERS = {"email": optional(LIST), "slack": block(_SLACK, ordered=True, unset=None)}


class MonitorAlert(Resource):
    name, title = "monitor_alert", "Alert Policy"
    path, one = "monitoring/alerts", "policy"
    key = "uuid"
    fields = {
        "type": required(),
        "description": required(),
        "compare": required(),
        "value": required("number", from_api=_float32),
        "window": required(),
        "enabled": optional("bool", default=True, unset=False),
        "entities": optional(STRINGS, unset=[]),
        "tags": optional(STRINGS, unset=[]),
        # The real one declares it and never sets it.
        "uuid": computed(read="none"),
        "alerts": block(_RECEIVERS, ordered=True, single=True),
    }


class UptimeCheck(Resource):
    name, title = "uptime_check", "Check"
    path, one = "uptime/checks", "check"
    fields = {
        "name": required(),
        "target": required(),
        "type": optional(default="https"),
        "regions": optional(STRINGS, unset=None),
        "enabled": optional("bool", default=True, unset=False),
    }


class UptimeAlert(Resource):
    name, title = "uptime_alert", "Alert"
    path, one = "uptime/checks/{check_id}/alerts", "alert"
    imported = ("check_id",)
    fields = {
        "check_id": required(api="", read=""),
        "name": required(),
        "type": required(),
        # What is not set is sent, too.
        "threshold": optional("number", unset=0),
        "comparison": optional(unset=""),
        "period": optional(unset=""),
        "notifications": block(_RECEIVERS, ordered=True, single=True),
    }
