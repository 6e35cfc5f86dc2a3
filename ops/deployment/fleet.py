"""Several droplets, one after the other: what is done to each, and the way back if one fails.

All serve the same version: a release or a rollback that fails on one is taken back on those that
had it already. Of one droplet nothing of this is seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from ops.cloud import power
from ops.cloud.api import CONTROL_PANEL
from ops.console import terminal
from ops.console.errors import Failed, SaidAlready
from ops.console.programs import who_releases
from ops.console.settings import Settings
from ops.deployment import lookup
from ops.ssh import digits_command
from ops.ssh.connection import Droplet
from ops.ssh.errors import Unreachable

# Wait for the end of a release whose connection was lost: it may have gone on.
_WAIT_FOR_ITS_END = "flock --wait 60 /run/lock/digits true 2>/dev/null"
# No visitors from the balancer (roles/web): its health path says that the droplet is worked on.
_OUT = "touch /run/digits-drained"
# And visitors again, also where it waits after a boot until it serves what the others do.
_IN = "rm -f /run/digits-drained /run/digits-booted"


@dataclass(frozen=True)
class Member:
    """One of the deployment's droplets: its name, its number in the API, and the way in."""

    name: str
    key: str
    droplet: Droplet
    is_off: bool = False


def members(settings: Settings) -> list[Member]:
    """Every droplet of the deployment, the first one first. Raises Failed if there is none."""
    if settings.droplet_ip:
        return [Member("", "", Droplet(settings, settings.droplet_ip))]
    found = [
        Member(one.name, one.key, Droplet(settings, one.ip), one.status == power.OFF)
        for one in lookup.members(settings)
        if one.ip
    ]
    # Where there is none, this says so.
    return found or [Member("", "", Droplet(settings, lookup.address(settings)))]


def note_strangers(settings: Settings) -> None:
    """Name the droplets that carry the tag and are none of the deployment's: they get nothing."""
    if others := lookup.strangers(settings):
        for line in lookup.about(settings, others):
            terminal.note(line)


def chosen(settings: Settings) -> Droplet:
    """The droplet of a verb that is for one: DROPLET's, else the first; of several it is said."""
    if not (settings.droplet or settings.droplet_ip):
        there = members(settings)
        if len(there) > 1:
            other = settings.verb(f"ssh DROPLET={there[1].name}")
            terminal.note(
                f"This is {there[0].name}, the first of {len(there)} droplets. Another: {other}"
            )
        return there[0].droplet
    return Droplet(settings, lookup.address(settings))


def asked_once(there: list[Member]) -> Droplet:
    """The one for what is asked of one only: the first that is on."""
    return next((one for one in there if not one.is_off), there[0]).droplet


def need_all(settings: Settings, there: list[Member]) -> list[Member]:
    """Those that a change is for: every one, but for what is turned off. Raises Failed.

    One that does not answer would come back with an older version than the others. One that is
    off comes back by a boot, after which it waits until it serves what they do (roles/fleet).
    """
    if len(there) < 2:
        return there
    wanted = settings.without.split(",") if settings.without else []
    if strangers := set(wanted) - {one.name for one in there}:
        raise Failed(
            f"WITHOUT names {', '.join(sorted(strangers))}, and no droplet is called so. There is: "
            f"{', '.join(one.name for one in there)}.",
            "Name one of them, or none.",
        )
    lost = [one for one in there if not one.is_off and not _answers(settings, one, wanted)]
    for one in lost:
        terminal.line(
            f"{one.name} does not answer, so it is turned off, as WITHOUT={one.name} wants it."
        )
        power.turn_off(settings, one.key, one.name)
    here = [one for one in there if not one.is_off and one not in lost]
    if not here:
        raise Failed(
            "Every droplet is turned off, so nothing was changed.",
            f"Turn them on: {settings.verb('deploy')}",
        )
    if away := [one.name for one in there if one not in here]:
        terminal.line(
            f"Without {', '.join(away)}, turned off: {settings.verb('deploy')} brings back what is."
        )
    return here


