"""SSH keys and tags."""

from __future__ import annotations

from .client import Client
from .resource import Resource
from .schema import computed, required


class SshKey(Resource):
    name, title = "ssh_key", "SSH Key"
    path, one = "account/keys", "ssh_key"
    fields = {
        "name": required(),
        "public_key": required(
            force_new=True,
            same=lambda old, new: old.strip() == new.strip(),
        ),
        "fingerprint": computed(),
    }


class Tag(Resource):
    name, title = "tag", "tag"
    path, one = "tags", "tag"
    key = "name"
    fields = {
        "name": required(force_new=True),
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
