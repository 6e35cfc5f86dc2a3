"""What costs money beside the droplet, by DigitalOcean's price list: its API has no such prices."""

from __future__ import annotations

from ops.console.settings import Settings

LIST = "https://www.digitalocean.com/pricing"
SPACE = 5.0  # dollars a month, with 250 GB
BALANCER_NODE = 12.0
# Of the droplet's price, for DigitalOcean's own backups of it.
BACKUPS = {"off": 0.0, "weekly": 0.2, "daily": 0.3}
# Of a managed PostgreSQL, for each of its nodes.
DATABASES = {
    "db-s-1vcpu-1gb": 15.0,
    "db-s-1vcpu-2gb": 30.0,
    "db-s-2vcpu-4gb": 60.0,
    "db-s-4vcpu-8gb": 120.0,
}


def number(text: str) -> int:
    """A setting that is a number; what is none Terraform refuses, and it counts as one."""
    return int(text) if text.isdecimal() else 1


def is_managed(settings: Settings) -> bool:
    """Whether the managed database is asked for, in the words that Terraform takes for yes."""
    return settings.managed_database in ("true", "1")


def balancer(settings: Settings) -> float:
    """Dollars a month for the load balancer; none for one droplet."""
    several = number(settings.droplets) > 1
    return BALANCER_NODE * number(settings.balancer_nodes) if several else 0.0


def database(settings: Settings) -> float | None:
    """Dollars a month for the managed database; None where its size has no price here."""
    if not is_managed(settings):
        return 0.0
    price = DATABASES.get(settings.database_size)
    return None if price is None else price * number(settings.database_nodes)


def in_all(settings: Settings, droplet: float) -> float:
    """Dollars a month for droplets of this price and all that is set to be with them."""
    space = SPACE if settings.backup_bucket else 0.0
    others = droplet * (number(settings.droplets) - 1)
    first = droplet * (1 + BACKUPS.get(settings.droplet_backups, 0.0))
    return first + others + balancer(settings) + (database(settings) or 0.0) + space
