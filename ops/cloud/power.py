"""A droplet's power, at DigitalOcean: one that is off serves nobody, and stays off by itself.

So a release can go on without one that does not answer: it cannot come back with an older version
than the others (docs/growing.md).
"""

from __future__ import annotations

import time

from ops.cloud.api import CONTROL_PANEL, Cloud
from ops.console.errors import Failed
from ops.console.settings import Settings

OFF, ON = "off", "active"
_SECONDS = 120.0  # until it is as it was asked to be
_EVERY = 2.0


def turn_off(settings: Settings, key: str, name: str) -> None:
    """Turn the droplet off, as by its button, and wait until it is. Raises Failed."""
    _change(Cloud(settings), key, name, "power_off", OFF)


def turn_on(settings: Settings, key: str, name: str) -> None:
    """Turn it on again, and wait until it starts. Raises Failed."""
    _change(Cloud(settings), key, name, "power_on", ON)


def _change(cloud: Cloud, key: str, name: str, action: str, status: str) -> None:
    there = cloud.droplet(key)
    if there and there.status != status:
        cloud.act(key, action)
    deadline = time.monotonic() + _SECONDS
    while there and there.status != status:
        if time.monotonic() > deadline:
            raise Failed(
                f"The droplet {name} is {there.status}, and was asked to be {status}.",
                f"See what it does: {CONTROL_PANEL}/droplets/{key}",
            )
        time.sleep(_EVERY)
        there = cloud.droplet(key)
    if there is None:
        raise Failed(f"The droplet {name} is gone.", "Run the same command again.")
