"""Which resources of the account `make adopt` imports into Terraform's state."""

from __future__ import annotations

from dataclasses import dataclass

from ops.adoption import conflicts
from ops.cloud.api import CONTROL_PANEL, Cloud
from ops.console.errors import Failed
from ops.console.make import make
from ops.deployment.account import KINDS, AccountResource
from ops.deployment.alerts import CHECK, OF_THE_DROPLET, OF_THE_PAGE, ON_THE_DROPLET, ON_THE_PAGE
from ops.terraform.state import Resource


@dataclass(frozen=True)
class Adoption:
    """A resource of the account, and its address in Terraform's configuration."""

    address: str
    resource: AccountResource
    noted: str = ""  # how its id in Terraform's state begins, where that is no id of the account's

    @property
    def key(self) -> str:
        """Its id in Terraform's state: of an alert on the page the second part."""
        return self.resource.key.rpartition(",")[2]

    def is_noted(self, key: str | None) -> bool:
        """Whether this is its id in Terraform's state."""
        return key == self.key or bool(self.noted and key and key.startswith(self.noted))


@dataclass(frozen=True)
class Wanted:
    """What is to be adopted: the deployment's name, your SSH key, and DROPLET_ID if it is set."""

    name: str
    public_key: str
    droplet_id: str = ""


def wanted(
    cloud: Cloud, asked: Wanted, there: list[AccountResource], state: list[Resource]
) -> list[Adoption]:
    """The one resource of each kind to import, of those that the account has of the deployment.

    What the state holds and the account still has stays what it is. Raises Failed if there is no
    telling which, and CloudError.
    """
    mine = {(KINDS[one.kind], one.key) for one in conflicts.known(cloud, state)}
    has = {kind for kind, _ in mine}
    found = {
        kind: [t for t in there if t.kind == kind and (t.identity in mine or kind not in has)]
        for kind in conflicts.ADDRESSES
    }
    if "droplet" not in has:
        found["droplet"] = _droplet(asked, found["droplet"])
    if "reserved ip" not in has:
        found["reserved ip"] = _addresses(cloud, found["reserved ip"], found["droplet"])
    # Another person's key is not imported; Terraform adds yours beside it.
    yours = conflicts.keys_like(cloud, asked.public_key)
    found["ssh key"] = [t for t in found["ssh key"] if t.identity in mine or t.key in yours]
    return [
        Adoption(conflicts.ADDRESSES[kind], one)
        for kind, resources in found.items()
        for one in _only(asked, kind, resources)
    ]


def alerts(cloud: Cloud, there: list[AccountResource]) -> list[Adoption]:
    """The deployment's alerts, each with its address. Raises CloudError."""
    found = []
    for resource in there:
        kind = resource.name.partition(": ")[2]
        if resource.kind == "uptime check":
            found.append(Adoption(f"{CHECK}.page[0]", resource))
            listed = cloud.listed(f"uptime/checks/{resource.key}/alerts", "alerts")
            found += [
                Adoption(
                    f'{ON_THE_PAGE}.page["{one["type"]}"]',
                    AccountResource("uptime alert", f"{resource.key},{one['id']}", one["name"]),
                )
                for one in listed
                if one["type"] in OF_THE_PAGE
            ]
        elif resource.kind == "alert" and kind in OF_THE_DROPLET:
            found.append(Adoption(f'{ON_THE_DROPLET}.droplet["{kind}"]', resource))
    # Of two for one address, one: the other is listed as left alone.
    return list({one.address: one for one in reversed(found)}.values())[::-1]


def _addresses(
    cloud: Cloud, found: list[AccountResource], droplets: list[AccountResource]
) -> list[AccountResource]:
    """The reserved IPs on the droplet; else those on none: one on another droplet is that one's."""
    on = {reserved.ip: reserved.droplet for reserved in cloud.reserved_ips()}
    numbers = [droplet.key for droplet in droplets]
    here = [one for one in found if on.get(one.key) in numbers]
    return here or [one for one in found if not on.get(one.key)]


def _droplet(asked: Wanted, found: list[AccountResource]) -> list[AccountResource]:
    """The deployment's droplet, if there is one. Raises Failed if there is no telling which."""
    # What the project has is the deployment's for want of one with the tag.
    found = [one for one in found if one.name != one.key] or found
    if asked.droplet_id:
        found = [one for one in found if one.key == asked.droplet_id]
        if not found:
            raise Failed(
                f"No droplet of {asked.name} has the number DROPLET_ID={asked.droplet_id}.",
                f"See which there are: {make('adopt')}",
            )
    return _only(asked, "droplet", found)


def _only(asked: Wanted, kind: str, found: list[AccountResource]) -> list[AccountResource]:
    """The only one, or none. Raises Failed if there are several."""
    if len(found) < 2:
        return found
    listed = "\n".join(f"  {one.key}  {one}" for one in found)
    choose = f"{make('adopt')} DROPLET_ID={found[0].key}"
    raise Failed(
        f"Your account has {len(found)} of {asked.name}: which one is the deployment's cannot "
        f"be found out, so nothing was imported.\n{listed}",
        f"Name it: {choose}" if kind == "droplet" else f"Remove the other one: {CONTROL_PANEL}",
    )


def others(cloud: Cloud, name: str) -> list[str]:
    """The names of what look like deployments: droplets that carry their own name as a tag."""
    droplets = cloud.listed("droplets", "droplets")
    return sorted({one["name"] for one in droplets if one["name"] in one["tags"]} - {name})
