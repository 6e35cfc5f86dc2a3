"""What the account has of a deployment: before it is destroyed, and after."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ops.cloud import prices
from ops.cloud.api import Cloud, CloudError, own_address
from ops.terraform.state import RESERVED_IP, Resource

# Terraform's types, by what the account calls them.
KINDS = {
    "digitalocean_droplet": "droplet",
    "digitalocean_reserved_ip": "reserved ip",
    "digitalocean_project": "project",
    "digitalocean_firewall": "firewall",
    "digitalocean_ssh_key": "ssh key",
    "digitalocean_tag": "tag",
    "digitalocean_uptime_check": "uptime check",
    "digitalocean_monitor_alert": "alert",
    "digitalocean_spaces_bucket": "space",
    "digitalocean_spaces_key": "spaces key",
    "digitalocean_loadbalancer": "balancer",
    "digitalocean_database_cluster": "database",
}
# What a project's list calls by another word; a reserved IP by its old name and its new one.
_IN_A_PROJECT = {
    "floatingip": "reserved ip",
    "reservedip": "reserved ip",
    "loadbalancer": "balancer",
    "dbaas": "database",
}
# What is free of charge: its list in the API, the key of that, and what tells it from others there.
_FREE = {
    "project": ("projects", "projects", "id"),
    "firewall": ("firewalls", "firewalls", "id"),
    "ssh key": ("account/keys", "ssh_keys", "id"),
    "tag": ("tags", "tags", "name"),
}
# What is asked for by its own list, which knows sooner than a project's what is gone.
_LISTED = ("droplet", "reserved ip", "balancer", "database")


@dataclass(frozen=True)
class AccountResource:
    """Something in the account that belongs to the deployment."""

    kind: str
    key: str
    name: str
    note: str = ""
    billed: bool = False

    def __str__(self) -> str:
        return f"{self.kind:<11} {self.name}{'  ' if self.note else ''}{self.note}"

    @property
    def identity(self) -> tuple[str, str]:
        """What tells it from everything else in the account."""
        return self.kind, self.key


def _of_droplet(droplet: dict[str, Any]) -> list[AccountResource]:
    """A droplet and what hangs on it."""
    own = own_address(droplet["networks"])
    facts = [
        *([own] if own else []),
        f"{droplet['size_slug']} in {droplet['region']['slug']}",
        f"${droplet['size']['price_monthly']:g} a month",
    ]
    name, attached = droplet["name"], f"belongs to the droplet {droplet['name']}"
    return [
        AccountResource("droplet", str(droplet["id"]), name, ", ".join(facts), billed=True),
        *(
            AccountResource("volume", key, key, attached, billed=True)
            for key in droplet["volume_ids"]
        ),
        *(
            AccountResource("snapshot", str(key), str(key), attached, billed=True)
            for key in droplet["snapshot_ids"]
        ),
    ]


def _in_project(cloud: Cloud, project: dict[str, Any]) -> list[AccountResource]:
    """What a project lists, by URN: do:volume:123."""
    found = []
    for resource in cloud.listed(f"projects/{project['id']}/resources", "resources"):
        _, kind, key = resource["urn"].split(":", 2)
        kind = _IN_A_PROJECT.get(kind, kind)
        # A domain in a project costs nothing; all else there is may.
        note = f"in the project {project['name']}"
        found.append(AccountResource(kind, key, key, note, billed=kind != "domain"))
    return found


def _free_of_charge(cloud: Cloud) -> list[AccountResource]:
    """Every project, firewall, SSH key and tag of the account."""
    return [
        AccountResource(kind, str(one[number]), one["name"])
        for kind, (path, key, number) in _FREE.items()
        for one in cloud.listed(path, key)
    ]


def _alerts(cloud: Cloud, name: str) -> list[AccountResource]:
    """The uptime check, and the alerts on the droplet."""
    checks = _if_it_may(cloud, "uptime/checks", "checks")
    policies = _if_it_may(cloud, "monitoring/alerts", "policies")
    return [
        # An account's first one is free.
        *(
            AccountResource("uptime check", one["id"], name, billed=len(checks) > 1)
            for one in checks
            if one["name"] == name
        ),
        *(
            AccountResource(
                "alert", one["uuid"], one["description"], ", ".join(one["alerts"]["email"])
            )
            for one in policies
            if one["description"].startswith(f"{name}: ")
        ),
    ]


def _if_it_may(cloud: Cloud, path: str, key: str) -> list[dict[str, Any]]:
    """A list that a deployment of one droplet does not need: the token may lack the scope."""
    try:
        return cloud.listed(path, key)
    except CloudError as error:
        if error.status == 403:
            return []
        raise


def _addresses(cloud: Cloud, droplets: set[str], state: list[Resource]) -> list[AccountResource]:
    """The reserved IPs on these droplets, and those that Terraform made, on none or another."""
    made = {one.key for one in state if one.kind == RESERVED_IP}
    return [
        AccountResource(
            "reserved ip",
            reserved.ip,
            reserved.ip,
            "the site's address" if reserved.droplet in droplets else "on none of these droplets",
            billed=True,
        )
        for reserved in cloud.reserved_ips()
        if reserved.droplet in droplets or reserved.ip in made
    ]


def _spaces(keys: list[dict[str, Any]], name: str) -> list[AccountResource]:
    """The Space of its offsite backups, by the droplet's key to it: the API lists no Spaces."""
    named = {
        grant["bucket"]
        for key in keys
        if key["name"] == f"{name}-copies"
        for grant in key["grants"]
    }
    note = f"with all offsite backups, ${prices.SPACE:g} a month"
    return [AccountResource("space", bucket, bucket, note, billed=True) for bucket in sorted(named)]


