"""Projects: names under which resources are grouped."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flask import Blueprint, request

from .clock import now
from .endpoint import NO_CONTENT, Answer, body, cloud, page_of, strings, text
from .errors import conflict, not_found, precondition_failed, unprocessable
from .project_state import default_project, new_project
from .reserved_ip_state import follow

if TYPE_CHECKING:
    from .store import State

routes = Blueprint("projects", __name__)

# By the word in a URN.
_LISTS = {
    "droplet": "droplets",
    "floatingip": "reserved_ips",
    "loadbalancer": "load_balancers",
    "dbaas": "databases",
}
_ENVIRONMENTS = ("Development", "Staging", "Production")


def _view(project: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in project.items() if key != "resources"}


def _resource(urn: str, assigned_at: str, status: str) -> dict[str, Any]:
    kind, key = urn.split(":")[1:]
    return {
        "urn": urn,
        "assigned_at": assigned_at,
        "links": {"self": f"{request.host_url}v2/{_LISTS.get(kind, f'{kind}s')}/{key}"},
        "status": status,
    }


def _known(state: State, project_id: str) -> dict[str, Any]:
    if project_id == "default":
        return default_project(state)
    if project_id not in state["projects"]:
        raise not_found()
    project: dict[str, Any] = state["projects"][project_id]
    return project


def _fill(state: State, values: dict[str, Any], project: dict[str, Any]) -> None:
    name = text(values, "name")
    if len(name) > 175:
        raise unprocessable("name must be no longer than 175 characters")
    others = (other for other in state["projects"].values() if other["id"] != project["id"])
    if any(other.get("name") == name for other in others):
        raise conflict("name is already in use")
    environment = str(values.get("environment") or "").capitalize()
    if environment and environment not in _ENVIRONMENTS:
        raise unprocessable("environment must be Development, Staging or Production")
    project |= {
        "name": name,
        "description": str(values.get("description") or ""),
        "purpose": text(values, "purpose"),
        "environment": environment or project.get("environment") or "Development",
        "updated_at": now(),
    }
    if values.get("is_default") and not project["is_default"]:
        default_project(state)["is_default"] = False
        project["is_default"] = True


@routes.get("/v2/projects")
def list_projects() -> Answer:
    with cloud().store.read() as state:
        return page_of("projects", [_view(project) for project in state["projects"].values()])


@routes.post("/v2/projects")
def create_project() -> Answer:
    values = body()
    with cloud().store.change() as state:
        project = new_project(state)
        _fill(state, values, project)
        return {"project": _view(project)}, 201


@routes.get("/v2/projects/<project_id>")
def get_project(project_id: str) -> Answer:
    with cloud().store.read() as state:
        return {"project": _view(_known(state, project_id))}, 200


@routes.route("/v2/projects/<project_id>", methods=["PUT", "PATCH"])
def update_project(project_id: str) -> Answer:
    values = body()
    with cloud().store.change() as state:
        project = _known(state, project_id)
        # PATCH names only what changes.
        _fill(state, {**project, **values} if request.method == "PATCH" else values, project)
        return {"project": _view(project)}, 200


@routes.delete("/v2/projects/<project_id>")
def delete_project(project_id: str) -> Answer:
    with cloud().store.change() as state:
        project = _known(state, project_id)
        if project["resources"]:
            raise precondition_failed("cannot delete a project with resources")
        if project["is_default"]:
            raise precondition_failed("cannot delete the default project")
        del state["projects"][project["id"]]
    return NO_CONTENT


@routes.get("/v2/projects/<project_id>/resources")
def list_resources(project_id: str) -> Answer:
    with cloud().store.read() as state:
        resources = _known(state, project_id)["resources"]
        return page_of("resources", [_resource(urn, at, "ok") for urn, at in resources.items()])


@routes.post("/v2/projects/<project_id>/resources")
def assign_resources(project_id: str) -> Answer:
    urns = strings(body(), "resources")
    with cloud().store.change() as state:
        project = _known(state, project_id)
        answer = []
        for urn in urns:
            if not re.fullmatch(r"do:[a-z]+:[^:]+", urn):
                raise unprocessable(f"{urn!r} is not a URN, such as do:droplet:1234")
            if urn in project["resources"]:
                status = "already_assigned"
            elif _exists(state, urn):
                _move(state, urn, project)
                status = "assigned"
            else:
                status = "not_found"
            answer.append(_resource(urn, project["resources"].get(urn, now()), status))
        return {"resources": answer, "links": {}, "meta": {"total": len(answer)}}, 200


def _exists(state: State, urn: str) -> bool:
    _, kind, key = urn.split(":")
    return kind in _LISTS and key in state[_LISTS[kind]]


def _move(state: State, urn: str, project: dict[str, Any]) -> None:
    """Put a resource into this project; a droplet takes its reserved IP along."""
    _, kind, key = urn.split(":")
    if kind == "floatingip" and state["reserved_ips"][key]["droplet_id"]:
        raise precondition_failed(
            "Cannot move a Reserved IP with an associated Droplet. Move the Droplet instead"
        )
    for other in state["projects"].values():
        other["resources"].pop(urn, None)
    project["resources"][urn] = now()
    if kind == "droplet":
        follow(state, int(key))
