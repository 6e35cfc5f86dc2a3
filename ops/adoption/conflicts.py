"""What the account has of a deployment that Terraform's state here does not know.

A deployment is made from one clone and managed from another; or a laptop is lost, and its state
with it. `make deploy` then refuses, since it would make everything a second time.
"""

from __future__ import annotations

from collections.abc import Iterable

from ops.cloud.api import Cloud
from ops.deployment import account
from ops.deployment.account import KINDS, AccountResource
from ops.deployment.lookup import number_of
from ops.terraform.state import BUCKET, Resource, deployed_name

# Where Terraform's configuration has its place for each kind of resource.
ADDRESSES = {
    "droplet": "digitalocean_droplet.app",
    "reserved ip": "digitalocean_reserved_ip.app",
    "project": "digitalocean_project.app",
    "firewall": "digitalocean_firewall.app",
    "ssh key": "digitalocean_ssh_key.deploy",
    "tag": "digitalocean_tag.app",
    "space": f"{BUCKET}.copies[0]",
}


def find(cloud: Cloud, name: str, state: list[Resource], public_key: str) -> list[AccountResource]:
    """What Terraform would make a second time, or fail on since the account has it already.

    Terraform does not create what its state already tracks. Raises CloudError.
    """
    all_unknown = account.unknown_to(state, account.of(cloud, name))
    # Another laptop made the deployment larger: from here it would be made small again.
    beside = [one for one in all_unknown if _is_beside_the_first(one, name)]
    unknown = [
        one
        for one in all_unknown
        # Creating a tag is idempotent.
        if one.kind in ADDRESSES and one.kind != "tag" and one not in beside
    ]
    if any(one.kind == "ssh key" for one in unknown):
        # A different key with the same name does not conflict.
        yours = keys_like(cloud, public_key)
        unknown = [one for one in unknown if one.kind != "ssh key" or one.key in yours]
    if not unknown or deployed_name(state) != name:
        return unknown + beside
    # What another laptop recreated is unknown here, and what it replaced is gone.
    has = {KINDS[one.kind] for one in known(cloud, state)}
    return [one for one in unknown if one.kind not in has] + beside


def _is_beside_the_first(one: AccountResource, name: str) -> bool:
    """Whether it exists only in a deployment of several droplets."""
    another = one.kind == "droplet" and number_of(one.name, name) > 0
    return another or one.kind in ("balancer", "database")


def known(cloud: Cloud, state: list[Resource]) -> list[Resource]:
    """What the state holds that the account still has, under whatever name. Raises CloudError."""
    there = account.everything(cloud)
    return [one for one in state if (KINDS.get(one.kind, ""), one.key) in there]


def keys_like(cloud: Cloud, public: str) -> set[str]:
    """The numbers of the account's keys that are this one."""
    listed = cloud.listed("account/keys", "ssh_keys")
    return {str(k["id"]) for k in listed if k["public_key"].split()[:2] == public.split()[:2]}


def described(resources: Iterable[AccountResource]) -> str:
    """Resources in one line, each with what distinguishes it."""
    return "; ".join(
        f"{one.kind} {one.name} ({one.note + ', ' if one.note else ''}id {one.key})"
        for one in resources
    )