def _keys_to_spaces(keys: list[dict[str, Any]], name: str) -> list[AccountResource]:
    """The keys that Terraform makes (infra/terraform/backup_bucket.tf), here or elsewhere."""
    notes = {
        f"{name}-copies": "opens the Space of backups",
        f"{name}-terraform": "opens all Spaces",
    }
    return [
        AccountResource("spaces key", key["access_key"], key["name"], notes[key["name"]])
        for key in keys
        if key["name"] in notes
    ]


def keys_to_nothing(cloud: Cloud, name: str, gone: set[str]) -> list[str]:
    """The deployment's keys that open nothing but a Space that is gone. Raises CloudError."""
    return [
        str(key["access_key"])
        for key in _if_it_may(cloud, "spaces/keys", "keys")
        if key["name"] == f"{name}-copies" and {one["bucket"] for one in key["grants"]} <= gone
    ]


def idle_addresses(cloud: Cloud) -> list[str]:
    """Reserved IPs on no droplet, which cost money; nothing tells whose they were."""
    return [reserved.ip for reserved in cloud.reserved_ips() if reserved.droplet is None]


def of(cloud: Cloud, name: str, state: list[Resource] | None = None) -> list[AccountResource]:
    """What the account has of the deployment `name`, found by tag, by project and by state.

    What is free of charge comes last. Raises CloudError.
    """
    projects = [p for p in cloud.listed("projects", "projects") if p["name"] == name]
    tagged = [
        one
        for droplet in cloud.listed("droplets", "droplets", tag_name=name)
        for one in _of_droplet(droplet)
    ]
    grouped = [one for project in projects for one in _in_project(cloud, project)]
    tagged += _addresses(cloud, {one.key for one in tagged if one.kind == "droplet"}, state or [])
    to_spaces = _if_it_may(cloud, "spaces/keys", "keys")
    tagged += _spaces(to_spaces, name)
    tagged += [
        resource
        for one, resource in _balancers_and_databases(cloud)
        if name in (one["name"], one.get("tag"))
    ]
    known = {one.identity for one in tagged}
    # The list of a project may lag behind and still name what is gone.
    alive = _alive(cloud)
    billed = tagged + [
        one
        for one in grouped
        if one.identity not in known and (one.kind not in _LISTED or one.identity in alive)
    ]
    named = [one for one in _free_of_charge(cloud) if one.name == name]
    free = _keys_to_spaces(to_spaces, name) + named
    return billed + _alerts(cloud, name) + free


def _alive(cloud: Cloud) -> set[tuple[str, str]]:
    """Every droplet, reserved IP, load balancer and managed database of the account."""
    droplets = {("droplet", str(one["id"])) for one in cloud.listed("droplets", "droplets")}
    addresses = {("reserved ip", reserved.ip) for reserved in cloud.reserved_ips()}
    larger = {resource.identity for _, resource in _balancers_and_databases(cloud)}
    return droplets | addresses | larger


def _balancers_and_databases(cloud: Cloud) -> list[tuple[dict[str, Any], AccountResource]]:
    """Every load balancer and managed database of the account, as the API has it."""
    balancers = [
        (one, _balancer(one)) for one in _if_it_may(cloud, "load_balancers", "load_balancers")
    ]
    return balancers + [
        (one, _database(one)) for one in _if_it_may(cloud, "databases", "databases")
    ]


def _balancer(one: dict[str, Any]) -> AccountResource:
    price = prices.BALANCER_NODE * int(one.get("size_unit") or 1)
    address = f"{one['ip']}, " if one.get("ip") else ""
    note = f"{address}${price:g} a month"
    return AccountResource("balancer", one["id"], one["name"], note, billed=True)


def _database(one: dict[str, Any]) -> AccountResource:
    dear = prices.DATABASES.get(one["size"])
    price = f", about ${dear * one['num_nodes']:g} a month" if dear else ""
    note = f"with all predictions, {one['size']} in {one['region']}{price}"
    return AccountResource("database", one["id"], one["name"], note, billed=True)


def everything(cloud: Cloud) -> set[tuple[str, str]]:
    """All that the account has of the kinds that Terraform makes here. Raises CloudError."""
    return _alive(cloud) | {one.identity for one in _free_of_charge(cloud)}


def still_there(cloud: Cloud, resources: Iterable[AccountResource]) -> list[AccountResource]:
    """Those of the billed ones that the account still has, wherever. Raises CloudError.

    When a project goes, what was in it moves to the account's default project, so asking for
    the project alone would not find it.
    """
    billed = [one for one in resources if one.billed]
    alive = _alive(cloud)
    if any(one.kind not in (*_LISTED, "snapshot") for one in billed):
        alive |= {
            one.identity
            for project in cloud.listed("projects", "projects")
            for one in _in_project(cloud, project)
            if one.kind not in _LISTED
        }
    if any(one.kind == "snapshot" for one in billed):
        images = cloud.listed("images", "images", private="true")
        alive |= {("snapshot", str(image["id"])) for image in images}
    return [one for one in billed if one.identity in alive]


def unknown_to(
    state: list[Resource], resources: Iterable[AccountResource]
) -> list[AccountResource]:
    """Those that Terraform's state does not hold."""
    managed = {(KINDS.get(resource.kind), resource.key) for resource in state}
    return [one for one in resources if (one.kind, one.key) not in managed]
