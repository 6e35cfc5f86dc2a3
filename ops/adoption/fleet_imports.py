"""What `make adopt` imports of a deployment that is more than one droplet."""

from __future__ import annotations

from typing import Any

from ops.adoption.imports import Adoption
from ops.cloud.api import Cloud
from ops.console.errors import Failed
from ops.console.settings import ScaleSettings
from ops.deployment import domain
from ops.deployment.account import AccountResource
from ops.deployment.lookup import number_of

_CLUSTER = "digitalocean_database_cluster.app[0]"
# What is in a database: its list in the API, what the account calls it, and Terraform.
_IN_IT = (
    ("dbs", "database", "digitalocean_database_db.app[0]"),
    ("users", "user", "digitalocean_database_user.app[0]"),
)
_RULES = "digitalocean_database_firewall.app[0]"
_NAME = "digits"


def first_only(there: list[AccountResource], name: str) -> list[AccountResource]:
    """All of it but the droplets that stand beside the first."""
    others = [one for one in there if one.kind == "droplet" and number_of(one.name, name)]
    some = [one for one in there if one.kind == "droplet" and one not in others]
    return [one for one in there if one not in others] if some else there


def fleet(
    cloud: Cloud, name: str, scale: ScaleSettings, site_domain: str, there: list[AccountResource]
) -> list[Adoption]:
    """The droplets beside the first, the balancer, and the database with what is in it.

    Raises Failed if the settings here are of a smaller deployment, and CloudError.
    """
    others = [one for one in there if one not in first_only(there, name)]
    balancers = [one for one in there if one.kind == "balancer"][:1]
    databases = [one for one in there if one.kind == "database"][:1]
    _refuse_other_settings(scale, 1 + len(others), bool(databases))
    found = [
        Adoption(f'digitalocean_droplet.more["{number_of(one.name, name)}"]', one) for one in others
    ]
    found += [Adoption("digitalocean_loadbalancer.app[0]", one) for one in balancers]
    if others or balancers:
        found += _https(cloud, name, site_domain, balancers)
    for one in databases:
        found += [Adoption(_CLUSTER, one), *_inside(cloud, one)]
    return found


def _https(
    cloud: Cloud, name: str, site_domain: str, balancers: list[AccountResource]
) -> list[Adoption]:
    """The certificate that the balancer shows, and the A record that leads to it.

    Raises Failed if the domain that they are for is not set here, and CloudError.
    """
    shown = [_of_balancer(cloud, one) for one in balancers]
    numbers = {
        rule.get("certificate_id") for one in shown for rule in one.get("forwarding_rules") or []
    }
    listed = cloud.listed("certificates", "certificates") if site_domain or any(numbers) else []
    for one in listed:
        if one["id"] in numbers and site_domain not in one["dns_names"]:
            raise Failed(
                f"The load balancer's certificate is for {', '.join(one['dns_names'])}, and "
                "TF_VAR_domain does not name it, so nothing was imported.",
                f"export TF_VAR_domain={one['dns_names'][0]}, then run this again.",
            )
    zone = domain.zone_of(cloud, site_domain)
    if zone is None:
        return []
    certificate = domain.certificate_name(name, site_domain)
    found = [
        Adoption(domain.CERTIFICATE, AccountResource("certificate", certificate, certificate))
        for one in listed
        if one["name"] == certificate
    ]
    ours = {one["ip"] for one in shown}
    records = [one for one in zone.records if one["type"] == "A" and one["data"] in ours]
    found += [
        Adoption(domain.RECORD, AccountResource("record", f"{zone.name},{one['id']}", site_domain))
        for one in records[:1]
    ]
    return found


def _of_balancer(cloud: Cloud, balancer: AccountResource) -> dict[str, Any]:
    """All that the API says of it."""
    answer: dict[str, Any] = cloud.get(f"load_balancers/{balancer.key}")["load_balancer"]
    return answer


def _inside(cloud: Cloud, database: AccountResource) -> list[Adoption]:
    """The app's own database and user, and who may come, if they are there."""
    path = f"databases/{database.key}"
    found = [
        Adoption(
            address,
            AccountResource(f"its {kind}", f"{database.key},{_NAME}", _NAME),
            f"{database.key}/{kind}/{_NAME}",
        )
        for key, kind, address in _IN_IT
        if any(one["name"] == _NAME for one in cloud.listed(f"{path}/{key}", key))
    ]
    if cloud.listed(f"{path}/firewall", "rules"):
        rules = AccountResource("its rules", database.key, database.name)
        found.append(Adoption(_RULES, rules, f"{database.key}-"))
    return found


def _refuse_other_settings(scale: ScaleSettings, count: int, managed: bool) -> None:
    """The next `make deploy` would take what is not set for something to remove. Raises Failed."""
    wanted = []
    if scale.count < count:
        wanted.append(f"TF_VAR_droplets={count}")
    if managed and not scale.is_managed:
        wanted.append("TF_VAR_managed_database=true")
    if wanted:
        raise Failed(
            f"The deployment has {count} droplet{'s' if count > 1 else ''}"
            f"{' and a managed database' if managed else ''}, and the settings here are of a "
            "smaller one, so nothing was imported.",
            f"export {' '.join(wanted)}, then run this again.",
        )
