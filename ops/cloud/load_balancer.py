"""The load balancer and the managed database that stand beside several droplets, in the account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ops.cloud import prices
from ops.cloud.api import Cloud, CloudError

# By what a project's list calls them.
KINDS = {"loadbalancer": "balancer", "dbaas": "database"}


@dataclass(frozen=True)
class Engine:
    """A load balancer or a managed database, and what is to be said of it."""

    kind: str
    key: str
    name: str
    note: str


def _balancer(one: dict[str, Any]) -> Engine:
    price = prices.BALANCER_NODE * int(one.get("size_unit") or 1)
    address = f"{one['ip']}, " if one.get("ip") else ""
    return Engine("balancer", one["id"], one["name"], f"{address}${price:g} a month")


def _database(one: dict[str, Any]) -> Engine:
    dear = prices.DATABASES.get(one["size"])
    price = f", about ${dear * one['num_nodes']:g} a month" if dear else ""
    note = f"with all that was logged, {one['size']} in {one['region']}{price}"
    return Engine("database", one["id"], one["name"], note)


# The path of each list, its key, and what makes an engine of one of it.
_LISTS: tuple[tuple[str, Callable[[dict[str, Any]], Engine]], ...] = (
    ("load_balancers", _balancer),
    ("databases", _database),
)


def _listed(cloud: Cloud) -> list[tuple[dict[str, Any], Engine]]:
    found = []
    for path, made in _LISTS:
        try:
            found += [(one, made(one)) for one in cloud.listed(path, path)]
        except CloudError as error:
            # Whoever has neither needs no scope for them.
            if error.status != 403:
                raise
    return found


def there(cloud: Cloud) -> set[tuple[str, str]]:
    """Every one in the account, by kind and number. Raises CloudError."""
    return {(engine.kind, engine.key) for _, engine in _listed(cloud)}


def of(cloud: Cloud, name: str) -> list[Engine]:
    """Those of the deployment `name`: by their name, or by the tag before which one stands."""
    return [engine for one, engine in _listed(cloud) if name in (one["name"], one.get("tag"))]


@dataclass(frozen=True)
class Balancer:
    """What stands before several droplets: its address, and whether it speaks HTTPS.

    After so many seconds at most it sends nobody to a droplet any more that is not well.
    """

    ip: str
    is_secure: bool
    seconds_to_notice: int = 0


def _seconds_to_notice(health: dict[str, Any]) -> int:
    every = int(health.get("check_interval_seconds") or 10)
    patience = int(health.get("response_timeout_seconds") or 5)
    return int(health.get("unhealthy_threshold") or 3) * (every + patience)


def balancer_before(cloud: Cloud, tag: str) -> Balancer | None:
    """The balancer before the droplets with this tag; None if there is none yet."""
    for one in cloud.listed("load_balancers", "load_balancers"):
        if one.get("tag") == tag and one.get("ip"):
            rules = one.get("forwarding_rules") or []
            secure = any(rule["entry_protocol"] == "https" for rule in rules)
            return Balancer(one["ip"], secure, _seconds_to_notice(one.get("health_check") or {}))
    return None
