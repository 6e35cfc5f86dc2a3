"""Projects: the resource digitalocean_project."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from .client import SECONDS_BETWEEN_LOOKS, ApiError
from .fields import State, computed, not_empty, one_of, optional, required
from .resource import SdkResource

if TYPE_CHECKING:
    from .client import Client

_SECONDS_TO_BECOME_EMPTY = 180.0


class Project(SdkResource):
    name = "project"
    errors = {
        "create": "Error creating Project",
        "read": "Error reading Project",
        "update": "Error updating Project",
        "delete": "Error deleting project",
    }
    fields = {
        "name": required("string", refuse=not_empty),
        "description": optional("string", default=""),
        "purpose": optional("string", default="Web Application"),
        "environment": optional(
            "string",
            refuse=one_of("development", "staging", "production"),
            same=lambda old, new: old.lower() == new.lower(),
        ),
        "is_default": optional("bool", default=False),
        "resources": optional("strings", computed=True),
        "owner_uuid": computed("string"),
        "owner_id": computed("number"),
        "created_at": computed("string"),
        "updated_at": computed("string"),
    }

    def do_create(self, planned: State, given: State) -> State:
        values = {"name": planned["name"], "purpose": planned["purpose"]}
        values |= {key: planned[key] for key in ("description", "environment") if planned[key]}
        project = self.client.post("projects", values)["project"]
        if planned["resources"]:
            try:
                assign(self.client, project["id"], planned["resources"])
            except ApiError:
                self.client.delete(f"projects/{project['id']}")
                raise
        if planned["is_default"]:
            self.client.patch(f"projects/{project['id']}", values | {"is_default": True})
        planned["id"] = project["id"]
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        project = self.client.get(f"projects/{state['id']}")["project"]
        purpose: str = project["purpose"]
        return {
            "id": state["id"],
            **{
                key: project[key]
                for key in (
                    "name",
                    "description",
                    "environment",
                    "is_default",
                    "owner_uuid",
                    "owner_id",
                    "created_at",
                    "updated_at",
                )
            },
            "purpose": purpose.removeprefix("Other: "),
            "resources": urns_of(self.client, project["id"]),
        }

    def do_update(self, current: State, planned: State) -> State:
        keys = ("name", "description", "purpose", "environment", "is_default")
        values = {key: planned[key] for key in keys if planned[key] is not None}
        self.client.patch(f"projects/{current['id']}", values)
        move(self.client, current, planned)
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        if state["resources"]:
            give_to_default(self.client, state["resources"])
        # The real API moves resources in the background.
        deadline = time.monotonic() + _SECONDS_TO_BECOME_EMPTY
        while True:
            try:
                self.client.delete(f"projects/{state['id']}")
            except ApiError as error:
                if error.status != 412 or time.monotonic() > deadline:
                    raise
                time.sleep(SECONDS_BETWEEN_LOOKS)
            else:
                return


def give_to_default(client: Client, urns: list[str]) -> None:
    """Put resources into the account's default project: in none they cannot be."""
    assign(client, client.get("projects/default")["project"]["id"], urns)


def move(client: Client, current: State, planned: State) -> None:
    """Put into a project, or out of it, what makes its `resources` those planned."""
    old, new = set(current["resources"] or []), set(planned["resources"] or [])
    if old - new:
        give_to_default(client, sorted(old - new))
    if new - old:
        assign(client, current["id"], sorted(new - old))


def assign(client: Client, project_id: str, urns: list[str]) -> None:
    """Put resources into a project."""
    client.post(f"projects/{project_id}/resources", {"resources": urns})


def urns_of(client: Client, project_id: str) -> list[str]:
    """What a project holds."""
    urns: list[str] = []
    page = 1
    while True:
        answer: dict[str, Any] = client.get(
            f"projects/{project_id}/resources?page={page}&per_page=200"
        )
        urns += [resource["urn"] for resource in answer["resources"]]
        if not answer.get("links", {}).get("pages", {}).get("next"):
            return urns
        page += 1
