"""What DigitalOcean answers now and then: a busy load balancer, an object not found at once.

A test asks for the next such answer; without that there is none.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, request

from .endpoint import NO_CONTENT, Answer, body, text
from .errors import ApiError

routes = Blueprint("faults", __name__)
_PLACE = "/v2/rehearsal/faults"


def _waiting() -> list[dict[str, Any]]:
    waiting: list[dict[str, Any]] = current_app.extensions.setdefault("faults", [])
    return waiting


@routes.post(_PLACE)
def ask_for_one() -> Answer:
    """{method, path, status, message}: the next such request whose path begins so fails.

    With `after`, so many of them are answered as they should be before.
    """
    values = body()
    _waiting().append(
        {
            "method": text(values, "method"),
            "path": text(values, "path"),
            "status": int(values["status"]),
            "message": text(values, "message"),
            "after": int(values.get("after") or 0),
        }
    )
    return NO_CONTENT


@routes.before_app_request
def answer_with_one() -> None:
    for fault in _waiting():
        if request.method != fault["method"] or not request.path.startswith(fault["path"]):
            continue
        if fault["after"]:
            fault["after"] -= 1
            return
        _waiting().remove(fault)
        raise ApiError(fault["status"], "fault", fault["message"])
