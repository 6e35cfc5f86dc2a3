"""Reserved IPs: addresses of the account's own, mapped to a droplet and moved to another."""

from __future__ import annotations

from functools import partial

from .catalog import REGIONS
from .droplets import Actions, Droplets, new_action
from .fields import Field, Item, refused
from .resource import Answer, Call, Resource, route
from .store import State


class ReservedIps(Resource):
    """Projects still call them by the service's old word."""

    path, one, many = "reserved_ips", "reserved_ip", "reserved_ips"
    verbs = ("list", "create", "get", "delete")
    key = "ip"
    in_project = True
    created = 202
    fields = {
        "region": Field(one_of=tuple(REGIONS), message="You specified an invalid region."),
        "droplet_id": Field(type="integer"),
    }

    def complete(self, call: Call, item: Item) -> None:
        wanted, item["droplet_id"] = item["droplet_id"], None
        if wanted:
            item["region"] = _free_droplet(call.state, wanted)["region"]
        if not item["region"]:
            raise refused("You specified an invalid region.")
        item["ip"] = call.cloud.driver.reserved_ip(set(call.state["reserved_ips"]))
        if wanted:
            assign(call, item, wanted)

    def view(self, state: State, item: Item) -> Item:
        droplet = state["droplets"].get(str(item["droplet_id"]))
        return {
            "ip": item["ip"],
            "region": REGIONS[item["region"]],
            "droplet": Droplets().view(state, droplet) if droplet else None,
            "locked": False,
            "project_id": item["project_id"],
        }

    def removed(self, call: Call, item: Item) -> None:
        if item["droplet_id"]:
            raise refused("The reserved IP is assigned to a Droplet.")


class ReservedIpActions(Actions):
    path = "reserved_ips/<parent>/actions"
    parent = ReservedIps()
    verbs = ("list", "get", "create")

    @route("POST", "")
    def create(self, call: Call, parent: str = "") -> Answer:
        item, kind = ReservedIps().find(call.state, parent), call.values.get("type")
        if kind == "assign":
            return {"action": assign(call, item, call.values.get("droplet_id"))}, 201
        if kind != "unassign":
            raise refused(f"The action {kind!r} is not one of a reserved IP.")
        if not item["droplet_id"]:
            raise refused("The reserved IP is not assigned to a Droplet.")
        moves: dict[int, str | None] = {item["droplet_id"]: None}
        item["droplet_id"] = None
        return {"action": _answer_at(call, item, "unassign_ip", moves)}, 201


def assign(call: Call, item: Item, droplet_id: object) -> Item:
    """Map it to a droplet, whose project it then follows; the action."""
    droplet = _free_droplet(call.state, droplet_id)
    for other in call.state["reserved_ips"].values():
        if other["droplet_id"] == droplet["id"] and other is not item:
            raise refused("Droplet already has a reserved IP.")
    if item["region"] != droplet["region"]:
        raise refused("The reserved IP and the Droplet must be in the same region.")
    before = item["droplet_id"]
    item |= {"droplet_id": droplet["id"], "project_id": droplet["project_id"]}
    moves: dict[int, str | None] = {before: None} if before else {}
    moves[droplet["id"]] = item["ip"]
    return _answer_at(call, item, "assign_ip", moves)


def _answer_at(call: Call, item: Item, what: str, moves: dict[int, str | None]) -> Item:
    """Let each droplet answer at a reserved IP, or at none, in the background; the action."""
    note = new_action(call.state, "reserved_ip", item, what)
    call.later.append(partial(call.cloud.answer_at, note["id"], moves))
    return note


def _free_droplet(state: State, droplet_id: object) -> Item:
    """The droplet that a request names, if nothing is being done to it."""
    droplet: Item | None = state["droplets"].get(str(droplet_id))
    if droplet is None:
        raise refused("You specified an invalid Droplet.")
    if droplet["locked"]:
        raise refused("Droplet already has a pending event.")
    return droplet
