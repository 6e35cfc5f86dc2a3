"""What is larger than one droplet: what it costs, and whether it can be had."""

from __future__ import annotations

from ops.cloud import prices
from ops.cloud.api import CONTROL_PANEL, CloudError
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import ScaleSettings, number
from ops.database import migration
from ops.deployment import domain, processes
from ops.doctor import account
from ops.doctor.findings import Patient, Skipped, Warned

# What the token has to read, beside what one droplet needs.
SCOPES = {
    "load_balancers": "load_balancer",
    "databases": "database (with database:view_credentials)",
}


def price(patient: Patient) -> str:
    """What all of it costs, before it is paid. Raises Failed where it cannot be had."""
    patient.need_account()
    settings, cloud = patient.settings, patient.cloud
    account.need_scopes(cloud, SCOPES, "a fleet or a managed database")
    _database_can_be_had(patient)
    size = cloud.sizes().get(settings.terraform.size)
    if size is None:
        raise Skipped("needs a size that there is")
    count = processes.wanted(settings.scale, size.processors, size.memory_mb)
    migration.connections(settings.scale, count)
    has_space = bool(settings.offsite.bucket)
    return _price_text(settings.scale, size.dollars_a_month, has_space=has_space)


def _price_text(scale: ScaleSettings, droplet: float, *, has_space: bool) -> str:
    count, nodes = scale.count, number(scale.balancer_nodes)
    parts = [f"{count} droplets at ${droplet:g}" if count > 1 else f"the droplet ${droplet:g}"]
    if count > 1:
        plural = "s" if nodes > 1 else ""
        parts.append(f"load balancer of {nodes} node{plural} ${prices.balancer(scale):g}")
    dear = prices.database(scale)
    if scale.is_managed:
        what = f"PostgreSQL {scale.database_size}, {number(scale.database_nodes)} node(s)"
        parts.append(f"{what} {'at its own price' if dear is None else f'about ${dear:g}'}")
    least = "at least " if dear is None else ""
    total = prices.in_all(scale, droplet, has_space=has_space)
    return f"{', '.join(parts)}: {least}${total:g} a month in all ({prices.LIST})"


def _database_can_be_had(patient: Patient) -> None:
    """Raises Failed if DigitalOcean has no such database."""
    scale = patient.settings.scale
    if not scale.is_managed:
        return
    try:
        offered = patient.cloud.get("databases/options").get("options", {}).get("pg", {})
    except CloudError as error:
        if error.status == 403:
            return
        raise
    nodes = number(scale.database_nodes)
    sizes = [
        size
        for layout in offered.get("layouts") or []
        if layout["num_nodes"] == nodes
        for size in layout["sizes"]
    ]
    if scale.database_size not in sizes:
        raise Failed(
            f"DigitalOcean has no PostgreSQL of the size {scale.database_size} with {nodes} "
            "node(s).",
            f"export TF_VAR_database_size={(sizes or ['db-s-1vcpu-2gb'])[0]}   (or one of: "
            f"{' '.join(sizes[:6])})",
        )
    region = patient.settings.terraform.region
    if region not in (offered.get("regions") or [region]):
        raise Failed(
            f"DigitalOcean has no managed PostgreSQL in {region}.",
            f"export TF_VAR_region={offered['regions'][0]}",
        )


def https(patient: Patient) -> str:
    """Whether a balancer can have a certificate, and what is missing. Raises Warned if it is."""
    settings, name = patient.settings, patient.settings.site.domain
    if not settings.scale.several:
        raise Skipped("one droplet gets its own certificate")
    patient.need_account()
    if not name:
        raise Warned(
            "The balancer speaks HTTP: DigitalOcean certifies names on its DNS, and no address.",
            "With a domain of yours there: export TF_VAR_domain=digits.example.org",
        )
    zone = domain.zone_of(patient.cloud, name)
    if zone is None:
        parent = name.partition(".")[2]
        raise Warned(
            f"The balancer speaks HTTP: {name} is not on DigitalOcean's DNS.",
            f"Add {parent} or {name} at {CONTROL_PANEL}/networking/domains, and name "
            "ns1.digitalocean.com, ns2 and ns3 as its name servers where you bought it; then "
            f"{make('deploy')}",
        )
    domain.refuse_others(patient.deployment, name)
    return f"{name} is on DigitalOcean's DNS, in {zone.name}"
