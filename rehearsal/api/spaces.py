"""Keys to Spaces: each opens some buckets, or all. The Spaces themselves are in object_store.py."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint

from .clock import now
from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, text
from .errors import not_found, unprocessable
from .store import State

routes = Blueprint("spaces", __name__)
_PERMISSIONS = ("read", "readwrite", "fullaccess")


def _shown(key: dict[str, Any]) -> dict[str, Any]:
    """A key as it is shown ever after: its secret half is told once."""
    return {field: value for field, value in key.items() if field != "secret_key"}


def _grants(values: dict[str, Any]) -> list[dict[str, str]]:
    grants = values.get("grants") or []
    for grant in grants:
        everything = grant.get("permission") == "fullaccess"
        if grant.get("permission") not in _PERMISSIONS or everything == bool(grant.get("bucket")):
            raise unprocessable("A grant names a bucket, or, with fullaccess, none.")
    return [{"bucket": grant["bucket"], "permission": grant["permission"]} for grant in grants]


def _known(state: State, access_key: str) -> dict[str, Any]:
    key: dict[str, Any] | None = state["spaces_keys"].get(access_key)
    if key is None:
        raise not_found()
    return key


@routes.get("/v2/spaces/keys")
def list_keys() -> Answer:
    with cloud().store.read() as state:
        return page_of("keys", [_shown(key) for key in state["spaces_keys"].values()])


@routes.post("/v2/spaces/keys")
def create_key() -> Answer:
    values = body()
    key = {
        "name": text(values, "name"),
        "access_key": f"DO{secrets.token_hex(9).upper()}",
        "secret_key": secrets.token_urlsafe(32),
        "grants": _grants(values),
        "created_at": now(),
    }
    with cloud().store.change() as state:
        state["spaces_keys"][str(key["access_key"])] = key
    return {"key": key}, 201


@routes.get("/v2/spaces/keys/<access_key>")
def get_key(access_key: str) -> Answer:
    with cloud().store.read() as state:
        return {"key": _shown(_known(state, access_key))}, 200


@routes.put("/v2/spaces/keys/<access_key>")
def change_key(access_key: str) -> Answer:
    values = body()
    with cloud().store.change() as state:
        key = _known(state, access_key)
        key |= {"name": text(values, "name"), "grants": _grants(values)}
        return {"key": _shown(key)}, 200


@routes.delete("/v2/spaces/keys/<access_key>")
def delete_key(access_key: str) -> Answer:
    with cloud().store.change() as state:
        _known(state, access_key)
        del state["spaces_keys"][access_key]
    return NO_CONTENT
