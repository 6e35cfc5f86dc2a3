"""make release: build the image and put it into service, without a dropped request.

Of several droplets one after the other (ops/deployment/fleet.py).
"""

from __future__ import annotations

from ops.backup import local_backup
from ops.console.settings import Settings
from ops.deployment import fleet, lookup
from ops.deployment.lookup import Deployment
from ops.provision import ansible
from ops.release import deliver, docker, image
from ops.release.image import Image


def run(settings: Settings, _arguments: list[str]) -> None:
    """Release the image that IMAGE names, else this clone's. Raises Failed."""
    release(settings, lookup.find(settings), image.given(settings.release))


def release(settings: Settings, deployment: Deployment, wanted: Image | None) -> None:
    """Set the server up if it changed, build unless an image is wanted, release. Raises Failed."""
    if wanted is None:
        docker.need_engine()
        docker.need_buildx()
    there = fleet.need_all(deployment)
    fleet.warn_of_untracked(deployment)
    for host in there:
        ansible.set_up_if_changed(settings, host)
    if wanted:
        deliver.release(settings.release, there, wanted)
    else:
        deliver.build_and_release(settings.build, settings.release, there)
    local_backup.bring_newest(settings.backups, deployment.name, there[0])
