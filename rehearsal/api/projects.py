"""Projects: names under which resources are grouped. A resource knows the project that it is in."""

from __future__ import annotations

import uuid

from .fields import ApiError, Field, Item
from .resource import Answer, Call, Resource, default_project, page, route
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
    taken = (409, "name is already in use")
    fields = {
        "name": Field(required=True, pattern=r".{1,175}"),
        "description": Field(default=""),
        "purpose": Field(required=True),
        "environment": Field(
            default="Development", one_of=("Development", "Staging", "Production")
        ),
    }

    def complete(self, call: Call, item: Item) -> None:
        item |= {**_of_the_account(call.state), "is_default": False}

    def find(self, state: State, key: object, parent: str = "") -> Item:
        return default_project(state) if key == "default" else super().find(state, key, parent)

    @route("PATCH", "<key>")
    def update(self, call: Call, key: str, parent: str = "") -> Answer:
        return super().update(call, key, parent)

    def changed(self, call: Call, before: Item, item: Item) -> None:
        item["updated_at"] = now()

    def removed(self, call: Call, item: Item) -> None:
        if _held(call.state, item):
            raise ApiError(412, "cannot delete a project with resources")
        if item["is_default"]:
            raise ApiError(412, "cannot delete the default project")

    @route("GET", "<key>/resources")
    def resources(self, call: Call, key: str) -> Answer:
        held = _held(call.state, self.find(call.state, key))
        return page(call, "resources", [{"urn": urn, "status": "ok"} for urn in held])

    @route("POST", "<key>/resources")
    def assign(self, call: Call, key: str) -> Answer:
        project = self.find(call.state, key)["id"]
        urns = Field(many=True, pattern=r"do:[a-z]+:[^:]+").read(
            "resources", call.values.get("resources"), call.state
        )
        answer = []
        for urn in urns:
            _, word, number = urn.split(":")
            item = call.state[_KINDS[word]].get(number, {}) if word in _KINDS else {}
            status = "assigned" if item else "not_found"
            if item and item["project_id"] == project:
                status = "already_assigned"
            elif item:
                _move(call.state, word, item, project)
            answer.append({"urn": urn, "status": status})
        return {"resources": answer, "links": {}, "meta": {"total": len(answer)}}, 200


def _of_the_account(state: State) -> Item:
    """What a project has from the start."""
    return {
        "id": str(uuid.uuid4()),
        "owner_uuid": state["account_uuid"],
        "owner_id": next_id(state),
        "created_at": now(),
        "updated_at": now(),
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


def _held(state: State, project: Item) -> list[str]:
    """The URNs of the resources that a project holds."""
    return [
        f"do:{word}:{key}"
        for word, kind in _KINDS.items()
        for key, item in state[kind].items()
        if item["project_id"] == project["id"] and not item.get("gone")
    ]


def _move(state: State, word: str, item: Item, project: str) -> None:
    """Put a resource into this project; a droplet takes its reserved IP along."""
    if word == "floatingip" and item["droplet_id"]:
        raise ApiError(
            412, "Cannot move a Reserved IP with an associated Droplet. Move the Droplet instead"
        )
    item["project_id"] = project
    for reserved in state["reserved_ips"].values() if word == "droplet" else ():
        if reserved["droplet_id"] == item["id"]:
            reserved["project_id"] = project
