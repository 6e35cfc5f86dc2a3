"""What a project holds: the resource digitalocean_project_resources."""

from __future__ import annotations

from .fields import State, not_empty, required
from .project import assign, give_to_default, move, urns_of
from .resource import SdkResource


class ProjectResources(SdkResource):
    name = "project_resources"
    errors = {
        "create": "Error assigning resources to project",
        "read": "Error while retrieving project",
        "update": "Error assigning resources to project",
        "delete": "Error assigning resources to default project",
    }
    fields = {
        "project": required("string", force_new=True, refuse=not_empty),
        "resources": required("strings"),
    }

    def do_create(self, planned: State, given: State) -> State:
        self.client.get(f"projects/{planned['project']}")
        planned["id"] = planned["project"]
        assign(self.client, planned["id"], sorted(planned["resources"]))
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        self.client.get(f"projects/{state['id']}")
        there = urns_of(self.client, state["id"])
        # Of what the project holds only that which was asked for: the rest is not its business.
        return {
            "id": state["id"],
            "project": state["id"],
            "resources": [urn for urn in state["resources"] or [] if urn in there],
        }

    def do_update(self, current: State, planned: State) -> State:
        move(self.client, current, planned)
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        if state["resources"]:
            give_to_default(self.client, sorted(state["resources"]))
