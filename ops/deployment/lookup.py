"""Which droplet is this deployment's, and where its site is: the one rule of every verb.

It is the droplet that Terraform's state holds. Where there is no state (in the pipeline, in
another clone) it is the one that carries the tag; of several, none is chosen. The site's address
is the reserved IP that the droplet has; the droplet's own is for ssh. Where several serve behind
a balancer, the others carry the tag, too, and a number behind the name: digits-2.
"""

from __future__ import annotations

from ops.cloud import load_balancer
from ops.cloud.api import CONTROL_PANEL, Cloud, CloudError, Droplet
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.terraform.state import DROPLET, FIRST, deployed_name, resources


class Ambiguous(CloudError):
    """More than one droplet could be meant."""


def name(settings: Settings) -> str:
    """The name that the deployment has: Terraform's, where it made it, else the one that is set.

    Raises StateError.
    """
    return deployed_name(resources(settings)) or settings.name


def made_here(settings: Settings) -> Droplet | None:
    """The droplet that Terraform made from here, if it still exists, whatever its name is now.

    Of several the first. Raises CloudError and StateError.
    """
    made = [one for one in resources(settings) if one.kind == DROPLET and one.key]
    keys = [one.key for one in made if one.address == FIRST] or [one.key for one in made]
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
    there = _without_the_others(Cloud(settings).droplets(settings.name), settings.name)
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


def members(settings: Settings, first: Droplet | None = None) -> list[Droplet]:
    """Every droplet of this deployment, the first one first; none if there is none yet.

    Raises what find() raises.
    """
    first = first or find(settings)
    if first is None:
        return []
    tagged = Cloud(settings).droplets(name(settings))
    made_as = name(settings)
    others = [one for one in tagged if number_of(one.name, made_as) and one.key != first.key]
    return [first, *sorted(others, key=lambda one: number_of(one.name, made_as))]


def strangers(settings: Settings) -> list[Droplet]:
    """The droplets with the deployment's tag that are none of it, where Terraform made it here.

    Without its state nobody can tell. Raises CloudError.
    """
    found = resources(settings)
    made = {one.key for one in found if one.kind == DROPLET}
    if not made or settings.droplet_ip:
        return []
    made_as = deployed_name(found)
    return [
        one
        for one in Cloud(settings).droplets(made_as)
        if one.key not in made and not number_of(one.name, made_as)
    ]


def about(settings: Settings, others: list[Droplet]) -> tuple[str, str]:
    """What strangers are and mean, and the one thing to do."""
    listed = "; ".join(f"{one}, ${one.dollars_a_month:g} a month" for one in others)
    what = f"The tag {name(settings)} is also on a droplet that was not made from here: {listed}."
    place = f"{CONTROL_PANEL}/droplets/{others[0].key}"
    return (
        f"{what} It gets no releases, and destroy does not remove it.",
        f"Remove it, or take the tag off it: {place}",
    )


def number_of(droplet: str, deployment: str) -> int:
    """Which one of several it is, by its name: digits-2 is the second; 0 if it is none of them."""
    number = droplet.removeprefix(f"{deployment}-")
    return int(number) if number != droplet and number.isdecimal() else 0


def _without_the_others(droplets: list[Droplet], deployment: str) -> list[Droplet]:
    """Those that may be the first; what is numbered stands beside it."""
    return [one for one in droplets if not number_of(one.name, deployment)] or droplets


def address(settings: Settings) -> str:
    """The droplet's own address. Raises Failed if there is no droplet, or no telling which."""
    if settings.droplet and not settings.droplet_ip:
        return _named(settings)
    return settings.droplet_ip or _one_that_is_on(settings)


def _one_that_is_on(settings: Settings) -> str:
    """The first droplet's address; of several, where that is turned off, another's."""
    first, ip = _running(settings)
    if first.status == "off":
        on = [one.ip for one in members(settings, first) if one.ip and one.status != "off"]
        return on[0] if on else ip
    return ip


def _named(settings: Settings) -> str:
    """The address of the one that was named. Raises Failed if there is none of this name."""
    there = members(settings)
    for one in there:
        if one.name == settings.droplet and one.ip:
            return one.ip
    names = ", ".join(one.name for one in there) or "none yet"
    raise Failed(
        f"No droplet of this deployment is called {settings.droplet}. There is: {names}.",
        "Run the same command without DROPLET"
        + (f", or with DROPLET={there[0].name}" if there else ""),
    )


def site_address(settings: Settings) -> str:
    """The address in the URL. Raises Failed if there is no droplet, or no telling which.

    A balancer with a certificate answers by the name that it is for.
    """
    if settings.droplet_ip:
        return settings.droplet_ip
    droplet = _running(settings)[0]
    before = balancer(settings, droplet) if settings.domain else None
    return settings.domain if before and before.is_secure else site_of(settings, droplet)


def balancer(settings: Settings, droplet: Droplet) -> load_balancer.Balancer | None:
    """What stands before several droplets; nothing before one. Raises CloudError."""
    several = len(members(settings, droplet)) > 1
    if not (several or _may_be_left_alone(settings)):
        return None
    try:
        return load_balancer.balancer_before(Cloud(settings), name(settings))
    except CloudError as error:
        # Whoever has one droplet needs no scope for it.
        if several or error.status != 403:
            raise
        return None


def _may_be_left_alone(settings: Settings) -> bool:
    """Whether one droplet may be what is left of several: it stays behind their balancer.

    Terraform's state has the others then; where there is no state, as in the pipeline, it may.
    """
    droplets = [one.address for one in resources(settings) if one.kind == DROPLET]
    return not droplets or any(address not in ("", FIRST) for address in droplets)


def site_of(settings: Settings, droplet: Droplet) -> str:
    """The droplet's reserved IP; its own address where it has none yet. Raises CloudError.

    Of several droplets it is their balancer's.
    """
    if before := balancer(settings, droplet):
        return before.ip
    return own_site(settings, droplet)


def own_site(settings: Settings, droplet: Droplet) -> str:
    """The droplet's reserved IP, whatever stands before it; else its own. Raises CloudError."""
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
