"""Projects: names under which resources are grouped."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from .fields import ApiError, Field, Item
from .resource import Answer, Call, Resource, default_project, page, project_of, route
from .store import State, next_id, now

# By the word in a URN; a reserved IP still has the service's old word.
_KINDS = {
    "droplet": "droplets",
    "floatingip": "reserved_ips",
    "loadbalancer": "load_balancers",
    "dbaas": "databases",
}


class Projects(Resource):
    path, one, many = "projects", "project", "projects"
    update_methods = ("PUT", "PATCH")
    taken = (409, "name is already in use")
    hidden = ("resources",)
    fields = {
        "name": Field(required=True, pattern=r".{1,175}"),
        "description": Field(default=""),
        "purpose": Field(required=True),
        "environment": Field(
            default="Development",
            one_of=("Development", "Staging", "Production"),
        ),
        "is_default": Field(type="boolean", default=False),
    }

    def complete(self, call: Call, item: Item) -> None:
        item |= _of_the_account(call.state)

    def find(self, state: State, key: object, parent: str = "") -> Item:
        return default_project(state) if key == "default" else super().find(state, key, parent)

    def changed(self, call: Call, before: Item, item: Item) -> None:
        item |= {"updated_at": now(), "is_default": item["is_default"] or before["is_default"]}

    def check(self, state: State, item: Item) -> None:
        for other in state["projects"].values() if item["is_default"] else ():
            other["is_default"] = other is item

    def removed(self, call: Call, item: Item) -> None:
        if item["resources"]:
            raise ApiError(412, "cannot delete a project with resources")
        if item["is_default"]:
            raise ApiError(412, "cannot delete the default project")

    @route("GET", "<key>/resources")
    def resources(self, call: Call, key: str) -> Answer:
        held = self.find(call.state, key)["resources"]
        return page(call, "resources", [_entry(call, urn, at, "ok") for urn, at in held.items()])

    @route("POST", "<key>/resources")
    def assign(self, call: Call, key: str) -> Answer:
        project = self.find(call.state, key)
        urns = Field(many=True, pattern=r"do:[a-z]+:[^:]+").read(
            "resources", call.values.get("resources"), call.state
        )
        answer = []
        for urn in urns:
            status = "assigned"
            if urn in project["resources"]:
                status = "already_assigned"
            elif not _exists(call.state, urn):
                status = "not_found"
            else:
                _move(call.state, urn, project)
            answer.append(_entry(call, urn, project["resources"].get(urn, now()), status))
        return {"resources": answer, "links": {}, "meta": {"total": len(answer)}}, 200


def _of_the_account(state: State) -> Item:
    """What a project has from the start."""
    return {
        "id": str(uuid.uuid4()),
        "owner_uuid": state["account_uuid"],
        "owner_id": next_id(state),
        "created_at": now(),
        "updated_at": now(),
        "resources": {},
    }


def add_default_project(state: State) -> None:
    """Every account has one project from the start, which takes what is in no other."""
    if not state["projects"]:
        project = {
            "name": "rehearsal",
            "description": "",
            "purpose": "Just trying out DigitalOcean",
            "environment": "Development",
            "is_default": True,
            **_of_the_account(state),
        }
        state["projects"][project["id"]] = project


def _entry(call: Call, urn: str, assigned_at: str, status: str) -> Item:
    kind, key = urn.split(":")[1:]
    url = f"http://{urlsplit(call.url).netloc}/v2/{_KINDS.get(kind, f'{kind}s')}/{key}"
    return {"urn": urn, "assigned_at": assigned_at, "links": {"self": url}, "status": status}


def _exists(state: State, urn: str) -> bool:
    _, kind, key = urn.split(":")
    return kind in _KINDS and key in state[_KINDS[kind]]


def _move(state: State, urn: str, project: Item) -> None:
    """Put a resource into this project; a droplet takes its reserved IP along."""
    _, kind, key = urn.split(":")
    if kind == "floatingip" and state["reserved_ips"][key]["droplet_id"]:
        raise ApiError(
            412, "Cannot move a Reserved IP with an associated Droplet. Move the Droplet instead"
        )
    for other in state["projects"].values():
        other["resources"].pop(urn, None)
    project["resources"][urn] = now()
    if kind == "droplet":
        follow(state, int(key))


def follow(state: State, droplet_id: int) -> None:
    """Bring a droplet's reserved IP into the droplet's project."""
    for reserved in state["reserved_ips"].values():
        if reserved["droplet_id"] == droplet_id:
            urn = f"do:floatingip:{reserved['ip']}"
            project_of(state, urn)["resources"].pop(urn)
            project_of(state, f"do:droplet:{droplet_id}")["resources"][urn] = now()
