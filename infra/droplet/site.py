"""What Ansible wrote down about this deployment: /etc/digits/site.env."""

from __future__ import annotations

import os
from dataclasses import dataclass

from droplet.disk import Disk

FILE = "/etc/digits/site.env"
LOCAL, MANAGED = "local", "managed"
CONNECTIONS = 90  # of PostgreSQL's 100, for all processes, twice during a release
MOST_CONNECTIONS = 8  # of one process


@dataclass(frozen=True)
class Site:
    """Where the site is, how it gets its certificate, how many processes it has, its database."""

    address: str = ""
    domain: str = ""
    acme: bool = True
    acme_server: str = ""
    acme_root: str = ""
    processes: int = 1
    database: str = LOCAL
    connections: int = MOST_CONNECTIONS


def read(disk: Disk) -> Site:
    """The settings. The file is read, and never run as a script."""
    values = {}
    for line in disk.read(FILE).splitlines():
        name, found, value = line.partition("=")
        if found:
            values[name.strip()] = value.strip()
    processes = _number(values.get("APP_PROCESSES"), 1)
    each = _number(values.get("DATABASE_CONNECTIONS"), CONNECTIONS // (2 * processes))
    return Site(
        address=values.get("SITE_ADDRESS", ""),
        domain=values.get("SITE_DOMAIN", ""),
        acme=values.get("ACME", "on") != "off",
        acme_server=values.get("ACME_SERVER", ""),
        acme_root=values.get("ACME_ROOT", ""),
        processes=processes,
        database=values.get("DATABASE") or LOCAL,
        connections=min(each, MOST_CONNECTIONS),
    )


def number_of(name: str, default: int) -> int:
    """A number from the environment, such as HEALTHY_WITHIN; the default if it is none."""
    return _number(os.environ.get(name), default)


def _number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) > 0 else default
