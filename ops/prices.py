"""What costs money beside the droplet, by DigitalOcean's price list: its API has no such prices."""

from __future__ import annotations

from ops.settings import Settings

SPACE = 5.0  # dollars a month, with 250 GB
# Of the droplet's price, for DigitalOcean's own backups of it.
BACKUPS = {"off": 0.0, "weekly": 0.2, "daily": 0.3}


def in_all(settings: Settings, droplet: float) -> float:
    """Dollars a month for a droplet of this price and all that is set to be with it."""
    space = SPACE if settings.backup_bucket else 0.0
    return droplet * (1 + BACKUPS.get(settings.droplet_backups, 0.0)) + space
