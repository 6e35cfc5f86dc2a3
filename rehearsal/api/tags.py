"""Tags, by which droplets are found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flask import Blueprint

from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, text
from .errors import not_found, unprocessable

if TYPE_CHECKING:
    from .store import State

routes = Blueprint("tags", __name__)


def add_tag(state: State, name: str) -> None:
    """Make sure that the tag exists."""
    if not re.fullmatch(r"[a-zA-Z0-9_\-:]{1,255}", name):
        raise unprocessable(
            "Tag name may only contain letters, numbers, colons, dashes, and underscores."
        )
    if name not in state["tags"]:
        state["tags"].append(name)


def _view(state: State, name: str) -> dict[str, Any]:
    if name not in state["tags"]:
        raise not_found()
    tagged = sum(name in droplet["tags"] for droplet in state["droplets"].values())
    none = {"count": 0}
    return {
        "name": name,
        "resources": {
            "count": tagged,
            "droplets": {"count": tagged},
            "images": none,
            "volumes": none,
            "volume_snapshots": none,
            "databases": none,
        },
    }


def _tagged_droplets(state: State, values: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for resource in values.get("resources") or []:
        kind, key = resource.get("resource_type"), str(resource.get("resource_id"))
        if kind != "droplet":
            raise unprocessable(f"Resource type {kind} is not rehearsed; only droplets are.")
        if key not in state["droplets"]:
            raise not_found()
        found.append(state["droplets"][key])
    return found


@routes.get("/v2/tags")
def list_tags() -> Answer:
    with cloud().store.read() as state:
        return page_of("tags", [_view(state, name) for name in state["tags"]])


@routes.post("/v2/tags")
def create_tag() -> Answer:
    name = text(body(), "name")
    with cloud().store.change() as state:
        add_tag(state, name)
        return {"tag": _view(state, name)}, 201


@routes.get("/v2/tags/<name>")
def get_tag(name: str) -> Answer:
    with cloud().store.read() as state:
        return {"tag": _view(state, name)}, 200


@routes.delete("/v2/tags/<name>")
def delete_tag(name: str) -> Answer:
    with cloud().store.change() as state:
        _view(state, name)
        state["tags"].remove(name)
        for holder in [*state["droplets"].values(), *state["firewalls"].values()]:
            holder["tags"] = [tag for tag in holder["tags"] if tag != name]
        cloud().apply_firewalls(state)
    return NO_CONTENT


@routes.post("/v2/tags/<name>/resources")
def tag_resources(name: str) -> Answer:
    values = body()
    with cloud().store.change() as state:
        _view(state, name)
        for droplet in _tagged_droplets(state, values):
            if name not in droplet["tags"]:
                droplet["tags"].append(name)
        cloud().apply_firewalls(state)
    return NO_CONTENT


@routes.delete("/v2/tags/<name>/resources")
def untag_resources(name: str) -> Answer:
    values = body()
    with cloud().store.change() as state:
        _view(state, name)
        for droplet in _tagged_droplets(state, values):
            droplet["tags"] = [tag for tag in droplet["tags"] if tag != name]
        cloud().apply_firewalls(state)
    return NO_CONTENT
