"""Several droplets, one after the other: what is done to each, and the way back if one fails.

All have the same version in service: a release or a rollback that fails on one is undone on those
that had it already. With one droplet, none of this shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from ops.cloud import power
from ops.cloud.api import CONTROL_PANEL, OFF, ON, Droplet
from ops.console import terminal
from ops.console.errors import AlreadyPrinted, Failed
from ops.console.make import make
from ops.console.programs import who_releases
from ops.deployment.lookup import Deployment, about_untracked
from ops.ssh import digits_command
from ops.ssh.connection import Host
from ops.ssh.errors import Unreachable

# Wait for the end of a release whose connection was lost: it may have gone on.
_WAIT_FOR_ITS_END = "flock --wait 60 /run/lock/digits true 2>/dev/null"
# No visitors from the balancer (roles/web): its health path says that the droplet is drained.
_OUT = "touch /run/digits-drained"
# Visitors again, also where it waits after a boot until it has the others' version in service.
_IN = "rm -f /run/digits-drained /run/digits-booted"


def warn_of_untracked(deployment: Deployment) -> None:
    """Name the droplets with the tag that are none of the deployment's: they get nothing."""
    if others := deployment.untracked:
        for line in about_untracked(deployment, others):
            terminal.note(line)


def chosen(deployment: Deployment) -> Host:
    """The droplet of a verb that is for one: DROPLET's, else the first, which is then named."""
    wanted = deployment.selected
    if not (wanted.droplet or wanted.droplet_ip):
        there = deployment.reachable
        if len(there) > 1:
            other = make(f"ssh DROPLET={there[1].name}")
            terminal.note(
                f"This is {there[0].name}, the first of {len(there)} droplets. Another: {other}"
            )
        return deployment.host(there[0])
    return deployment.host(deployment.chosen)


def need_all(deployment: Deployment) -> list[Host]:
    """Those that a change is for: all that are on. Raises Failed if one does not answer.

    That one would come back with an older version than the others. One that is off comes back by a
    boot, after which it waits until it has their version in service (roles/fleet).
    """
    there = deployment.reachable
    if len(there) < 2:
        return [deployment.host(one) for one in there]
    without = deployment.selected.without
    wanted = without.split(",") if without else []
    if strangers := set(wanted) - {one.name for one in there}:
        raise Failed(
            f"WITHOUT names {', '.join(sorted(strangers))}, and no droplet is called so. There is: "
            f"{', '.join(one.name for one in there)}.",
            "Name one of them, or none.",
        )
    lost = [one for one in there if not one.is_off and not _answers(deployment, one, wanted)]
    for one in lost:
        terminal.line(
            f"{one.name} does not answer, so it is turned off, as WITHOUT={one.name} wants it."
        )
        power.turn(deployment.cloud, one, OFF)
    here = [one for one in there if not one.is_off and one not in lost]
    if not here:
        raise Failed(
            "Every droplet is turned off, so nothing was changed.",
            f"Turn them on: {make('deploy')}",
        )
    if away := [one.name for one in there if one not in here]:
        terminal.line(
            f"Without {', '.join(away)}, turned off: {make('deploy')} turns them on again."
        )
    return [deployment.host(one) for one in here]


def _answers(deployment: Deployment, one: Droplet, wanted: list[str]) -> bool:
    """Whether it does. Raises Failed if it does not, and WITHOUT does not name it."""
    try:
        deployment.host(one).ask("true")
    except Unreachable as error:
        if one.name in wanted:
            return False
        raise Failed(
            f"The droplet {one.name} does not answer: {error.what}. All droplets serve the "
            "same version, so nothing was changed on any.",
            f"See what it does: {CONTROL_PANEL}/droplets/{one.key}/access. To go on without it "
            f"meanwhile: the same command with WITHOUT={one.name} turns it off. If it is lost, "
            f"remove it there: {make('deploy')} makes a new one in its place",
        ) from error
    if one.name in wanted:
        terminal.line(f"{one.name} answers, so it takes part, too.")
    return True


