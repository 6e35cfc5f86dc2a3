"""SSH keys and tags."""

from __future__ import annotations

import re
from typing import Any

from .client import Client
from .resource import Resource
from .schema import computed, not_empty, required


class SshKey(Resource):
    name, title = "ssh_key", "SSH Key"
    path, one = "account/keys", "ssh_key"
    fields = {
        "name": required(refuse=not_empty),
        "public_key": required(
            refuse=not_empty,
            force_new=True,
            same=lambda old, new: old.strip() == new.strip(),
        ),
        "fingerprint": computed(),
    }


def _check_tag(value: Any) -> str | None:
    """What is wrong with the name of a tag."""
    if re.fullmatch(r"[a-zA-Z0-9:\-_]{1,255}", str(value)):
        return None
    return "may only contain letters, numbers, colons, dashes and underscores, at most 255"


class Tag(Resource):
    name, title = "tag", "tag"
    path, one = "tags", "tag"
    key = "name"
    fields = {
        "name": required(force_new=True, refuse=_check_tag),
        "total_resource_count": computed("number", read="resources.count"),
        **{
            f"{kind}_count": computed("number", read=f"resources.{kind}.count")
            for kind in ("droplets", "images", "volumes", "volume_snapshots", "databases")
        },
    }


def set_tags(client: Client, kind: str, key: str, old: list[str], new: list[str]) -> None:
    """Bring a resource's tags from old to new: as the real one, the old go first."""
    resource = {"resources": [{"resource_id": key, "resource_type": kind}]}
    for tag in sorted(set(old) - set(new)):
        client.request("DELETE", f"tags/{tag}/resources", resource)
    for tag in sorted(set(new) - set(old)):
        client.request("POST", "tags", {"name": tag})
        client.request("POST", f"tags/{tag}/resources", resource)
