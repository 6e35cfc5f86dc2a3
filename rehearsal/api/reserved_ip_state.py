"""Reserved IPs in the account's state, for the endpoints and the cloud alike."""

from __future__ import annotations

from typing import Any

from .clock import now
from .errors import not_found, unprocessable
from .project_state import default_project, project_of
from .store import State


def urn(address: str) -> str:
    """Its name in a project's list, which still has the service's old word for it."""
    return f"do:floatingip:{address}"


def known(state: State, address: str) -> dict[str, Any]:
    """The reserved IP with this address."""
    if address not in state["reserved_ips"]:
        raise not_found()
    found: dict[str, Any] = state["reserved_ips"][address]
    return found


def add(state: State, address: str, region: str) -> dict[str, Any]:
    """Put a reserved IP into the account, in its default project and on no droplet."""
    made: dict[str, Any] = {"ip": address, "region_slug": region, "droplet_id": None}
    state["reserved_ips"][address] = made
    default_project(state)["resources"][urn(address)] = now()
    return made


def assign(state: State, reserved: dict[str, Any], droplet: dict[str, Any]) -> None:
    """Map it to a droplet, whose project it then follows."""
    for other in state["reserved_ips"].values():
        if other["droplet_id"] == droplet["id"] and other is not reserved:
            raise unprocessable("Droplet already has a reserved IP.")
    if reserved["region_slug"] != droplet["region_slug"]:
        raise unprocessable("The reserved IP and the Droplet must be in the same region.")
    reserved["droplet_id"] = droplet["id"]
    follow(state, droplet["id"])


def follow(state: State, droplet_id: int) -> None:
    """Bring a droplet's reserved IP into the droplet's project."""
    for reserved in state["reserved_ips"].values():
        if reserved["droplet_id"] == droplet_id:
            name = urn(reserved["ip"])
            project_of(state, name)["resources"].pop(name)
            project_of(state, f"do:droplet:{droplet_id}")["resources"][name] = now()


def leave(state: State, droplet_id: int) -> None:
    """What becomes of a reserved IP whose droplet goes: the account keeps it, and pays."""
    for reserved in state["reserved_ips"].values():
        if reserved["droplet_id"] == droplet_id:
            reserved["droplet_id"] = None


def remove(state: State, reserved: dict[str, Any]) -> None:
    """Give it back."""
    name = urn(reserved["ip"])
    project_of(state, name)["resources"].pop(name)
    del state["reserved_ips"][reserved["ip"]]
