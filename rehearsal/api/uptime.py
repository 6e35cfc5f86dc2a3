"""Uptime checks: looks at a page from outside, and who is told when it does not answer."""

from __future__ import annotations

import ssl
import urllib.request
import uuid
from typing import Any

from flask import Blueprint

from .clock import now
from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, strings, text
from .errors import not_found, unprocessable
from .store import State

routes = Blueprint("uptime", __name__)

_REGIONS = ("us_east", "us_west", "eu_west", "se_asia")
_TYPES = ("latency", "down", "down_global", "ssl_expiry")
_CHECK = ("id", "name", "type", "target", "regions", "enabled")
_SECONDS = 3.0


def _known(state: State, check_id: str) -> dict[str, Any]:
    """The check with this id."""
    check: dict[str, Any] | None = state["uptime_checks"].get(check_id)
    if check is None:
        raise not_found()
    return check


def _view(check: dict[str, Any]) -> dict[str, Any]:
    return {key: check[key] for key in _CHECK}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """What a request says of a check."""
    regions = strings(values, "regions")
    if unknown := [region for region in regions if region not in _REGIONS]:
        raise unprocessable(f"{unknown[0]!r} is not a region of uptime checks")
    if values.get("type") not in ("ping", "http", "https"):
        raise unprocessable("type must be ping, http or https")
    return {
        "name": text(values, "name"),
        "target": text(values, "target"),
        "type": values["type"],
        "regions": regions,
        "enabled": bool(values.get("enabled", True)),
    }


@routes.get("/v2/uptime/checks")
def list_checks() -> Answer:
    with cloud().store.read() as state:
        return page_of("checks", [_view(check) for check in state["uptime_checks"].values()])


@routes.post("/v2/uptime/checks")
def create_check() -> Answer:
    values = _given(body())
    with cloud().store.change() as state:
        check = {"id": str(uuid.uuid4()), **values, "alerts": {}}
        state["uptime_checks"][check["id"]] = check
        return {"check": _view(check)}, 201


@routes.get("/v2/uptime/checks/<check_id>")
def get_check(check_id: str) -> Answer:
    with cloud().store.read() as state:
        return {"check": _view(_known(state, check_id))}, 200


@routes.put("/v2/uptime/checks/<check_id>")
def update_check(check_id: str) -> Answer:
    values = _given(body())
    with cloud().store.change() as state:
        check = _known(state, check_id)
        check |= values
        return {"check": _view(check)}, 200


@routes.delete("/v2/uptime/checks/<check_id>")
def delete_check(check_id: str) -> Answer:
    with cloud().store.change() as state:
        _known(state, check_id)
        del state["uptime_checks"][check_id]
    return NO_CONTENT


@routes.get("/v2/uptime/checks/<check_id>/state")
def get_state(check_id: str) -> Answer:
    """It looks when it is asked, from this machine: nobody else reaches a rehearsal."""
    with cloud().store.read() as state:
        check = _known(state, check_id)
    region = {
        "status": "UP" if _answers(check["target"]) else "DOWN",
        "status_changed_at": now(),
        "thirty_day_uptime_percentage": 100,
    }
    return {"state": {"regions": dict.fromkeys(check["regions"], region)}}, 200


def _answers(target: str) -> bool:
    """Whether the page there is well. Whose certificate it has is not looked at."""
    context = ssl._create_unverified_context()  # noqa: S323, SLF001 - a rehearsal's own authority
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        urllib.request.build_opener(*handlers).open(target, timeout=_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True


def _alert(values: dict[str, Any]) -> dict[str, Any]:
    """What a request says of an alert."""
    if values.get("type") not in _TYPES:
        raise unprocessable(f"type must be one of {', '.join(_TYPES)}")
    told = values.get("notifications") or {}
    comparison = values.get("comparison")
    return {
        "name": text(values, "name"),
        "type": values["type"],
        "threshold": int(values.get("threshold") or 0),
        **({"comparison": comparison} if comparison else {}),
        "period": text(values, "period"),
        "notifications": {"email": strings(told, "email"), "slack": told.get("slack") or []},
    }


def _known_alert(state: State, check_id: str, alert_id: str) -> dict[str, Any]:
    alert: dict[str, Any] | None = _known(state, check_id)["alerts"].get(alert_id)
    if alert is None:
        raise not_found()
    return alert


@routes.get("/v2/uptime/checks/<check_id>/alerts")
def list_alerts(check_id: str) -> Answer:
    with cloud().store.read() as state:
        return page_of("alerts", list(_known(state, check_id)["alerts"].values()))


@routes.post("/v2/uptime/checks/<check_id>/alerts")
def create_alert(check_id: str) -> Answer:
    alert = {"id": str(uuid.uuid4()), **_alert(body())}
    with cloud().store.change() as state:
        _known(state, check_id)["alerts"][alert["id"]] = alert
    return {"alert": alert}, 201


@routes.get("/v2/uptime/checks/<check_id>/alerts/<alert_id>")
def get_alert(check_id: str, alert_id: str) -> Answer:
    with cloud().store.read() as state:
        return {"alert": _known_alert(state, check_id, alert_id)}, 200


@routes.put("/v2/uptime/checks/<check_id>/alerts/<alert_id>")
def update_alert(check_id: str, alert_id: str) -> Answer:
    values = _alert(body())
    with cloud().store.change() as state:
        alert = _known_alert(state, check_id, alert_id)
        alert |= values
        return {"alert": alert}, 200


@routes.delete("/v2/uptime/checks/<check_id>/alerts/<alert_id>")
def delete_alert(check_id: str, alert_id: str) -> Answer:
    with cloud().store.change() as state:
        _known_alert(state, check_id, alert_id)
        del _known(state, check_id)["alerts"][alert_id]
    return NO_CONTENT
