"""What the account has of a deployment that Terraform's state here does not know.

A deployment is made from one clone and looked after from another; or a laptop is lost, and its
state with it. `make deploy` then refuses, since it would make everything a second time, and
`make adopt` notes in the state here what is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ops.cloud.api import CONTROL_PANEL, Cloud
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.deployment import account
from ops.deployment.account import KINDS, Belonging
from ops.deployment.alerts import CHECK, OF_THE_DROPLET, OF_THE_PAGE, ON_THE_DROPLET, ON_THE_PAGE
from ops.deployment.lookup import number_of
from ops.terraform.state import BUCKET, Resource, deployed_name

# Where Terraform's configuration has its place for each kind of thing.
ADDRESSES = {
    "droplet": "digitalocean_droplet.app",
    "reserved ip": "digitalocean_reserved_ip.app",
    "project": "digitalocean_project.app",
    "firewall": "digitalocean_firewall.app",
    "ssh key": "digitalocean_ssh_key.deploy",
    "tag": "digitalocean_tag.app",
    "space": f"{BUCKET}.copies[0]",
}
# A tag is made as often as one likes: it is the same tag.
_IN_NO_WAY = ("tag",)


@dataclass(frozen=True)
class Adoption:
    """One thing in the account, and where Terraform has its place."""

    address: str
    thing: Belonging
    noted: str = ""  # how its id in Terraform's state begins, where that is no id of the account's

    @property
    def key(self) -> str:
        """Its id in Terraform's state: of an alert on the page the second part."""
        return self.thing.key.rpartition(",")[2]

    def is_noted(self, key: str | None) -> bool:
        """Whether this is its id in Terraform's state."""
        return key == self.key or bool(self.noted and key and key.startswith(self.noted))


def in_the_way(settings: Settings, name: str, state: list[Resource]) -> list[Belonging]:
    """What Terraform would make a second time, or fail on since the account has it already.

    Of what Terraform has one of that is still there, it makes no second; a stranger's does not
    hinder it. Raises CloudError.
    """
    cloud = Cloud(settings)
    all_unknown = account.unknown_to(state, account.of(cloud, name))
    # Another laptop made the deployment larger: from here it would be made small again.
    beside = [thing for thing in all_unknown if _is_beside_the_first(thing, name)]
    unknown = [
        thing
        for thing in all_unknown
        if thing.kind in ADDRESSES and thing.kind not in _IN_NO_WAY and thing not in beside
    ]
    if any(thing.kind == "ssh key" for thing in unknown):
        # Another key of the same name is in no way.
        yours = _keys_like(cloud, public_key(settings))
        unknown = [thing for thing in unknown if thing.kind != "ssh key" or thing.key in yours]
    if not unknown or deployed_name(state) != name:
        return unknown + beside
    # What another laptop made anew is unknown here, and what it replaced is gone.
    has = {KINDS[one.kind] for one in known(cloud, state)}
    return [thing for thing in unknown if thing.kind not in has] + beside


def _is_beside_the_first(thing: Belonging, name: str) -> bool:
    """Whether it is there only where there is more than one droplet."""
    another = thing.kind == "droplet" and number_of(thing.name, name) > 0
    return another or thing.kind in ("balancer", "database")


def known(cloud: Cloud, state: list[Resource]) -> list[Resource]:
    """What the state holds that the account still has, under whatever name. Raises CloudError."""
    there = account.everything(cloud)
    return [one for one in state if (KINDS.get(one.kind, ""), one.key) in there]


def wanted(settings: Settings, there: list[Belonging], state: list[Resource]) -> list[Adoption]:
    """Of what the account has of the deployment, the one thing of each kind to take in.

    What the state holds and the account still has stays what it is. Raises Failed if there is no
    telling which, and CloudError.
    """
    cloud = Cloud(settings)
    mine = {(KINDS[one.kind], one.key) for one in known(cloud, state)}
    has = {kind for kind, _ in mine}
    found = {
        kind: [t for t in there if t.kind == kind and (t.identity in mine or kind not in has)]
        for kind in ADDRESSES
    }
    if "droplet" not in has:
        found["droplet"] = _droplet(settings, found["droplet"])
    if "reserved ip" not in has:
        found["reserved ip"] = _addresses(cloud, found["reserved ip"], found["droplet"])
    # Somebody else's key stays theirs; Terraform adds yours beside it.
    yours = _keys_like(cloud, public_key(settings))
    found["ssh key"] = [t for t in found["ssh key"] if t.identity in mine or t.key in yours]
    return [
        Adoption(ADDRESSES[kind], thing)
        for kind, things in found.items()
        for thing in _only(settings, kind, things)
    ]


