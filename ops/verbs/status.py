"""make status: what serves, since when, and how the droplet is."""

from __future__ import annotations

from ops import backups, deployment, fleet, outside, say, site
from ops.settings import Settings


def run(settings: Settings, _arguments: list[str]) -> None:
    """Ask the droplet. Raises Failed."""
    say.line(f"{'URL':<12} {site.url(deployment.site_address(settings))}")
    there = fleet.members(settings)
    droplet = fleet.asked_once(there)
    backups.bring_newest(settings, droplet)
    fleet.each(there, lambda one: one.droplet.show("digits-status"))
    copy = outside.newest(settings, droplet.must)
    say.line(f"{'copy outside':<12} {copy or 'none'}")
    if warning := outside.warning(settings, copy):
        say.line("\n".join(["", f"WARNING: {warning[0]}", warning[1]]))
