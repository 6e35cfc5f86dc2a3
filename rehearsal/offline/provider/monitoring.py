"""Alerts on what a droplet uses, and uptime checks of the page with theirs."""

from __future__ import annotations

import struct

from .resource import Resource
from .schema import LIST, STRINGS, block, computed, not_empty, one_of, optional, required


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
        "type": required(refuse=not_empty),
        "description": required(refuse=not_empty),
        "compare": required(refuse=one_of("greaterthan", "lessthan")),
        "value": required("number", from_api=_float32),
        "window": required(refuse=one_of("5m", "10m", "30m", "1h")),
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
        "name": required(refuse=not_empty),
        "target": required(refuse=not_empty),
        "type": optional(default="https", refuse=one_of("ping", "http", "https")),
        "regions": optional(STRINGS, unset=None),
        "enabled": optional("bool", default=True, unset=False),
    }


class UptimeAlert(Resource):
    name, title = "uptime_alert", "Alert"
    path, one = "uptime/checks/{check_id}/alerts", "alert"
    imported = ("check_id",)
    fields = {
        "check_id": required(refuse=not_empty, api="", read=""),
        "name": required(refuse=not_empty),
        "type": required(refuse=one_of("latency", "down", "down_global", "ssl_expiry")),
        # What is not set is sent, too.
        "threshold": optional("number", unset=0),
        "comparison": optional(unset="", refuse=one_of("greater_than", "less_than")),
        "period": optional(unset="", refuse=one_of("2m", "3m", "5m", "10m", "15m", "30m", "1h")),
        "notifications": block(_RECEIVERS, ordered=True, single=True),
    }
