"""The site's name in a zone at DigitalOcean's DNS, where several droplets have a balancer.

Terraform makes the certificate and the A record of that name (load_balancer_https.tf). Here is what
the account has of them, so that an A record that somebody made by hand becomes Terraform's, and no
other stays beside it: half of the visitors would go there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ops.cloud.api import CONTROL_PANEL, Cloud, CloudError
from ops.console.errors import Failed
from ops.deployment.lookup import Deployment

CERTIFICATE = "digitalocean_certificate.app[0]"
RECORD = "digitalocean_record.app[0]"
# What a browser follows to an address.
_LEADS_SOMEWHERE = ("A", "AAAA", "CNAME")


@dataclass(frozen=True)
class Zone:
    """A zone at DigitalOcean's DNS, and what it has for the site's name."""

    name: str
    records: tuple[dict[str, Any], ...]

    @property
    def place(self) -> str:
        """Where a person sees and changes its records."""
        return f"{CONTROL_PANEL}/networking/domains/{self.name}"


def zone_of(cloud: Cloud, domain: str) -> Zone | None:
    """The zone that the name is in: of those that it may be in, the longest. Raises CloudError."""
    listed = [str(one["name"]) for one in cloud.listed("domains", "domains")] if domain else []
    found = [zone for zone in listed if f".{domain}".endswith(f".{zone}")]
    if not found:
        return None
    zone = max(found, key=len)
    name = "@" if domain == zone else domain.removesuffix(f".{zone}")
    return Zone(
        zone,
        tuple(
            one
            for one in cloud.listed(f"domains/{zone}/records", "domain_records")
            if one["name"] == name and one["type"] in _LEADS_SOMEWHERE
        ),
    )


def certificate_name(name: str, domain: str) -> str:
    """What Terraform calls the certificate of the deployment `name`."""
    return f"{name}-{domain.replace('.', '-')}"


def refuse_others(deployment: Deployment, domain: str) -> None:
    """Raise Failed if the name would lead to another address beside the balancer's.

    One A record that was made by hand is no reason: deploy imports it (record_made_by_hand).
    """
    zone = _zone(deployment, domain)
    if zone is None:
        return
    ours = _known(deployment)
    strangers = [one for one in zone.records if str(one["id"]) != ours]
    if not ours and len(strangers) == 1 and strangers[0]["type"] == "A":
        return
    if strangers:
        listed = ", ".join(f"{one['type']} {one['data']}" for one in strangers)
        raise Failed(
            f"{domain} has records that were made by hand: {listed}. Beside the load "
            "balancer's, some of the visitors would go there. Nothing was changed.",
            f"Remove {'them' if len(strangers) > 1 else 'it'}"
            f"{'' if ours else ' but for one A record, which deploy takes over'}: {zone.place}",
        )


def record_made_by_hand(deployment: Deployment, domain: str) -> str:
    """The A record that was made by hand, as Terraform imports it; "" if there is none."""
    zone = _zone(deployment, domain)
    if zone is None or _known(deployment):
        return ""
    return next((f"{zone.name},{one['id']}" for one in zone.records if one["type"] == "A"), "")


def _zone(deployment: Deployment, domain: str) -> Zone | None:
    """The zone of the site's name, if the token may see it."""
    try:
        return zone_of(deployment.cloud, domain)
    except CloudError as error:
        if error.status == 403:
            return None  # Terraform says so itself
        raise


def _known(deployment: Deployment) -> str:
    """The number of the record that Terraform made; "" if it made none."""
    return next((one.key for one in deployment.state if one.address == RECORD), "")
