"""make upgrade-database: the newest minor version of PostgreSQL, or VERSION=18: another one.

The order of events on the droplet is in infra/droplet/upgrade.py.
"""

from __future__ import annotations

import re

from ops.backup import local_backup
from ops.cloud.api import CONTROL_PANEL
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.programs import who_releases
from ops.console.settings import ScaleSettings, Settings, UpgradeSettings
from ops.deployment import lookup
from ops.deployment.lookup import Deployment
from ops.provision import ansible
from ops.ssh import digits_command
from ops.terraform.state import DATABASE

_VERSION = re.compile(r"[1-9]\d*(\.\d+)?")


def run(settings: Settings, _arguments: list[str]) -> None:
    """Let the droplet do it. Raises Failed."""
    what = _what(settings.upgrade)
    deployment = lookup.find(settings)
    _refuse_the_managed_one(settings.scale, deployment)
    host = deployment.host(deployment.chosen)
    ansible.set_up_if_changed(settings, host)
    terminal.phase(
        "Remove what is kept of the old database" if what == "drop" else "Move the database"
    )
    words = ["upgrade-database", who_releases(settings.release.released_by)]
    words += [what] if what else []
    digits_command.show(host, *words, settings={"WAIT": settings.release.wait})
    local_backup.bring_newest(settings.backups, deployment.name, host)


def _refuse_the_managed_one(scale: ScaleSettings, deployment: Deployment) -> None:
    """DigitalOcean upgrades its own database. Raises Failed if that is what is used."""
    keys = [one.key for one in deployment.state if one.kind == DATABASE]
    if keys or scale.is_managed:
        place = f"/{keys[0]}/settings" if keys else ""
        raise Failed(
            "The database is DigitalOcean's managed PostgreSQL, which DigitalOcean keeps up to "
            "date: minor versions by itself, in its maintenance window.",
            f"To another major version: {CONTROL_PANEL}/databases{place}, Upgrade version. There "
            f"is no way back, so first: {make('backup')}",
        )


def _what(upgrade: UpgradeSettings) -> str:
    """What is wanted: a version, drop, or nothing for the newest minor."""
    version = upgrade.version
    if upgrade.drop not in ("", "yes"):
        raise Failed(
            f"DROP={upgrade.drop} is not understood.",
            f"To remove what is kept of the old database: {make('upgrade-database DROP=yes')}",
        )
    if upgrade.drop and version:
        raise Failed(
            "To move the database and to remove the old one are two steps.",
            f"First: {make(f'upgrade-database VERSION={version}')}. When you are content: "
            f"{make('upgrade-database DROP=yes')}",
        )
    if version and not _VERSION.fullmatch(version):
        raise Failed(
            f"VERSION={version} is no version of PostgreSQL.",
            f"Give one as in: {make('upgrade-database VERSION=18')}",
        )
    return "drop" if upgrade.drop else version
