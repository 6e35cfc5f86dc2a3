"""make rollback: what served before the version that serves, back into service.

Once more: what served before that.
"""

from __future__ import annotations

import shlex

from ops import backups, fleet, hand_on, say
from ops.fleet import Member
from ops.programs import who_releases
from ops.settings import Settings

# The id of the image that a droplet went back to.
_WENT_TO = "tail -n 1 /opt/digits/releases.log | cut -f 5"


def run(settings: Settings, _arguments: list[str]) -> None:
    """Let digits-rollback do it on the droplet. Raises Failed."""
    say.phase("Roll back")
    there = fleet.need_all(settings, fleet.members(settings))
    words = [f"HEALTHY_WITHIN={settings.healthy_within}", f"WAIT={settings.wait}"]
    words += ["digits-rollback", who_releases(settings.released_by)]
    gone_to: list[str] = []  # the id of the image, once the first is there

    def go_back(one: Member) -> None:
        wanted = gone_to or ([settings.release] if settings.release else [])
        if gone_to:
            hand_on.image(gone_to[0], there[0], one)
        backed_up = f"BACKED_UP={'yes' if gone_to else ''}"
        one.droplet.show(shlex.join(["env", backed_up, *words, *wanted]))
        if len(there) > 1 and not gone_to:
            # Where the first went, the others go, whatever they served before.
            gone_to.append(one.droplet.must(_WENT_TO).strip())

    fleet.one_by_one(settings, there, go_back)
    backups.bring_newest(settings, there[0].droplet)
