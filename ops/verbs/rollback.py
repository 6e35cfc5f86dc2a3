"""make rollback: the release before the one in service, back into service.

Once more: the one before that.
"""

from __future__ import annotations

from ops.backup import local_backup
from ops.console import terminal
from ops.console.programs import who_releases
from ops.console.settings import Settings
from ops.deployment import fleet, lookup
from ops.release.copy_image import copy_image
from ops.ssh import digits_command
from ops.ssh.connection import Host


def run(settings: Settings, _arguments: list[str]) -> None:
    """Let the droplet do it. Raises Failed."""
    terminal.phase("Roll back")
    deployment = lookup.find(settings)
    there = fleet.need_all(deployment)
    release = settings.release
    who = who_releases(release.released_by)
    gone_to: list[str] = []  # the id of the image, once the first is there

    def go_back(host: Host) -> None:
        wanted = gone_to or ([release.release] if release.release else [])
        if gone_to:
            copy_image(gone_to[0], there[0], host)
        given = {"HEALTHY_WITHIN": release.healthy_within, "WAIT": release.wait}
        given["BACKED_UP"] = "yes" if gone_to else ""
        digits_command.show(host, "rollback", who, *wanted, settings=given)
        if len(there) > 1 and not gone_to:
            # The others go to the first one's version, whatever they had before.
            gone_to.append(fleet.live(host))

    fleet.one_by_one(there, go_back, release.released_by)
    local_backup.bring_newest(settings.backups, deployment.name, there[0])
