"""make status: what serves, since when, and how the droplet is."""

from __future__ import annotations

from contextlib import suppress

from ops.backup import freshness, local_backup
from ops.console import terminal
from ops.console.errors import Failed, SaidAlready
from ops.console.settings import Settings
from ops.deployment import fleet, lookup
from ops.deployment.fleet import Member
from ops.page import site
from ops.ssh import digits_command


def run(settings: Settings, _arguments: list[str]) -> None:
    """Ask the droplet. Raises Failed, also where several serve different versions."""
    terminal.line(f"{'URL':<12} {site.url(settings, lookup.site_address(settings))}")
    there = fleet.members(settings)
    droplet = fleet.asked_once(there)
    local_backup.bring_newest(settings, droplet)
    trouble = _each(there)
    copy = freshness.newest(settings, droplet.must)
    terminal.line(f"{'copy outside':<12} {copy or 'none'}")
    if warning := freshness.warning(settings, copy):
        terminal.line("\n".join(["", f"WARNING: {warning[0]}", warning[1]]))
    if different := _different_versions(there):
        raise Failed(
            f"The droplets serve different versions: {different}. A visitor gets one or the other.",
            f"Release one to all: {settings.verb('release')}",
        )
    if trouble:
        raise trouble


def _each(there: list[Member]) -> Failed | None:
    """Let each say how it is. What failed is returned: it must not hide what follows."""
    try:
        fleet.each(there, lambda one: digits_command.show(one.droplet, "status"))
    except SaidAlready as failed:
        if len(there) == 1:
            raise
        return failed
    return None


def _different_versions(there: list[Member]) -> str:
    """What fleet.different_versions says of those that answer."""
    served = {}
    for one in there if len(there) > 1 else ():
        with suppress(Failed):
            if not one.is_off:
                served[one.name] = fleet.live(one.droplet)
    return fleet.different_versions(served)
