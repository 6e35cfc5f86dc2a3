"""The managed database beside the droplets: the way in, the way home, who has how many connections.

The move itself is a part of a release on the droplet (droplet/migrate.py); here is what has to come
before and after it. To the managed database: Terraform makes it, Ansible says how it is reached,
the release moves what is logged. Home: the release first, while it is there; then Terraform.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ops.cloud import prices
from ops.cloud.api import CONTROL_PANEL
from ops.console import terminal
from ops.console.errors import Failed, SaidAlready
from ops.console.programs import who_releases
from ops.console.settings import Settings
from ops.deployment import fleet, lookup
from ops.ssh import digits_command
from ops.ssh.connection import Droplet
from ops.terraform import plan_guard
from ops.terraform.state import DATABASE

CONNECTIONS_OF_A_GB = 22
# For a person at psql, a dump, and the two that a move takes.
KEPT_FREE = 4
MOST = 8  # more than a process of the app has any use for


def told(way_in: dict[str, str]) -> dict[str, str]:
    """What Ansible is told (roles/app), in a variable that no command line shows. Holds secrets.

    `way_in` is Terraform's output `database`: empty where there is none. Raises Failed if the
    password is not in it.
    """
    if way_in and not (way_in.get("password") and way_in.get("admin_password")):
        raise Failed(
            "DigitalOcean did not tell the database's password. Without it nobody gets in.",
            f"Make a token that also has database:view_credentials: {CONTROL_PANEL}/account/api/"
            "tokens",
        )
    return {"MANAGED_DATABASE": json.dumps(way_in or {"host": ""})}


def connections(settings: Settings, processes: int, droplets: int = 1) -> int:
    """How many connections to the managed database each process may have; 0 without one.

    Every droplet has its processes, and the one that is released to has them twice for a while.
    Raises Failed if there is not one for each.
    """
    if not prices.is_managed(settings):
        return 0
    gigabytes = re.search(r"-(\d+)gb", settings.database_size)
    allowed = CONNECTIONS_OF_A_GB * (int(gigabytes[1]) if gigabytes else 1)
    droplets = max(droplets, prices.number(settings.droplets))
    programs = processes * (droplets + 1)
    each = (allowed - KEPT_FREE) // programs
    if each < 1:
        raise Failed(
            f"{settings.database_size} takes {allowed} connections, and {programs} processes of "
            f"the app need one each ({processes} on each droplet, and twice as many on the one "
            f"that is released to), beside {KEPT_FREE} for psql, dumps and moves.",
            "Give it more memory, and with it more connections: export TF_VAR_database_size="
            f"{_large_enough(programs)}",
        )
    return min(each, MOST)


def _large_enough(programs: int) -> str:
    for size in prices.DATABASES:
        gigabytes = re.search(r"-(\d+)gb", size)
        if gigabytes and CONNECTIONS_OF_A_GB * int(gigabytes[1]) - KEPT_FREE >= programs:
            return size
    return "..."


def goes(plan: dict[str, Any]) -> bool:
    """Whether a plan removes the managed database, and makes no other."""
    return any(
        change["type"] == DATABASE and change["change"]["actions"] == ["delete"]
        for change in plan.get("resource_changes") or []
    )


def stays(plan: dict[str, Any]) -> bool:
    """Whether the managed database is there before the plan and after it, with what is logged."""
    return any(
        change["type"] == DATABASE and change["change"]["actions"] in (["no-op"], ["update"])
        for change in plan.get("resource_changes") or []
    )


def losses(settings: Settings, plan: dict[str, Any]) -> list[dict[str, Any]]:
    """What a plan takes away that must not be lost (plan_guard).

    Of a managed database that goes, what is logged comes home first. Raises Failed.
    """
    found = plan_guard.losses(plan)
    if not goes(plan):
        return found
    try:
        _bring_home(settings, plan)
    except Failed:
        if settings.replace != "yes":
            raise
        terminal.note("REPLACE=yes: it goes on without.")
        return found
    return [loss for loss in found if loss["type"] != DATABASE]


def _bring_home(settings: Settings, plan: dict[str, Any]) -> None:
    """Move what is logged to the first droplet, while the managed database is there."""
    terminal.phase("What is logged comes home from the managed database")
    # Whoever is at another droplet could give no answer from now on.
    fleet.drain(settings, plan_guard.leavers(plan))
    given = {"HEALTHY_WITHIN": settings.healthy_within, "WAIT": settings.wait}
    try:
        first = lookup.address(settings.but(droplet=""))
        who = who_releases(settings.released_by)
        digits_command.show(Droplet(settings, first), "migrate", who, settings=given)
    except Failed as trouble:
        if not isinstance(trouble, SaidAlready):
            terminal.failure(trouble)
        raise Failed(
            "What is logged did not come home from the managed database; why is above. Terraform "
            "has changed nothing: the database is still there.",
            "Mend it, then run the same command again. To keep the managed database instead: "
            "export TF_VAR_managed_database=true",
        ) from trouble
