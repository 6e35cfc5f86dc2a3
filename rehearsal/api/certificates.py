"""Certificates that DigitalOcean gets for the names of its DNS, for load balancers to show."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from .clock import now
from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, query, strings, text
from .errors import ApiError, not_found, unprocessable

if TYPE_CHECKING:
    from .store import State

routes = Blueprint("certificates", __name__)

_DAYS = 90


def _known(state: State, certificate_id: str) -> dict[str, Any]:
    if certificate_id not in state["certificates"]:
        raise not_found()
    certificate: dict[str, Any] = state["certificates"][certificate_id]
    return certificate


def _in_a_zone(state: State, name: str) -> bool:
    return any(f".{name}".endswith(f".{zone}") for zone in state["domains"])


@routes.get("/v2/certificates")
def list_certificates() -> Answer:
    name = query("name")
    with cloud().store.read() as state:
        listed = state["certificates"].values()
        return page_of("certificates", [one for one in listed if name in (None, one["name"])])


@routes.post("/v2/certificates")
def create_certificate() -> Answer:
    values = body()
    if values.get("type") != "lets_encrypt":
        raise unprocessable("Certificates of one's own are not rehearsed.")
    names = strings(values, "dns_names")
    with cloud().store.change() as state:
        if strangers := [name for name in names if not _in_a_zone(state, name)]:
            raise unprocessable(f"{strangers[0]} is not managed by DigitalOcean's DNS")
        name = text(values, "name")
        if any(one["name"] == name for one in state["certificates"].values()):
            raise unprocessable("certificate name must be unique")
        number = str(uuid.uuid4())
        until = datetime.now(UTC) + timedelta(days=_DAYS)
        made = {
            "id": number,
            "name": name,
            "type": "lets_encrypt",
            "dns_names": names,
            "not_after": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "sha1_fingerprint": hashlib.sha1(number.encode(), usedforsecurity=False).hexdigest(),
            "created_at": now(),
            # By the time that somebody asks again.
            "state": "verified",
        }
        state["certificates"][number] = made
        return {"certificate": made | {"state": "pending"}}, 201


@routes.get("/v2/certificates/<certificate_id>")
def get_certificate(certificate_id: str) -> Answer:
    with cloud().store.read() as state:
        return {"certificate": _known(state, certificate_id)}, 200


@routes.delete("/v2/certificates/<certificate_id>")
def delete_certificate(certificate_id: str) -> Answer:
    with cloud().store.change() as state:
        _known(state, certificate_id)
        for balancer in state["load_balancers"].values():
            rules = () if balancer["gone"] else balancer["forwarding_rules"]
            if any(rule["certificate_id"] == certificate_id for rule in rules):
                raise ApiError(
                    403,
                    "forbidden",
                    "Make sure the certificate is not in use before deleting it",
                )
        del state["certificates"][certificate_id]
    return NO_CONTENT
