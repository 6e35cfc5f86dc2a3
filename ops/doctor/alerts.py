"""The alerts: what they cost, and how the page looks from outside now."""

from __future__ import annotations

from ops.console.errors import Failed
from ops.console.make import make
from ops.deployment.alerts import CHECK, KINDS, SCOPES
from ops.doctor import account
from ops.doctor.findings import Patient, Skipped

PRICES = "https://www.digitalocean.com/pricing"


def price(patient: Patient) -> str:
    """What the alerts cost."""
    patient.need_account()
    settings = patient.settings
    if not settings.alerts.email:
        raise Skipped("nobody gets an alert when the page is down: export TF_VAR_alert_email=...")
    account.need_scopes(patient.cloud, SCOPES, "a deployment with alerts")
    made = {one.key for one in patient.deployment.state if one.kind == CHECK}
    others = [
        one for one in patient.cloud.listed("uptime/checks", "checks") if one["id"] not in made
    ]
    costs = (
        f"$1 a month, since your account has {len(others)} other uptime checks and one is free"
        if others
        else "free, as the account's first uptime check is"
    )
    return (
        f"{settings.alerts.email} gets the alerts; {costs}; the alerts themselves are free "
        f"({PRICES})"
    )


def uptime(patient: Patient) -> str:
    """Which alerts there are, and how the page looks from outside."""
    patient.need_droplet()
    made = [one for one in patient.deployment.state if one.kind in KINDS]
    checks = [one.key for one in made if one.kind == CHECK]
    if not checks:
        raise Skipped(
            "nobody gets an alert when the page is down: export "
            "TF_VAR_alert_email=you@example.org, "
            f"then {make('deploy')}"
        )
    state = patient.cloud.get(f"uptime/checks/{checks[0]}/state").get("state", {})
    regions = {name: str(now["status"]) for name, now in (state.get("regions") or {}).items()}
    seen = ", ".join(f"{status} from {name}" for name, status in sorted(regions.items()))
    if "DOWN" in regions.values():
        raise Failed(f"From outside the page is not well: {seen}.", f"See why: {make('status')}")
    alerting = sorted(one.name.partition(": ")[2] or one.name for one in made if one.kind != CHECK)
    return f"{seen or 'not checked yet'}; alerts on: {', '.join(filter(None, alerting))}"
