"""Apply a plan, and go on by itself after what DigitalOcean refuses for a moment only."""

from __future__ import annotations

import time

from ops.cloud.api import CONTROL_PANEL, Cloud
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.terraform import plan_guard
from ops.terraform.run import Busy, NotApplied, Plan, Terraform
from ops.terraform.state import DATABASE, resources

CLUSTER = f"{DATABASE}.app[0]"
TRIES = 5
SECONDS = 15.0  # between two tries
SECONDS_OF_DATABASE = 1800.0  # for it to be online, as the provider waits


def patiently(settings: Settings, terraform: Terraform, plan: Plan, **variables: str) -> None:
    """Do what was planned, given `variables`. Raises Failed.

    A load balancer that is busy is waited for. A database that was made and not found at once is
    taken into the state: it would cost money, and nobody would know of it.
    """
    _try(settings, terraform, plan, variables, TRIES)


def _try(
    settings: Settings, terraform: Terraform, plan: Plan, variables: dict[str, str], tries: int
) -> None:
    try:
        terraform.apply(plan)
        return
    except NotApplied as failed:
        took_in = _take_in_a_lost_database(settings, terraform)
        if tries < 2 or not (took_in or isinstance(failed, Busy)):
            raise
        if not took_in:
            terminal.line(f"The load balancer is still busy: trying again in {SECONDS:g} s.")
            time.sleep(SECONDS)
        with terraform.plan(**variables) as rest:
            # Whoever said yes to a loss said it of the first plan.
            if plan_guard.losses(rest.data):
                raise
            _try(settings, terraform, rest, variables, tries - 1)


def _take_in_a_lost_database(settings: Settings, terraform: Terraform) -> bool:
    """Take in the database that was just made and that the state lacks; whether there was one."""
    if any(one.kind == DATABASE for one in resources(settings)):
        return False
    cloud = Cloud(settings)
    made = [one for one in cloud.listed("databases", "databases") if one["name"] == settings.name]
    if not made:
        return False
    key = str(made[0]["id"])
    terminal.line(
        f"DigitalOcean made the database {settings.name} and did not find it again at once, so "
        "Terraform lost it. It is there: waiting until it is online, then taking it in."
    )
    deadline = time.monotonic() + SECONDS_OF_DATABASE
    with terminal.waiting(f"Waiting for the database {settings.name}"):
        while cloud.get(f"databases/{key}")["database"]["status"] != "online":
            if time.monotonic() > deadline:
                raise Failed(
                    f"The database {settings.name} ({key}) is not online yet, and costs money.",
                    f"See what it does: {CONTROL_PANEL}/databases/{key}. When it is online: "
                    f"{settings.verb('adopt')}, then {settings.verb('deploy')}",
                )
            time.sleep(min(SECONDS, 3))
    terraform.take_in(CLUSTER, key)
    return True