def turn_on(deployment: Deployment) -> bool:
    """Turn on those of several that are off; whether there were any. Raises Failed.

    The deployment has to be found again then: it holds their status from before.
    """
    off = [one for one in deployment.droplets if one.is_off and deployment.several]
    for one in off:
        terminal.line(f"{one.name} is turned off: turning it on.")
        power.turn(deployment.cloud, one, ON)
    return bool(off)


def each(deployment: Deployment, ask: Callable[[Host], None]) -> None:
    """Ask each, also after one has failed. Raises Failed at the end."""
    there = deployment.reachable
    if len(there) == 1:
        ask(deployment.host(there[0]))
        return
    failed = False
    for one in there:
        terminal.phase(f"Droplet {one.name}")
        if one.is_off:
            terminal.line("It is turned off, and has no visitors.")
            continue
        try:
            ask(deployment.host(one))
        except AlreadyPrinted:
            failed = True
        except Failed as error:
            terminal.failure(error)
            failed = True
    if failed:
        raise AlreadyPrinted


def different_versions(live_ids: dict[str, str]) -> str:
    """Which droplet has what in service, where they differ; else nothing.

    `live_ids` has the id of each one's image, empty where nothing is in service yet.
    """
    if len(set(live_ids.values())) < 2:
        return ""
    return ", ".join(f"{name} {image[7:19] or 'nothing'}" for name, image in live_ids.items())


def drain(deployment: Deployment, names: list[str]) -> None:
    """Let the balancer send no visitors to these of several, before they go. Raises Failed.

    One that does not answer gets no visitors anyway.
    """
    if not names or not deployment.droplets:
        return
    drained = [one for one in deployment.droplets if one.name in names and one.ip]
    if not drained or not deployment.balancer:
        return
    for one in drained:
        with suppress(Unreachable):
            deployment.host(one).ask(_OUT)
    seconds = deployment.balancer.seconds_to_notice
    terminal.line(
        f"No more visitors for {', '.join(one.name for one in drained)}: waiting "
        f"{seconds} s until the balancer has noticed"
    )
    time.sleep(seconds)


def live(host: Host, before: str = "") -> str:
    """The id of the image that is live there; empty where nothing is. Raises Failed."""
    return str(digits_command.live(host, before).get("id", ""))


def one_by_one(there: list[Host], change: Callable[[Host], None], released_by: str) -> None:
    """Put another version into service on each. Raises what the change raises.

    Where it fails on one, those before it go back to what they had; `released_by` is the name
    for the list of releases.
    """
    if len(there) == 1:
        change(there[0])
        return
    before = {one.name: live(one) for one in there}
    done: list[Host] = []
    for one in there:
        terminal.phase(f"Droplet {one.name}")
        try:
            change(one)
            one.must(_IN)
        except (Failed, KeyboardInterrupt):
            # This one, too: it may have cut over after its connection was lost.
            _put_back([*done, one], before, who_releases(released_by))
            raise
        done.append(one)


def _put_back(done: Iterable[Host], before: dict[str, str], who: str) -> None:
    """Put back into service what these had before; an error is printed, never raised."""
    any_in_service = any(before.values())
    for one in done:
        served = before[one.name]
        try:
            if live(one, _WAIT_FOR_ITS_END) == served:
                continue  # it had that version before, too, or never got another
            terminal.phase(f"Droplet {one.name} goes back, so that all have the same version")
            if served:
                digits_command.show(one, "rollback", who, served)
            elif any_in_service:
                # A new one has no earlier version, and must not have another than the others.
                one.show(_OUT)
                terminal.line(
                    "It is new: the balancer sends no visitors there until the next release."
                )
        except Failed as error:
            if not isinstance(error, AlreadyPrinted):
                terminal.failure(error)
            terminal.note(
                f"{one.name} could not go back; why is above. It may have another version than "
                f"the others: {make('release')} or {make('rollback')} fixes that."
            )
