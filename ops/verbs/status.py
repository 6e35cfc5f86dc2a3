"""make status: what is in service, since when, and how the droplet is."""

from __future__ import annotations

from contextlib import suppress

from ops.backup import dumps, freshness, local_backup
from ops.console import terminal
from ops.console.errors import AlreadyPrinted, Failed
from ops.console.make import make
from ops.console.settings import Settings
from ops.deployment import fleet, lookup
from ops.deployment.lookup import Deployment
from ops.ssh import digits_command


def run(settings: Settings, _arguments: list[str]) -> None:
    """Ask the droplet. Raises Failed, also where several have different versions in service."""
    deployment = lookup.find(settings)
    terminal.line(f"{'URL':<12} {deployment.url}")
    host = deployment.host(deployment.first_on)
    local_backup.bring_newest(settings.backups, deployment.name, host)
    failed_status = _each(deployment)
    copy = freshness.newest(dumps.folder_of(settings.backups, deployment.name), host.must)
    terminal.line(f"{'backed up':<12} {copy or 'none'}")
    if warning := freshness.warning(copy):
        terminal.line("\n".join(["", f"WARNING: {warning[0]}", warning[1]]))
    if different := _different_versions(deployment):
        raise Failed(
            f"The droplets have different versions in service: {different}. A visitor gets one or "
            "the other.",
            f"Release one to all: {make('release')}",
        )
    if failed_status:
        raise failed_status


def _each(deployment: Deployment) -> Failed | None:
    """Let each print its status. What failed is returned: it must not hide what follows."""
    try:
        fleet.each(deployment, lambda host: digits_command.show(host, "status"))
    except AlreadyPrinted as failed:
        if not deployment.several:
            raise
        return failed
    return None


def _different_versions(deployment: Deployment) -> str:
    """What fleet.different_versions finds among those that answer."""
    live = {}
    for one in deployment.reachable if deployment.several else ():
        with suppress(Failed):
            if not one.is_off:
                live[one.name] = fleet.live(deployment.host(one))
    return fleet.different_versions(live)
