"""What the account has of a deployment: before it is destroyed, and after."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ops.cloud import Cloud
from ops.state import Resource

# Terraform's types, by what the account calls them.
KINDS = {
    "digitalocean_droplet": "droplet",
    "digitalocean_project": "project",
    "digitalocean_firewall": "firewall",
    "digitalocean_ssh_key": "ssh key",
    "digitalocean_tag": "tag",
}


@dataclass(frozen=True)
class Belonging:
    """Something in the account that belongs to the deployment."""

    kind: str
    key: str
    name: str
    note: str = ""
    billed: bool = False

    def __str__(self) -> str:
        return f"{self.kind:<9} {self.name}{'  ' if self.note else ''}{self.note}"

    @property
    def urn(self) -> str:
        """Its name in a project's list."""
        return f"do:{self.kind}:{self.key}"


def _of_droplet(droplet: dict[str, Any]) -> list[Belonging]:
    """A droplet and what hangs on it."""
    public = [net["ip_address"] for net in droplet["networks"]["v4"] if net["type"] == "public"]
    facts = [
        *public,
        f"{droplet['size_slug']} in {droplet['region']['slug']}",
        f"${droplet['size']['price_monthly']:g} a month",
    ]
    name, attached = droplet["name"], f"belongs to the droplet {droplet['name']}"
    return [
        Belonging("droplet", str(droplet["id"]), name, ", ".join(facts), billed=True),
        *(Belonging("volume", key, key, attached, billed=True) for key in droplet["volume_ids"]),
        *(
            Belonging("snapshot", str(key), str(key), attached, billed=True)
            for key in droplet["snapshot_ids"]
        ),
    ]


def _in_project(cloud: Cloud, project: dict[str, Any]) -> list[Belonging]:
    """What a project lists, by URN: do:volume:123."""
    found = []
    for resource in cloud.listed(f"projects/{project['id']}/resources", "resources"):
        _, kind, key = resource["urn"].split(":", 2)
        # A domain in a project costs nothing; all else there is may.
        note = f"in the project {project['name']}"
        found.append(Belonging(kind, key, key, note, billed=kind != "domain"))
    return found


def _free_of_charge(cloud: Cloud, name: str, projects: list[dict[str, Any]]) -> list[Belonging]:
    def named(path: str, key: str) -> list[dict[str, Any]]:
        return [one for one in cloud.listed(path, key) if one["name"] == name]

    return [
        *(Belonging("project", one["id"], name) for one in projects),
        *(Belonging("firewall", one["id"], name) for one in named("firewalls", "firewalls")),
        *(Belonging("ssh key", str(one["id"]), name) for one in named("account/keys", "ssh_keys")),
        *(Belonging("tag", name, name) for _ in named("tags", "tags")),
    ]


def of(cloud: Cloud, name: str) -> list[Belonging]:
    """What the account has of the deployment `name`, found by tag and by project.

    What is free of charge comes last. Raises CloudError.
    """
    projects = [p for p in cloud.listed("projects", "projects") if p["name"] == name]
    tagged = [
        belonging
        for droplet in cloud.listed("droplets", "droplets", tag_name=name)
        for belonging in _of_droplet(droplet)
    ]
    grouped = [belonging for project in projects for belonging in _in_project(cloud, project)]
    known = {belonging.urn for belonging in tagged}
    # The list of a project may lag behind and still name a droplet that is gone.
    alive = {str(droplet["id"]) for droplet in cloud.listed("droplets", "droplets")}
    billed = tagged + [
        belonging
        for belonging in grouped
        if belonging.urn not in known and (belonging.kind != "droplet" or belonging.key in alive)
    ]
    return billed + _free_of_charge(cloud, name, projects)


def still_there(cloud: Cloud, belongings: Iterable[Belonging]) -> list[Belonging]:
    """Those of the billed ones that the account still has, wherever. Raises CloudError.

    When a project goes, what was in it moves to the account's default project, so asking for
    the project alone would not find it.
    """
    billed = [belonging for belonging in belongings if belonging.billed]
    alive = {f"do:droplet:{droplet['id']}" for droplet in cloud.listed("droplets", "droplets")}
    if any(belonging.kind not in ("droplet", "snapshot") for belonging in billed):
        alive |= {
            belonging.urn
            for project in cloud.listed("projects", "projects")
            for belonging in _in_project(cloud, project)
            if belonging.kind != "droplet"
        }
    if any(belonging.kind == "snapshot" for belonging in billed):
        images = cloud.listed("images", "images", private="true")
        alive |= {f"do:snapshot:{image['id']}" for image in images}
    return [belonging for belonging in billed if belonging.urn in alive]


def unknown_to(state: list[Resource], belongings: Iterable[Belonging]) -> list[Belonging]:
    """Those that Terraform's state does not hold."""
    managed = {(KINDS.get(resource.kind), resource.key) for resource in state}
    return [one for one in belongings if (one.kind, one.key) not in managed]
