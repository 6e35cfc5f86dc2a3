"""What is in a managed database: its users and its databases."""

from __future__ import annotations

import re
import secrets
from typing import Any

from flask import Blueprint

from .database_state import ADMIN, FIRST_DATABASE, known
from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, text
from .errors import not_found, unprocessable

routes = Blueprint("database_parts", __name__)

_CLUSTER = "/v2/databases/<cluster_id>"


def new_user(name: str, role: str) -> dict[str, Any]:
    """A user with a password that nobody has chosen."""
    return {"name": name, "role": role, "password": f"AVNS_{secrets.token_urlsafe(15)}"}


def _name(values: dict[str, Any], others: list[str]) -> str:
    name = text(values, "name")
    if not re.fullmatch(r"[a-zA-Z_][\w-]{0,62}", name):
        raise unprocessable("invalid name")
    if name in others:
        raise unprocessable(f"{name} already exists")
    return name


def _is_back(cluster: dict[str, Any], kind: str, name: str) -> None:
    """What was removed and is made again must not go a second time."""
    gone = cluster["removed"][kind]
    cluster["removed"][kind] = [one for one in gone if one != name]


def _user(cluster: dict[str, Any], name: str) -> dict[str, Any]:
    for user in cluster["users"]:
        if user["name"] == name:
            found: dict[str, Any] = user
            return found
    raise not_found()


@routes.get(f"{_CLUSTER}/users")
def list_users(cluster_id: str) -> Answer:
    with cloud().store.read() as state:
        return page_of("users", known(state, cluster_id)["users"])


@routes.post(f"{_CLUSTER}/users")
def create_user(cluster_id: str) -> Answer:
    values = body()
    with cloud().store.change() as state:
        cluster = known(state, cluster_id)
        user = new_user(_name(values, [one["name"] for one in cluster["users"]]), "normal")
        cluster["users"].append(user)
        _is_back(cluster, "users", user["name"])
        return {"user": user}, 201


@routes.get(f"{_CLUSTER}/users/<name>")
def get_user(cluster_id: str, name: str) -> Answer:
    with cloud().store.read() as state:
        return {"user": _user(known(state, cluster_id), name)}, 200


@routes.post(f"{_CLUSTER}/users/<name>/reset_auth")
def reset_password(cluster_id: str, name: str) -> Answer:
    with cloud().store.change() as state:
        user = _user(known(state, cluster_id), name)
        user["password"] = new_user(name, user["role"])["password"]
        return {"user": user}, 200


@routes.delete(f"{_CLUSTER}/users/<name>")
def delete_user(cluster_id: str, name: str) -> Answer:
    with cloud().store.change() as state:
        cluster = known(state, cluster_id)
        user = _user(cluster, name)
        if name == ADMIN:
            raise unprocessable("the administrator cannot be removed")
        cluster["users"].remove(user)
        cluster["removed"]["users"].append(name)
    return NO_CONTENT


@routes.get(f"{_CLUSTER}/dbs")
def list_databases(cluster_id: str) -> Answer:
    with cloud().store.read() as state:
        return page_of("dbs", [{"name": name} for name in known(state, cluster_id)["dbs"]])


@routes.post(f"{_CLUSTER}/dbs")
def create_database(cluster_id: str) -> Answer:
    values = body()
    with cloud().store.change() as state:
        cluster = known(state, cluster_id)
        name = _name(values, cluster["dbs"])
        cluster["dbs"].append(name)
        _is_back(cluster, "dbs", name)
        return {"db": {"name": name}}, 201


@routes.get(f"{_CLUSTER}/dbs/<name>")
def get_database(cluster_id: str, name: str) -> Answer:
    with cloud().store.read() as state:
        if name not in known(state, cluster_id)["dbs"]:
            raise not_found()
        return {"db": {"name": name}}, 200


@routes.delete(f"{_CLUSTER}/dbs/<name>")
def delete_database(cluster_id: str, name: str) -> Answer:
    with cloud().store.change() as state:
        cluster = known(state, cluster_id)
        if name not in cluster["dbs"] or name == FIRST_DATABASE:
            raise not_found()
        cluster["dbs"].remove(name)
        cluster["removed"]["dbs"].append(name)
    return NO_CONTENT
