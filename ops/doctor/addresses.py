"""The account's limit on reserved IPs: checked beforehand, in place of Terraform's error."""

from __future__ import annotations

from ops.cloud.api import CONTROL_PANEL, CloudError, ReservedIp
from ops.console.errors import Failed
from ops.doctor.findings import Patient
from ops.terraform.state import RESERVED_IP


def are_too_few(patient: Patient) -> bool:
    """Whether the site needs one more than the account may have; the reason is refuse()'s."""
    if not patient.account:
        return False
    limit, there = _limit_and_there(patient)
    ours = {one.key for one in patient.deployment.state if one.kind == RESERVED_IP}
    return bool(limit) and len(there) >= limit and not ours & {one.ip for one in there}


def refuse(patient: Patient) -> str:
    """Say which addresses there are, and how to get room for one more. Raises Failed."""
    limit, there = _limit_and_there(patient)
    listed = ", ".join(f"{one.ip}{'' if one.droplet else ' (on no droplet)'}" for one in there)
    raise Failed(
        f"The site needs a reserved IP, and the account has all {limit} that it may have: "
        f"{listed}.",
        f"Give one back that nobody needs: {CONTROL_PANEL}/networking/reserved_ips. Or ask for "
        f"more: {CONTROL_PANEL}/account/team/droplet_limit_increase",
    )


def _limit_and_there(patient: Patient) -> tuple[int, list[ReservedIp]]:
    """How many the account may have, 0 if that is unknown; and those that it has."""
    try:
        account = patient.cloud.get("account/").get("account", {})
        return int(account.get("reserved_ip_limit") or 0), patient.cloud.reserved_ips()
    except CloudError:
        # Whether the token may ask is another check's business.
        return 0, []
