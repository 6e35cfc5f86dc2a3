"""The managed database: its credentials, its connections, and the move back from it.

The move itself is a part of a release on the droplet (droplet/migrate.py). To the managed database:
Terraform creates it, Ansible copies its credentials, the release moves the predictions. Back: the
predictions first, while the database is there; then Terraform.
"""

from __future__ import annotations

import json
import re

from ops.cloud import prices
from ops.cloud.api import CONTROL_PANEL
from ops.console import terminal
from ops.console.errors import AlreadyPrinted, Failed
from ops.console.programs import who_releases
from ops.console.settings import ReleaseSettings, ScaleSettings
from ops.deployment import fleet
from ops.deployment.lookup import Deployment
from ops.ssh import digits_command

CONNECTIONS_OF_A_GB = 22
# For a person at psql, a dump, and the two that a move takes.
KEPT_FREE = 4
MOST = 8  # more than a process of the app has any use for


def for_ansible(credentials: dict[str, str]) -> dict[str, str]:
    """The variable of roles/app with the credentials. Holds secrets, so it is no argument.

    `credentials` is Terraform's output `database`: empty where there is none. Raises Failed if the
    password is not in it.
    """
    if credentials and not (credentials.get("password") and credentials.get("admin_password")):
        raise Failed(
            "DigitalOcean did not return the database's password, which the app needs.",
            f"Make a token that also has database:view_credentials: {CONTROL_PANEL}/account/api/"
            "tokens",
        )
    return {"MANAGED_DATABASE": json.dumps(credentials or {"host": ""})}


def connections(scale: ScaleSettings, processes: int, droplets: int = 1) -> int:
    """How many connections to the managed database each process may have; 0 without one.

    Every droplet has its processes, and the one that is released to has them twice for a while.
    Raises Failed if there is not one for each.
    """
    if not scale.is_managed:
        return 0
    gigabytes = re.search(r"-(\d+)gb", scale.database_size)
    allowed = CONNECTIONS_OF_A_GB * (int(gigabytes[1]) if gigabytes else 1)
    droplets = max(droplets, scale.count)
    programs = processes * (droplets + 1)
    each = (allowed - KEPT_FREE) // programs
    if each < 1:
        raise Failed(
            f"{scale.database_size} takes {allowed} connections, and {programs} processes of "
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


def move_back(deployment: Deployment, release: ReleaseSettings, leaving: list[str]) -> None:
    """Move the predictions to the first droplet, while the managed database is there.

    `leaving` are the droplets that the same plan removes. Raises Failed.
    """
    terminal.phase("Move the predictions back from the managed database")
    # At another droplet no answer could be given from now on.
    fleet.drain(deployment, leaving)
    given = {"HEALTHY_WITHIN": release.healthy_within, "WAIT": release.wait}
    try:
        who = who_releases(release.released_by)
        host = deployment.host(deployment.first_on)
        digits_command.show(host, "migrate", who, settings=given)
    except Failed as error:
        if not isinstance(error, AlreadyPrinted):
            terminal.failure(error)
        raise Failed(
            "The predictions could not be moved back from the managed database; why is above. "
            "Terraform "
            "has changed nothing: the database is still there.",
            "Fix it, then run the same command again. To keep the managed database instead: "
            "export TF_VAR_managed_database=true",
        ) from error
