"""Alert policies on droplets, and uptime checks of pages with their alerts."""

from __future__ import annotations

import ssl
import urllib.request

from .fields import Field, Fields, Item, refused
from .resource import Answer, Call, Resource, route
from .store import State, now

_SECONDS = 3.0
_RECEIVERS: Fields = {"email": Field(many=True), "slack": Field(type="object", many=True)}


class AlertPolicies(Resource):
    path, one, many, kind = "monitoring/alerts", "policy", "policies", "alert_policies"
    key = "uuid"
    created = 200
    fields = {
        "type": Field(
            required=True,
            pattern=r"v1/(insights/(droplet|lbaas)|dbaas/alerts)/[a-z_0-9]+",
            message="type is not a metric",
        ),
        "description": Field(required=True),
        "compare": Field(required=True, one_of=("GreaterThan", "LessThan")),
        "value": Field(type="number", required=True),
        "window": Field(required=True, one_of=("5m", "10m", "30m", "1h")),
        "entities": Field(many=True),
        "tags": Field(many=True),
        "alerts": Field(type="object", fields=_RECEIVERS),
        "enabled": Field(type="boolean", default=False),
    }

    def check(self, state: State, item: Item) -> None:
        if not any(item["alerts"].values()):
            raise refused("alerts must name an email address or a Slack channel")


class UptimeChecks(Resource):
    path, one, many, kind = "uptime/checks", "check", "checks", "uptime_checks"
    hidden = ("alerts",)
    fields = {
        "name": Field(required=True),
        "target": Field(required=True),
        "type": Field(required=True, one_of=("ping", "http", "https")),
        "regions": Field(many=True, one_of=("us_east", "us_west", "eu_west", "se_asia")),
        "enabled": Field(type="boolean", default=True),
    }

    def complete(self, call: Call, item: Item) -> None:
        item["alerts"] = {}

    @route("GET", "<key>/state")
    def state_of(self, call: Call, key: str) -> Answer:
        """It looks when it is asked, from this machine: nobody else reaches a rehearsal."""
        check = self.find(call.state, key)
        region = {
            "status": "UP" if _answers(check["target"]) else "DOWN",
            "status_changed_at": now(),
            "thirty_day_uptime_percentage": 100,
        }
        return {"state": {"regions": dict.fromkeys(check["regions"], region)}}, 200


class UptimeAlerts(Resource):
    path, one, many = "uptime/checks/<parent>/alerts", "alert", "alerts"
    parent = UptimeChecks()
    fields = {
        "name": Field(required=True),
        "type": Field(required=True, one_of=("latency", "down", "down_global", "ssl_expiry")),
        "threshold": Field(type="integer", default=0),
        "comparison": Field(one_of=("greater_than", "less_than")),
        "period": Field(required=True, one_of=("2m", "3m", "5m", "10m", "15m", "30m", "1h")),
        "notifications": Field(type="object", fields=_RECEIVERS),
    }

    def view(self, state: State, item: Item) -> Item:
        return {name: value for name, value in item.items() if value is not None}


def _answers(target: str) -> bool:
    """Whether the page there is well, whoever signed its certificate."""
    context = ssl._create_unverified_context()  # noqa: S323, SLF001 - a rehearsal's own authority
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        urllib.request.build_opener(*handlers).open(target, timeout=_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
