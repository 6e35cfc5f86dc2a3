"""The account, its balance and its SSH keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from flask import Blueprint

from .clock import now
from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, text
from .errors import not_found, unprocessable
from .store import State, next_id

routes = Blueprint("account", __name__)


@routes.get("/v2/account")
def get_account() -> Answer:
    with cloud().store.read() as state:
        account_uuid = state["account_uuid"]
    return {
        "account": {
            "droplet_limit": 10,
            "floating_ip_limit": 3,
            "reserved_ip_limit": 3,
            "volume_limit": 10,
            "email": "rehearsal@example.com",
            "name": "Rehearsal",
            "uuid": account_uuid,
            "email_verified": True,
            "status": "active",
            "status_message": "",
            "team": {"uuid": account_uuid, "name": "Rehearsal"},
        }
    }, 200


@routes.get("/v2/customers/my/balance")
def get_balance() -> Answer:
    return {
        "month_to_date_balance": "0.00",
        "account_balance": "0.00",
        "month_to_date_usage": "0.00",
        "generated_at": now(),
    }, 200


def fingerprint(public_key: str) -> str:
    """The MD5 fingerprint of a public key, which is how DigitalOcean names it."""
    parts = public_key.split()
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (IndexError, binascii.Error):
        raise unprocessable("Key invalid, please check the contents of your public key") from None
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, 32, 2))


def find_key(state: State, key: object) -> dict[str, Any] | None:
    """The key with this id or fingerprint."""
    for found in state["keys"].values():
        if str(key) in (str(found["id"]), found["fingerprint"]):
            return dict(found)
    return None


def _known(state: State, key: str) -> dict[str, Any]:
    found = find_key(state, key)
    if found is None:
        raise not_found()
    return found


@routes.get("/v2/account/keys")
def list_keys() -> Answer:
    with cloud().store.read() as state:
        return page_of("ssh_keys", list(state["keys"].values()))


@routes.post("/v2/account/keys")
def create_key() -> Answer:
    values = body()
    name, public_key = text(values, "name"), text(values, "public_key")
    mark = fingerprint(public_key)
    with cloud().store.change() as state:
        if find_key(state, mark):
            raise unprocessable("SSH Key is already in use on your account")
        key = {
            "id": next_id(state),
            "fingerprint": mark,
            "public_key": public_key,
            "name": name,
        }
        state["keys"][str(key["id"])] = key
        return {"ssh_key": key}, 201


@routes.get("/v2/account/keys/<key_id>")
def get_key(key_id: str) -> Answer:
    with cloud().store.read() as state:
        return {"ssh_key": _known(state, key_id)}, 200


@routes.put("/v2/account/keys/<key_id>")
def rename_key(key_id: str) -> Answer:
    name = text(body(), "name")
    with cloud().store.change() as state:
        key = _known(state, key_id)
        key["name"] = name
        state["keys"][str(key["id"])] = key
        return {"ssh_key": key}, 200


@routes.delete("/v2/account/keys/<key_id>")
def delete_key(key_id: str) -> Answer:
    with cloud().store.change() as state:
        del state["keys"][str(_known(state, key_id)["id"])]
    return NO_CONTENT
