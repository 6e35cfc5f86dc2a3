"""What costs money beside the droplet, by DigitalOcean's price list: its API has no such prices."""

from __future__ import annotations

from ops.console.settings import ScaleSettings, number

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


def balancer(scale: ScaleSettings) -> float:
    """Dollars a month for the load balancer; none for one droplet."""
    return BALANCER_NODE * number(scale.balancer_nodes) if scale.several else 0.0


def database(scale: ScaleSettings) -> float | None:
    """Dollars a month for the managed database; None where its size has no price here."""
    if not scale.is_managed:
        return 0.0
    price = DATABASES.get(scale.database_size)
    return None if price is None else price * number(scale.database_nodes)


def in_all(scale: ScaleSettings, droplet: float, *, has_space: bool) -> float:
    """Dollars a month for droplets of this price and all that is set to be with them."""
    others = droplet * (scale.count - 1)
    first = droplet * (1 + BACKUPS.get(scale.droplet_backups, 0.0))
    space = SPACE if has_space else 0.0
    return first + others + balancer(scale) + (database(scale) or 0.0) + space
