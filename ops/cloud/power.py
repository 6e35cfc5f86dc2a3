"""A droplet's power, at DigitalOcean: one that is off has no visitors, and does not start alone.

So a release can go on without one that does not answer: it cannot come back with an older version
than the others (docs/scaling.md).
"""

from __future__ import annotations

from ops.cloud.api import CONTROL_PANEL, ON, Cloud, Droplet
from ops.console.errors import Failed
from ops.console.wait import until_fine

_SECONDS = 120.0  # until it is as it was asked to be
_EVERY = 2.0


def turn(cloud: Cloud, droplet: Droplet, status: str) -> None:
    """Turn the droplet ON or OFF, as by its button, and wait until it is. Raises Failed."""

    def other_status() -> str:
        there = cloud.droplet(droplet.key)
        if there is None:
            raise Failed(f"The droplet {droplet.name} is gone.", "Run the same command again.")
        return "" if there.status == status else there.status

    if not other_status():
        return
    cloud.act(droplet.key, "power_on" if status == ON else "power_off")
    waiting = f"Waiting until {droplet.name} is {status}"
    if found := until_fine(other_status, _SECONDS, waiting, _EVERY):
        raise Failed(
            f"The droplet {droplet.name} is {found}, and was asked to be {status}.",
            f"See what it does: {CONTROL_PANEL}/droplets/{droplet.key}",
        )
