"""Alert policies: who is told when a droplet's processor, memory or disk is used too much."""

from __future__ import annotations

import re
import uuid
from typing import Any

from flask import Blueprint

from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, strings, text
from .errors import not_found, unprocessable
from .store import State

routes = Blueprint("alert_policies", __name__)


def _known(state: State, policy_id: str) -> dict[str, Any]:
    """The policy with this id."""
    policy: dict[str, Any] | None = state["alert_policies"].get(policy_id)
    if policy is None:
        raise not_found()
    return policy


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """What a request says of a policy."""
    kind = text(values, "type")
    if not re.fullmatch(r"v1/(insights/(droplet|lbaas)|dbaas/alerts)/[a-z_0-9]+", kind):
        raise unprocessable(f"{kind!r} is not a metric")
    if values.get("compare") not in ("GreaterThan", "LessThan"):
        raise unprocessable("compare must be GreaterThan or LessThan")
    told = values.get("alerts") or {}
    email, slack = strings(told, "email"), told.get("slack") or []
    if not (email or slack):
        raise unprocessable("alerts must name an email address or a Slack channel")
    return {
        "type": kind,
        "description": text(values, "description"),
        "compare": values["compare"],
        "value": values["value"],
        "window": text(values, "window"),
        "entities": strings(values, "entities"),
        "tags": strings(values, "tags"),
        "alerts": {"email": email, "slack": slack},
        "enabled": bool(values.get("enabled")),
    }


@routes.get("/v2/monitoring/alerts")
def list_policies() -> Answer:
    with cloud().store.read() as state:
        return page_of("policies", list(state["alert_policies"].values()))


@routes.post("/v2/monitoring/alerts")
def create_policy() -> Answer:
    policy = {"uuid": str(uuid.uuid4()), **_given(body())}
    with cloud().store.change() as state:
        state["alert_policies"][policy["uuid"]] = policy
    return {"policy": policy}, 200


@routes.get("/v2/monitoring/alerts/<policy_id>")
def get_policy(policy_id: str) -> Answer:
    with cloud().store.read() as state:
        return {"policy": _known(state, policy_id)}, 200


@routes.put("/v2/monitoring/alerts/<policy_id>")
def update_policy(policy_id: str) -> Answer:
    values = _given(body())
    with cloud().store.change() as state:
        policy = _known(state, policy_id)
        policy |= values
        return {"policy": policy}, 200


@routes.delete("/v2/monitoring/alerts/<policy_id>")
def delete_policy(policy_id: str) -> Answer:
    with cloud().store.change() as state:
        _known(state, policy_id)
        del state["alert_policies"][policy_id]
    return NO_CONTENT
