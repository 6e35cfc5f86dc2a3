"""Projects in the account's state, for the endpoints and the cloud alike."""

from __future__ import annotations

import uuid
from typing import Any

from .clock import now
from .store import State, next_id


def new_project(state: State) -> dict[str, Any]:
    """An empty project, in the state already."""
    project: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "owner_uuid": state["account_uuid"],
        "owner_id": next_id(state),
        "created_at": now(),
        "updated_at": now(),
        "is_default": False,
        "resources": {},
    }
    state["projects"][project["id"]] = project
    return project


def add_default_project(state: State) -> None:
    """Every account has one project from the start, which takes what is in no other."""
    if not state["projects"]:
        project = new_project(state)
        project |= {
            "name": "rehearsal",
            "description": "",
            "purpose": "Just trying out DigitalOcean",
            "environment": "Development",
            "is_default": True,
        }


def project_of(state: State, urn: str) -> dict[str, Any]:
    """The project that holds a resource."""
    project: dict[str, Any] = next(
        project for project in state["projects"].values() if urn in project["resources"]
    )
    return project


def default_project(state: State) -> dict[str, Any]:
    """The project that takes what is in no other."""
    project: dict[str, Any] = next(
        project for project in state["projects"].values() if project["is_default"]
    )
    return project
