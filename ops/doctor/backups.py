"""The backups that are not on the droplet, and DigitalOcean's own of it."""

from __future__ import annotations

from ops.backup import dumps, freshness
from ops.cloud import prices
from ops.cloud.api import CloudError
from ops.console.errors import Failed
from ops.doctor.findings import Patient, Skipped, Warned


def of_the_droplet(patient: Patient) -> str:
    """DigitalOcean's own backups, and what they cost."""
    often = patient.settings.scale.droplet_backups
    if often not in prices.BACKUPS:
        raise Failed(
            f"TF_VAR_backups={often} is neither off, weekly nor daily.",
            "export TF_VAR_backups=weekly",
        )
    if often == "off":
        return "DigitalOcean's own are off"
    share = prices.BACKUPS[often]
    try:
        size = patient.cloud.sizes()[patient.settings.terraform.variable("size")]
    except (CloudError, LookupError):
        return f"DigitalOcean makes them {often}, for {share:.0%} of the droplet's price"
    price = f"${size.dollars_a_month * share:.2f} a month"
    return f"DigitalOcean makes them {often}: {share:.0%} of the droplet's price, {price} more"


def newest(patient: Patient) -> str:
    """The newest one, and how old it is."""
    folder = dumps.folder_of(patient.settings.backups, patient.deployment.name)
    if patient.droplet is None:
        if dump := dumps.newest(folder):
            age = dumps.age_text(dump.age)
            raise Skipped(f"no droplet to ask; the newest here is {age} old: {dump.shown}")
        raise Skipped("needs a running droplet")
    if not patient.reached:
        raise Skipped("needs ssh")
    copy = freshness.newest(folder, patient.host.ask)
    if warning := freshness.warning(copy):
        raise Warned(*warning)
    return f"the newest one that is not on the droplet is {copy}"