def alerts(settings: Settings, there: list[Belonging]) -> list[Adoption]:
    """The deployment's alerts, each with its place. Raises CloudError."""
    found = []
    for thing in there:
        kind = thing.name.partition(": ")[2]
        if thing.kind == "uptime check":
            found.append(Adoption(f"{CHECK}.page[0]", thing))
            listed = Cloud(settings).listed(f"uptime/checks/{thing.key}/alerts", "alerts")
            found += [
                Adoption(
                    f'{ON_THE_PAGE}.page["{one["type"]}"]',
                    Belonging("uptime alert", f"{thing.key},{one['id']}", one["name"]),
                )
                for one in listed
                if one["type"] in OF_THE_PAGE
            ]
        elif thing.kind == "alert" and kind in OF_THE_DROPLET:
            found.append(Adoption(f'{ON_THE_DROPLET}.droplet["{kind}"]', thing))
    # Of two for one place, one: the other is listed as left alone.
    return list({one.address: one for one in reversed(found)}.values())[::-1]


def _addresses(cloud: Cloud, found: list[Belonging], droplets: list[Belonging]) -> list[Belonging]:
    """The reserved IPs on the droplet; else those on none: one on another droplet is that one's."""
    on = {reserved.ip: reserved.droplet for reserved in cloud.reserved_ips()}
    numbers = [droplet.key for droplet in droplets]
    here = [thing for thing in found if on.get(thing.key) in numbers]
    return here or [thing for thing in found if not on.get(thing.key)]


def _keys_like(cloud: Cloud, public: str) -> set[str]:
    """The numbers of the account's keys that are this one."""
    listed = cloud.listed("account/keys", "ssh_keys")
    return {str(k["id"]) for k in listed if k["public_key"].split()[:2] == public.split()[:2]}


def public_key(settings: Settings) -> str:
    """The public half of the SSH key that opens the droplet, as Terraform reads it; "" if none."""
    named = Path(settings.terraform_variable("ssh_public_key_path")).expanduser()
    try:
        return (settings.terraform_dir / named).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""  # the doctor says so


def _droplet(settings: Settings, found: list[Belonging]) -> list[Belonging]:
    """The deployment's droplet, if there is one. Raises Failed if there is no telling which."""
    # What the project has is the deployment's for want of one with the tag.
    found = [thing for thing in found if thing.name != thing.key] or found
    if settings.droplet_id:
        found = [thing for thing in found if thing.key == settings.droplet_id]
        if not found:
            raise Failed(
                f"No droplet of {settings.name} has the number DROPLET_ID={settings.droplet_id}.",
                f"See which there are: {settings.verb('adopt')}",
            )
    return _only(settings, "droplet", found)


def _only(settings: Settings, kind: str, found: list[Belonging]) -> list[Belonging]:
    """The only one, or none. Raises Failed if there are several."""
    if len(found) < 2:
        return found
    listed = "\n".join(f"  {thing.key}  {thing}" for thing in found)
    choose = f"{settings.verb('adopt')} DROPLET_ID={found[0].key}"
    raise Failed(
        f"Your account has {len(found)} of {settings.name}: which one is the deployment's cannot "
        f"be told, so nothing was taken in.\n{listed}",
        f"Name it: {choose}" if kind == "droplet" else f"Remove the other one: {CONTROL_PANEL}",
    )


def others(cloud: Cloud, name: str) -> list[str]:
    """The names of what look like deployments: droplets that carry their own name as a tag."""
    droplets = cloud.listed("droplets", "droplets")
    return sorted({one["name"] for one in droplets if one["name"] in one["tags"]} - {name})


def described(things: Iterable[Belonging]) -> str:
    """Things in one line, each with what tells it from others."""
    return "; ".join(
        f"{thing.kind} {thing.name} ({thing.note + ', ' if thing.note else ''}id {thing.key})"
        for thing in things
    )
