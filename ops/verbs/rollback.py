"""make rollback: what served before the version that serves, back into service.

Once more: what served before that.
"""

from __future__ import annotations

from ops.backup import local_backup
from ops.console import terminal
from ops.console.programs import who_releases
from ops.console.settings import Settings
from ops.deployment import fleet
from ops.deployment.fleet import Member
from ops.release import copy_image
from ops.ssh import digits_command


def run(settings: Settings, _arguments: list[str]) -> None:
    """Let the droplet do it. Raises Failed."""
    terminal.phase("Roll back")
    there = fleet.need_all(settings, fleet.members(settings))
    who = who_releases(settings.released_by)
    gone_to: list[str] = []  # the id of the image, once the first is there

    def go_back(one: Member) -> None:
        wanted = gone_to or ([settings.release] if settings.release else [])
        if gone_to:
            copy_image.image(gone_to[0], there[0], one)
        given = {"HEALTHY_WITHIN": settings.healthy_within, "WAIT": settings.wait}
        given["BACKED_UP"] = "yes" if gone_to else ""
        digits_command.show(one.droplet, "rollback", who, *wanted, settings=given)
        if len(there) > 1 and not gone_to:
            # Where the first went, the others go, whatever they served before.
            gone_to.append(fleet.live(one.droplet))

    fleet.one_by_one(settings, there, go_back)
    local_backup.bring_newest(settings, there[0].droplet)
