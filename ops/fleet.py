"""Several droplets, one after the other: what is done to each, and the way back if one fails.

All serve the same version: a release or a rollback that fails on one is taken back on those that
had it already. Of one droplet nothing of this is seen.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from ops import deployment, say
from ops.cloud import CONTROL_PANEL
from ops.errors import Failed, SaidAlready
from ops.programs import who_releases
from ops.settings import Settings
from ops.ssh import Droplet
from ops.ssh_words import Unreachable

# The id of the image that serves there; nothing on a droplet that has served nobody yet.
_SERVES = "[ ! -e /opt/digits/releases.log ] || tail -n 1 /opt/digits/releases.log | cut -f 5"
# No visitors from the balancer (roles/web): its health path says that the droplet is worked on.
_OUT = "touch /run/digits-drained"
_IN = "rm -f /run/digits-drained"


@dataclass(frozen=True)
class Member:
    """One of the deployment's droplets: its name, its number in the API, and the way in."""

    name: str
    key: str
    droplet: Droplet


def members(settings: Settings) -> list[Member]:
    """Every droplet of the deployment, the first one first. Raises Failed if there is none."""
    if settings.droplet_ip:
        return [Member("", "", Droplet(settings, settings.droplet_ip))]
    found = [
        Member(one.name, one.key, Droplet(settings, one.ip))
        for one in deployment.members(settings)
        if one.ip
    ]
    # Where there is none, this says so.
    return found or [Member("", "", Droplet(settings, deployment.address(settings)))]


def need_all(settings: Settings, there: list[Member]) -> None:
    """See, before several are changed, that each answers. Raises Failed.

    One that is down would come back with an older version than the others.
    """
    for one in there if len(there) > 1 else ():
        try:
            one.droplet.ask("true")
        except Unreachable as trouble:
            raise Failed(
                f"The droplet {one.name} does not answer: {trouble.what}. All droplets serve the "
                "same version, so nothing was changed on any.",
                f"See what it does: {CONTROL_PANEL}/droplets/{one.key}/access. If it is lost, "
                f"remove it there: {settings.verb('deploy')} makes a new one in its place",
            ) from trouble


def each(there: list[Member], ask: Callable[[Member], None]) -> None:
    """Ask each, also after one of several has failed. Raises Failed, of several at the end."""
    if len(there) == 1:
        ask(there[0])
        return
    failed = False
    for one in there:
        say.phase(f"Droplet {one.name}")
        try:
            ask(one)
        except SaidAlready:
            failed = True
        except Failed as trouble:
            say.failure(trouble)
            failed = True
    if failed:
        raise SaidAlready


def drain(settings: Settings, names: list[str]) -> None:
    """Let the balancer send nobody more to these of several, before they go. Raises Failed.

    One that does not answer gets no visitors anyway.
    """
    there = deployment.members(settings) if names else []
    before = deployment.balancer(settings, there[0]) if there else None
    going = [one for one in there if one.name in names and one.ip]
    if not before or not going:
        return
    for one in going:
        with suppress(Failed):
            Droplet(settings, one.ip or "").ask(_OUT)
    say.line(
        f"No more visitors for {', '.join(one.name for one in going)}: waiting "
        f"{before.seconds_to_notice} s until the balancer has noticed"
    )
    time.sleep(before.seconds_to_notice)


def one_by_one(settings: Settings, there: list[Member], change: Callable[[Member], None]) -> None:
    """Put another version into service on each. Raises what the change raises.

    Where it fails on one, those before it go back to what they served.
    """
    if len(there) == 1:
        change(there[0])
        return
    before = {one.name: one.droplet.must(_SERVES).strip() for one in there}
    done: list[Member] = []
    for one in there:
        say.phase(f"Droplet {one.name}")
        try:
            change(one)
        except (Failed, KeyboardInterrupt):
            _put_back(settings, done, before)
            raise
        one.droplet.must(_IN)
        done.append(one)


def _put_back(settings: Settings, done: Iterable[Member], before: dict[str, str]) -> None:
    """Let those that have the new version serve what they served; what goes wrong is said."""
    somebody_served = any(before.values())
    for one in done:
        served = before[one.name]
        if one.droplet.must(_SERVES).strip() == served:
            continue  # it had that version before, too
        say.phase(f"Droplet {one.name} goes back, so that all serve the same")
        words = ["digits-rollback", who_releases(settings.released_by), served]
        try:
            if served:
                one.droplet.show(shlex.join(words))
            elif somebody_served:
                # A new one has nothing to go back to, and must not serve what the others do not.
                one.droplet.show(_OUT)
                say.line("It is new: the balancer sends nobody there until the next release.")
        except (Failed, SaidAlready):
            say.note(
                f"{one.name} could not go back; why is above. It serves another version than the "
                f"others: {settings.verb('release')} or {settings.verb('rollback')} mends that."
            )
