"""Apply a plan, and try again after what DigitalOcean refuses for a moment only."""

from __future__ import annotations

import time

from ops.cloud.api import CONTROL_PANEL, Cloud
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.wait import until_fine
from ops.terraform.plan import Plan
from ops.terraform.run import Busy, NotApplied, Terraform
from ops.terraform.state import DATABASE, resources

CLUSTER = f"{DATABASE}.app[0]"
TRIES = 5
SECONDS = 15.0  # between two tries
SECONDS_OF_DATABASE = 1800.0  # for it to be online, as the provider waits


def patiently(cloud: Cloud, name: str, terraform: Terraform, plan: Plan, **variables: str) -> None:
    """Do what was planned, given `variables`, for the deployment `name`. Raises Failed.

    A load balancer that is busy is waited for. A database that was made and not found at once is
    imported into the state: it would cost money, and nobody would know of it.
    """
    try:
        terraform.apply(plan)
        return
    except NotApplied as failed:
        refused = failed
    for _ in range(TRIES - 1):
        imported = _import_a_lost_database(cloud, name, terraform)
        if not imported and not isinstance(refused, Busy):
            break
        if not imported:
            terminal.line(f"The load balancer is still busy: trying again in {SECONDS:g} s.")
            time.sleep(SECONDS)
        with terraform.plan(**variables) as rest:
            # A consent to a loss was for the first plan.
            if rest.losses:
                break
            try:
                terraform.apply(rest)
                return
            except NotApplied as failed:
                refused = failed
    raise refused


def _import_a_lost_database(cloud: Cloud, name: str, terraform: Terraform) -> bool:
    """Import the database that was just made and that the state lacks; whether there was one."""
    if any(one.kind == DATABASE for one in resources(terraform.settings)):
        return False
    made = [one for one in cloud.listed("databases", "databases") if one["name"] == name]
    if not made:
        return False
    key = str(made[0]["id"])
    terminal.line(
        f"DigitalOcean made the database {name} and did not find it again at once, so "
        "Terraform lost it. It is there: waiting until it is online, then importing it."
    )

    def not_online() -> bool:
        return bool(cloud.get(f"databases/{key}")["database"]["status"] != "online")

    waiting = f"Waiting for the database {name}"
    if until_fine(not_online, SECONDS_OF_DATABASE, waiting, min(SECONDS, 3)):
        raise Failed(
            f"The database {name} ({key}) is not online yet, and costs money.",
            f"See what it does: {CONTROL_PANEL}/databases/{key}. When it is online: "
            f"{make('adopt')}, then {make('deploy')}",
        )
    terraform.import_resource(CLUSTER, key)
    return True
