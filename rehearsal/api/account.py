"""The account: its SSH keys, keys to Spaces, and tags, by which droplets are found."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Collection, Iterable

from .fields import Field, Item, not_found, refused
from .resource import NO_CONTENT, Answer, Call, Resource, route
from .store import State, now


class Account(Resource):
    path, one, many = "account", "account", ""
    verbs = ()

    @route("GET", "")
    def show(self, call: Call) -> Answer:
        number = call.state["account_uuid"]
        shown = {
            "droplet_limit": 10,
            "floating_ip_limit": 3,
            "reserved_ip_limit": 3,
            "volume_limit": 10,
            "email": "rehearsal@example.com",
            "name": "Rehearsal",
            "uuid": number,
            "email_verified": True,
            "status": "active",
            "status_message": "",
            "team": {"uuid": number, "name": "Rehearsal"},
        }
        return {"account": shown}, 200


class SshKeys(Resource):
    path, one, many, kind = "account/keys", "ssh_key", "ssh_keys", "keys"
    numbered = True
    fields = {"name": Field(required=True), "public_key": Field(required=True, fixed=True)}

    def complete(self, call: Call, item: Item) -> None:
        item["fingerprint"] = _fingerprint(item["public_key"])
        if item["fingerprint"] in (key["fingerprint"] for key in call.state["keys"].values()):
            raise refused("SSH Key is already in use on your account")


def _fingerprint(public_key: str) -> str:
    """The MD5 fingerprint of a public key, which is how DigitalOcean names it."""
    try:
        blob = base64.b64decode(public_key.split()[1], validate=True)
    except (IndexError, binascii.Error):
        raise refused("Key invalid, please check the contents of your public key") from None
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, 32, 2))


class SpacesKeys(Resource):
    """Each opens some buckets, or all. The Spaces themselves are in rehearsal/spaces."""

    path, one, many, kind = "spaces/keys", "key", "keys", "spaces_keys"
    key = "access_key"
    hidden = ("secret_key",)
    fields = {
        "name": Field(required=True),
        "grants": Field(
            type="object",
            many=True,
            fields={
                "bucket": Field(default=""),
                "permission": Field(required=True, one_of=("read", "readwrite", "fullaccess")),
            },
        ),
    }

    def complete(self, call: Call, item: Item) -> None:
        item["access_key"] = f"DO{secrets.token_hex(9).upper()}"
        item["secret_key"] = secrets.token_urlsafe(32)
        item["created_at"] = now()

    def check(self, state: State, item: Item) -> None:
        for grant in item["grants"]:
            if (grant["permission"] == "fullaccess") == bool(grant["bucket"]):
                raise refused("A grant names a bucket, or, with fullaccess, none.")

    @route("POST", "")
    def create(self, call: Call, parent: str = "") -> Answer:
        """Only now is the secret half shown."""
        return {"key": self.add(call, parent)}, 201


#: A tag's name, in a request that makes the tag where there is none.
TAG = Field(
    pattern=r"[a-zA-Z0-9_\-:]{1,255}",
    message="Tag name may only contain letters, numbers, colons, dashes, and underscores.",
)


def add_tags(state: State, names: list[str]) -> None:
    """Make sure that the tags exist."""
    for name in names:
        state["tags"].setdefault(name, {"name": name})


def named_droplets(state: State, numbers: Collection[int], tags: Iterable[str]) -> list[Item]:
    """The droplets with one of these numbers or tags."""
    droplets, wanted = state["droplets"].values(), set(tags)
    return [one for one in droplets if one["id"] in numbers or wanted & set(one["tags"])]


class Tags(Resource):
    """To make one that there is changes nothing."""

    path, one, many = "tags", "tag", "tags"
    key = "name"
    verbs = ("list", "create", "get", "delete")
    fields = {"name": Field(required=True, pattern=TAG.pattern, message=TAG.message)}

    def view(self, state: State, item: Item) -> Item:
        tagged = len(named_droplets(state, (), (item["name"],)))
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
