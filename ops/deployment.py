"""Which droplet is this deployment's, and where its site is: the one rule of every verb.

It is the droplet that Terraform's state holds. Where there is no state (in the pipeline, in
another clone) it is the one that carries the tag; of several, none is chosen. The site's address
is the reserved IP that the droplet has; the droplet's own is for ssh.
"""

from __future__ import annotations

from ops.cloud import CONTROL_PANEL, Cloud, CloudError, Droplet
from ops.errors import Failed
from ops.settings import Settings
from ops.state import DROPLET, deployed_name, resources


class Ambiguous(CloudError):
    """More than one droplet could be meant."""


def name(settings: Settings) -> str:
    """The name that the deployment has: Terraform's, where it made it, else the one that is set.

    Raises StateError.
    """
    return deployed_name(resources(settings)) or settings.name


def made_here(settings: Settings) -> Droplet | None:
    """The droplet that Terraform made from here, if it still exists, whatever its name is now.

    Raises CloudError and StateError.
    """
    keys = [made.key for made in resources(settings) if made.kind == DROPLET and made.key]
    cloud = Cloud(settings)
    there = [droplet for droplet in map(cloud.droplet, keys) if droplet]
    if len(there) > 1:
        raise _ambiguous(settings, "Terraform's state holds", there)
    return there[0] if there else None


def find(settings: Settings) -> Droplet | None:
    """This deployment's droplet, or None if there is none yet.

    Raises Ambiguous if it cannot be told which it is, CloudError and StateError.
    """
    made_as, mine = name(settings), made_here(settings)
    if mine and settings.name in (made_as, *mine.tags):
        return mine
    there = Cloud(settings).droplets(settings.name)
    if mine and there:
        raise _ambiguous(
            settings,
            f"Terraform made {made_as} from here, and {settings.name}, the name that is set now, "
            "is another deployment's:",
            [mine, *there],
        )
    if len(there) > 1:
        problem = f"{len(there)} droplets carry the tag {settings.name}:"
        raise _ambiguous(settings, problem, there)
    return mine or (there[0] if there else None)


def address(settings: Settings) -> str:
    """The droplet's own address. Raises Failed if there is no droplet, or no telling which."""
    return settings.droplet_ip or _running(settings)[1]


def site_address(settings: Settings) -> str:
    """The address in the URL. Raises Failed if there is no droplet, or no telling which."""
    return settings.droplet_ip or site_of(settings, _running(settings)[0])


def site_of(settings: Settings, droplet: Droplet) -> str:
    """The droplet's reserved IP; its own address where it has none yet. Raises CloudError."""
    for reserved in Cloud(settings).reserved_ips():
        if reserved.droplet == droplet.key:
            return reserved.ip
    return droplet.ip or ""


def _running(settings: Settings) -> tuple[Droplet, str]:
    """The droplet, and its own address."""
    droplet = find(settings)
    if droplet is None or not droplet.ip:
        raise Failed(
            "No droplet carries the deployment's tag.", f"Make one: {settings.verb('deploy')}"
        )
    return droplet, droplet.ip


def _ambiguous(settings: Settings, problem: str, there: list[Droplet]) -> Ambiguous:
    listed = "; ".join(map(str, there))
    return Ambiguous(
        f"{problem} {listed}. Which of them is meant cannot be told, so nothing was done.",
        f"Run this where {settings.verb('deploy')} ran: Terraform's state there knows which. Or "
        "name the right one: export TF_VAR_name=...",
        f"Or remove the other one, or its tag: {CONTROL_PANEL}/droplets",
    )