def _answers(settings: Settings, one: Member, wanted: list[str]) -> bool:
    """Whether it does. Raises Failed if it does not, and nobody said to go on without it."""
    try:
        one.droplet.ask("true")
    except Unreachable as trouble:
        if one.name in wanted:
            return False
        raise Failed(
            f"The droplet {one.name} does not answer: {trouble.what}. All droplets serve the "
            "same version, so nothing was changed on any.",
            f"See what it does: {CONTROL_PANEL}/droplets/{one.key}/access. To go on without it "
            f"meanwhile: the same command with WITHOUT={one.name} turns it off. If it is lost, "
            f"remove it there: {settings.verb('deploy')} makes a new one in its place",
        ) from trouble
    if one.name in wanted:
        terminal.line(f"{one.name} answers, so it takes part, too.")
    return True


def turn_on(settings: Settings) -> None:
    """Turn on what is off of several, before it is set up and released to. Raises Failed."""
    there = members(settings)
    for one in there if len(there) > 1 else ():
        if one.is_off:
            terminal.line(f"{one.name} is turned off: turning it on.")
            power.turn_on(settings, one.key, one.name)


def each(there: list[Member], ask: Callable[[Member], None]) -> None:
    """Ask each, also after one of several has failed. Raises Failed, of several at the end."""
    if len(there) == 1:
        ask(there[0])
        return
    failed = False
    for one in there:
        terminal.phase(f"Droplet {one.name}")
        if one.is_off:
            terminal.line("It is turned off, and serves nobody.")
            continue
        try:
            ask(one)
        except SaidAlready:
            failed = True
        except Failed as trouble:
            terminal.failure(trouble)
            failed = True
    if failed:
        raise SaidAlready


def different_versions(served: dict[str, str]) -> str:
    """Which droplet serves what, where they do not serve the same; else nothing.

    `served` has the id of each one's image, empty where nothing is in service yet.
    """
    if len(set(served.values())) < 2:
        return ""
    return ", ".join(f"{name} {image[7:19] or 'nothing'}" for name, image in served.items())


def drain(settings: Settings, names: list[str]) -> None:
    """Let the balancer send nobody more to these of several, before they go. Raises Failed.

    One that does not answer gets no visitors anyway.
    """
    there = lookup.members(settings) if names else []
    before = lookup.balancer(settings, there[0]) if there else None
    going = [one for one in there if one.name in names and one.ip]
    if not before or not going:
        return
    for one in going:
        with suppress(Unreachable):
            Droplet(settings, one.ip or "").ask(_OUT)
    terminal.line(
        f"No more visitors for {', '.join(one.name for one in going)}: waiting "
        f"{before.seconds_to_notice} s until the balancer has noticed"
    )
    time.sleep(before.seconds_to_notice)


def live(droplet: Droplet, before: str = "") -> str:
    """The id of the image that is live there; empty where nothing is. Raises Failed."""
    return str(digits_command.live(droplet, before).get("id", ""))


def one_by_one(settings: Settings, there: list[Member], change: Callable[[Member], None]) -> None:
    """Put another version into service on each. Raises what the change raises.

    Where it fails on one, those before it go back to what they served.
    """
    if len(there) == 1:
        change(there[0])
        return
    before = {one.name: live(one.droplet) for one in there}
    done: list[Member] = []
    for one in there:
        terminal.phase(f"Droplet {one.name}")
        try:
            change(one)
            one.droplet.must(_IN)
        except (Failed, KeyboardInterrupt):
            # This one, too: it may have switched after its connection was lost.
            _put_back(settings, [*done, one], before)
            raise
        done.append(one)


def _put_back(settings: Settings, done: Iterable[Member], before: dict[str, str]) -> None:
    """Let those that have the new version serve what they served; what goes wrong is said."""
    somebody_served = any(before.values())
    for one in done:
        served = before[one.name]
        try:
            if live(one.droplet, _WAIT_FOR_ITS_END) == served:
                continue  # it had that version before, too, or never got another
            terminal.phase(f"Droplet {one.name} goes back, so that all serve the same")
            if served:
                digits_command.show(
                    one.droplet, "rollback", who_releases(settings.released_by), served
                )
            elif somebody_served:
                # A new one has nothing to go back to, and must not serve what the others do not.
                one.droplet.show(_OUT)
                terminal.line("It is new: the balancer sends nobody there until the next release.")
        except Failed as trouble:
            if not isinstance(trouble, SaidAlready):
                terminal.failure(trouble)
            terminal.note(
                f"{one.name} could not go back; why is above. It may serve another version than "
                f"the others: {settings.verb('release')} or {settings.verb('rollback')} mends that."
            )
