"""Tags, by which droplets are found."""

from __future__ import annotations

from .fields import Field, Item, not_found, refused
from .resource import NO_CONTENT, Answer, Call, Resource, route
from .store import State

#: A tag's name, in a request that makes the tag where there is none.
TAG = Field(
    pattern=r"[a-zA-Z0-9_\-:]{1,255}",
    message="Tag name may only contain letters, numbers, colons, dashes, and underscores.",
)


def add_tags(state: State, names: list[str]) -> None:
    """Make sure that the tags exist."""
    for name in names:
        state["tags"].setdefault(name, {"name": name})


class Tags(Resource):
    """To make one that there is changes nothing."""

    path, one, many = "tags", "tag", "tags"
    key = "name"
    verbs = ("list", "create", "get", "delete")
    fields = {"name": Field(required=True, pattern=TAG.pattern, message=TAG.message)}
    guards = True

    def view(self, state: State, item: Item) -> Item:
        tagged = sum(item["name"] in droplet["tags"] for droplet in state["droplets"].values())
        others = ("images", "volumes", "volume_snapshots", "databases")
        counts = {"droplets": tagged} | dict.fromkeys(others, 0)
        resources = {kind: {"count": count} for kind, count in counts.items()}
        return item | {"resources": {"count": tagged, **resources}}

    def removed(self, call: Call, item: Item) -> None:
        for kind in ("droplets", "firewalls"):
            for holder in call.state[kind].values():
                holder["tags"] = [tag for tag in holder["tags"] if tag != item["name"]]

    @route("POST", "<key>/resources")
    def tag(self, call: Call, key: str) -> Answer:
        for droplet in self._droplets(call, key):
            droplet["tags"] = [*droplet["tags"], *({key} - set(droplet["tags"]))]
        return NO_CONTENT

    @route("DELETE", "<key>/resources")
    def untag(self, call: Call, key: str) -> Answer:
        for droplet in self._droplets(call, key):
            droplet["tags"] = [tag for tag in droplet["tags"] if tag != key]
        return NO_CONTENT

    def _droplets(self, call: Call, key: str) -> list[Item]:
        """The droplets that a request names."""
        self.find(call.state, key)
        found = []
        for resource in call.values.get("resources") or []:
            if resource.get("resource_type") != "droplet":
                raise refused("Only droplets are tagged here.")
            number = str(resource.get("resource_id"))
            if number not in call.state["droplets"]:
                raise not_found()
            found.append(call.state["droplets"][number])
        return found
