"""Projects, and what they hold."""

from __future__ import annotations

import time

from .client import SECONDS_BETWEEN_LOOKS, ApiError
from .resource import Resource
from .schema import STRINGS, State, optional, required

_SECONDS_TO_BECOME_EMPTY = 180.0
_NOT_EMPTY = 412


class _Holder(Resource):
    """What puts resources into a project."""

    def assign(self, project: str, urns: set[str]) -> None:
        """Put resources into a project."""
        if urns:
            path = f"projects/{project}/resources"
            self.client.request("POST", path, {"resources": sorted(urns)})

    def move(self, current: State, planned: State) -> None:
        """Make what a project holds what is planned; the rest goes to the default project."""
        old, new = set(current["resources"] or []), set(planned["resources"] or [])
        if old - new:
            self.assign(self.client.get("projects/default")["project"]["id"], old - new)
        self.assign(current["id"], new - old)

    def held(self, project: str) -> list[str]:
        """The URNs of all that a project holds."""
        urns: list[str] = []
        path, page = f"projects/{project}/resources", 1
        while True:
            answer = self.client.get(f"{path}?page={page}&per_page=200")
            urns += [resource["urn"] for resource in answer["resources"]]
            if not answer.get("links", {}).get("pages", {}).get("next"):
                return urns
            page += 1


class Project(_Holder):
    name, title = "project", "Project"
    path, one = "projects", "project"
    update_method = "PATCH"
    fields = {
        "name": required(),
        "description": optional(default=""),
        "purpose": optional(
            default="Web Application", from_api=lambda purpose: purpose.removeprefix("Other: ")
        ),
        "environment": optional(
            same=lambda old, new: old.lower() == new.lower(),
        ),
        "resources": optional(STRINGS, computed=True, api="", read=""),
    }

    def create(self, planned: State) -> State:
        made = super().create(planned)
        self.assign(planned["id"], set(planned["resources"] or []))
        return self.found(made, self.get(made))

    def found(self, state: State, answer: State) -> State:
        return super().found(state, answer) | {"resources": self.held(state["id"])}

    def update(self, current: State, planned: State) -> State:
        self.move(current, planned)
        return super().update(current, planned)

    def delete(self, state: State) -> None:
        self.move(state, {"resources": []})
        # The real API moves resources in the background.
        deadline = time.monotonic() + _SECONDS_TO_BECOME_EMPTY
        while True:
            try:
                super().delete(state)
            except ApiError as error:
                if error.status != _NOT_EMPTY or time.monotonic() > deadline:
                    raise
                time.sleep(SECONDS_BETWEEN_LOOKS)
            else:
                return


class ProjectResources(_Holder):
    name, title = "project_resources", "project resources"
    fields = {
        "project": required(force_new=True),
        "resources": required(STRINGS),
    }

    def create(self, planned: State) -> State:
        self.client.get(f"projects/{planned['project']}")
        planned["id"] = planned["project"]
        self.assign(planned["id"], set(planned["resources"]))
        return self.read(planned)

    def read(self, state: State) -> State:
        self.client.get(f"projects/{state['id']}")
        there = self.held(state["id"])
        # Of what the project holds only that which was asked for: the rest is not its business.
        kept = [urn for urn in state["resources"] or [] if urn in there]
        return {"id": state["id"], "project": state["id"], "resources": kept}

    def update(self, current: State, planned: State) -> State:
        self.move(current, planned)
        return self.read(planned)

    def delete(self, state: State) -> None:
        self.move(state, {"resources": []})

    def import_(self, state: State) -> State:
        raise ApiError(0, f"resource digitalocean_{self.name} doesn't support import")
