"""make upgrade-database: the newest minor version of PostgreSQL, or VERSION=18: another one.

The order of events on the droplet is in infra/droplet/upgrade.py.
"""

from __future__ import annotations

import re

from ops.backup import local_backup
from ops.cloud import prices
from ops.cloud.api import CONTROL_PANEL
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import who_releases
from ops.console.settings import Settings
from ops.deployment import lookup
from ops.ssh import digits_command
from ops.ssh.connection import Droplet
from ops.terraform.state import DATABASE, resources
from ops.verbs import release

_VERSION = re.compile(r"[1-9]\d*(\.\d+)?")


def run(settings: Settings, _arguments: list[str]) -> None:
    """Let the droplet do it. Raises Failed."""
    what = _what(settings)
    _refuse_the_managed_one(settings)
    droplet = Droplet(settings, lookup.address(settings))
    release.set_up_what_changed(settings, droplet)
    terminal.phase(
        "Remove what is kept of the old database" if what == "drop" else "Move the database"
    )
    words = ["upgrade-database", who_releases(settings.released_by), *([what] if what else [])]
    digits_command.show(droplet, *words, settings={"WAIT": settings.wait})
    local_backup.bring_newest(settings, droplet)


def _refuse_the_managed_one(settings: Settings) -> None:
    """DigitalOcean moves its own database. Raises Failed if that is what is used."""
    keys = [one.key for one in resources(settings) if one.kind == DATABASE]
    if keys or prices.is_managed(settings):
        place = f"/{keys[0]}/settings" if keys else ""
        raise Failed(
            "The database is DigitalOcean's managed PostgreSQL, which DigitalOcean keeps up to "
            "date: minor versions by itself, in its maintenance window.",
            f"To another major version: {CONTROL_PANEL}/databases{place}, Upgrade version. There "
            f"is no way back, so first: {settings.verb('backup')}",
        )


def _what(settings: Settings) -> str:
    """What is wanted: a version, drop, or nothing for the newest minor."""
    verb, version = settings.verb, settings.postgres_version
    if settings.drop not in ("", "yes"):
        raise Failed(
            f"DROP={settings.drop} is not understood.",
            f"To remove what is kept of the old database: {verb('upgrade-database DROP=yes')}",
        )
    if settings.drop and version:
        raise Failed(
            "To move the database and to remove the old one are two steps.",
            f"First: {verb(f'upgrade-database VERSION={version}')}. When you are content: "
            f"{verb('upgrade-database DROP=yes')}",
        )
    if version and not _VERSION.fullmatch(version):
        raise Failed(
            f"VERSION={version} is no version of PostgreSQL.",
            f"Give one as in: {verb('upgrade-database VERSION=18')}",
        )
    return "drop" if settings.drop else version
