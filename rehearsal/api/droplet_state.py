"""Droplets in the account's state, for the endpoints of droplets and of actions."""

from __future__ import annotations

import re
from typing import Any

from .catalog import REGIONS
from .clock import now
from .errors import not_found, unprocessable
from .store import State, next_id

_NAME = re.compile(r"[a-zA-Z0-9]?[a-z0-9A-Z.\-]*[a-z0-9A-Z]")


def check_name(name: str) -> None:
    """Refuse what is no host name."""
    if not _NAME.fullmatch(name) or len(name) > 255:
        raise unprocessable("Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")


def known(state: State, droplet_id: int) -> dict[str, Any]:
    """The droplet with this id."""
    if str(droplet_id) not in state["droplets"]:
        raise not_found()
    droplet: dict[str, Any] = state["droplets"][str(droplet_id)]
    return droplet


def new_action(
    state: State, droplet: dict[str, Any], kind: str, done: bool = False
) -> dict[str, Any]:
    """A note of what is done to a droplet, in the state already."""
    action = {
        "id": next_id(state),
        "status": "completed" if done else "in-progress",
        "type": kind,
        "started_at": now(),
        "completed_at": now() if done else None,
        "resource_id": droplet["id"],
        "resource_type": "droplet",
        "region": REGIONS[droplet["region_slug"]],
        "region_slug": droplet["region_slug"],
    }
    state["actions"][str(action["id"])] = action
    return action
