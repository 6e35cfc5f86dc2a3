"""Who is told when the page does not answer: what that costs, and what is watched now."""

from __future__ import annotations

from ops.console.errors import Failed
from ops.deployment import alerts
from ops.doctor.findings import Patient, Skipped
from ops.terraform.state import resources

PRICES = "https://www.digitalocean.com/pricing"


def price(patient: Patient) -> str:
    """What the alerts cost that an address was given for."""
    patient.need_account()
    settings = patient.settings
    if not settings.alert_email:
        raise Skipped("nobody is told when the page is down: export TF_VAR_alert_email=...")
    if missing := [
        scope for scope, path in alerts.SCOPES.items() if not patient.cloud.may_read(path)
    ]:
        raise Failed(
            f"The token may not read {' and '.join(missing)} (403), which the alerts need.",
            "Make one that may read and write them, too, or: unset TF_VAR_alert_email",
        )
    made = {one.key for one in resources(settings) if one.kind == alerts.CHECK}
    others = [
        one for one in patient.cloud.listed("uptime/checks", "checks") if one["id"] not in made
    ]
    costs = (
        f"$1 a month, since your account has {len(others)} other uptime checks and one is free"
        if others
        else "free, as the account's first uptime check is"
    )
    return f"{settings.alert_email} is told; {costs}; the alerts themselves are free ({PRICES})"


def watched(patient: Patient) -> str:
    """Whether somebody is told, and how the page looks from outside."""
    patient.need_droplet()
    settings = patient.settings
    made = [one for one in resources(settings) if one.kind in alerts.KINDS]
    checks = [one.key for one in made if one.kind == alerts.CHECK]
    if not checks:
        raise Skipped(
            "nobody is told when the page is down: export TF_VAR_alert_email=you@example.org, "
            f"then {settings.verb('deploy')}"
        )
    state = patient.cloud.get(f"uptime/checks/{checks[0]}/state").get("state", {})
    regions = {name: str(now["status"]) for name, now in (state.get("regions") or {}).items()}
    seen = ", ".join(f"{status} from {name}" for name, status in sorted(regions.items()))
    if "DOWN" in regions.values():
        raise Failed(
            f"From outside the page is not well: {seen}.", f"See why: {settings.verb('status')}"
        )
    told = sorted(
        one.name.partition(": ")[2] or one.name for one in made if one.kind != alerts.CHECK
    )
    return f"{seen or 'no look yet'}; somebody is told of: {', '.join(filter(None, told))}"
