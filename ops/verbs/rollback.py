"""make rollback: what served before the version that serves, back into service.

Once more: what served before that.
"""

from __future__ import annotations

import shlex

from ops import backups, deployment, say
from ops.programs import who_releases
from ops.settings import Settings
from ops.ssh import Droplet


def run(settings: Settings, _arguments: list[str]) -> None:
    """Let digits-rollback do it on the droplet. Raises Failed."""
    say.phase("Roll back")
    words = [f"HEALTHY_WITHIN={settings.healthy_within}", f"WAIT={settings.wait}"]
    words += ["digits-rollback", who_releases(settings.released_by)]
    words += [settings.release] if settings.release else []
    droplet = Droplet(settings, deployment.address(settings))
    droplet.show(shlex.join(["env", *words]))
    backups.bring_newest(settings, droplet)
