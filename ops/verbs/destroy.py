"""make destroy: remove everything that `make deploy` made, and prove that nothing is left."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ops.adoption import imports
from ops.backup import local_backup
from ops.cloud.api import CONTROL_PANEL, Cloud, Droplet
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import need
from ops.console.settings import Settings
from ops.deployment import account, lookup
from ops.deployment.account import Belonging
from ops.github import access
from ops.release import registry
from ops.ssh.connection import forget_host
from ops.terraform.run import Terraform
from ops.terraform.state import BUCKET, Resource, resources

SECONDS = 15  # for the API's lists to take note of what is gone
# Balancers and databases go on their own time, after Terraform has asked for it.
SECONDS_OF_ENGINES = 300


@dataclass(frozen=True)
class Going:
    """What is to go: the deployment's name, what the account has of it, its droplets, its Spaces.

    Of the droplets the first one comes first.
    """

    name: str
    there: list[Belonging]
    droplets: list[Droplet]
    spaces: frozenset[str] = frozenset()


def run(settings: Settings, _arguments: list[str]) -> None:
    """Show what goes, ask, back up, destroy, and look what is left. Raises Failed."""
    terminal.phase("Check what is needed")
    need("ssh")
    terraform = Terraform(settings)
    terminal.line(f"The token is valid; the account is {Cloud(settings).account_status()}.")
    terraform.init()

    terminal.phase("What will go")
    going = _what_will_go(settings, terraform)
    if going is None:
        return
    backed_up_from = _say_whether_it_is_backed_up(settings, going)
    _ask(settings, going.name)
    if going.droplets and not backed_up_from and settings.confirm:
        # Whoever typed the name has read above that there will be none.
        local_backup.refuse_to_lose(settings)
    if backed_up_from:
        terminal.phase("The last backup")
        local_backup.fetch_last(settings, backed_up_from)

    access.withdraw(settings, [one.ip for one in going.droplets if one.ip])
    terminal.phase("Terraform: destroy")
    got_to_the_end = terraform.destroy()
    if got_to_the_end:
        _remove_keys_to_nothing(settings, going)

    terminal.phase("What is left")
    nothing_is_left = _look_what_is_left(settings, going)
    if not (got_to_the_end and nothing_is_left):
        raise Failed(
            "Not everything is gone; what is in the way is above.",
            "Mend it, then run the same command again.",
        )
    for droplet in going.droplets:
        forget_host(settings, droplet.ip)
    registry.forget_volume()
    terminal.line()
    terminal.done(f"Gone: what {settings.verb('deploy')} made no longer exists.")


def _listed(title: str, things: list[Belonging]) -> None:
    if things:
        terminal.line("\n".join([title, *(f"  {thing}" for thing in things)]))


def _what_will_go(settings: Settings, terraform: Terraform) -> Going | None:
    """List it; None if there is nothing at all. Raises Failed if it cannot be removed from here."""
    state = resources(settings)
    # What Terraform will remove may have been made under another name than is set now.
    name = lookup.name(settings)
    there = account.of(Cloud(settings), name, state)
    others = account.unknown_to(state, there)
    _listed(
        f"DigitalOcean has of {name}, and it will go:",
        [thing for thing in there if thing not in others],
    )
    _listed(f"DigitalOcean has of {name}, and Terraform does not know it, so it stays:", others)
    _refuse_what_is_elsewhere(settings, name, state, others)
    if state:
        terminal.line(f"Terraform made, and will remove, {len(state)}:")
        terraform.show_what_there_is()
        spaces = frozenset(one.name for one in state if one.kind == BUCKET)
        first = lookup.made_here(settings)
        droplets = lookup.members(settings, first) if first else []
        return Going(name, there, droplets, spaces)
    terminal.line(f"There is nothing to destroy: no droplet of {name}, and Terraform made nothing.")
    return None


def _refuse_what_is_elsewhere(
    settings: Settings, name: str, state: list[Resource], others: list[Belonging]
) -> None:
    """Raises Failed if Terraform here lacks what costs money: destroy would not remove it."""
    elsewhere = imports.in_the_way(settings, name, state)
    if any(thing.billed for thing in elsewhere):
        raise Failed(
            "Terraform here does not know what costs money of the above, so it cannot remove it. "
            "Nothing was destroyed.",
            f"Take it in, then run this again: {settings.verb('adopt')}",
        )
    _refuse_what_would_be_forgotten(state, others)


def _refuse_what_would_be_forgotten(state: list[Resource], others: list[Belonging]) -> None:
    """Raises Failed if what stays could not be found afterwards, and costs money.

    It is found by the deployment's tag, project or droplet, and these go. A snapshot is kept on
    purpose, a reserved IP on no droplet is always listed, and a check is found by its name.
    """
    kept = ("snapshot", "reserved ip", "uptime check")
    forgotten = [one for one in others if one.billed and one.kind not in kept]
    if state and forgotten:
        one = forgotten[0]
        way = {
            "droplet": "remove it, or take the tag off it",
            "volume": "remove it, or detach it",
        }.get(one.kind, "remove it, or move it to another project")
        place = f"droplets/{one.key}" if one.kind == "droplet" else "projects"
        raise Failed(
            "Terraform here did not make what stays and costs money. Without the deployment's tag, "
            "project and droplet nobody would find it again. Nothing was destroyed.",
            f"The {one.kind} {one.name}: {way}, then run this again: {CONTROL_PANEL}/{place}",
        )


def _say_whether_it_is_backed_up(settings: Settings, going: Going) -> str | None:
    """The address of the droplet that the last backup comes from; None if none is made."""
    if not going.droplets:
        terminal.line("No backup is made: no droplet goes.")
        return None
    # Several log into one database, so any of them will do; BACKUP=no is said once.
    some = going.droplets if settings.backup != "no" else going.droplets[:1]
    return next((one.ip for one in some if local_backup.can_be_made(settings, one.ip)), None)


def _ask(settings: Settings, name: str) -> None:
    """Go on only for the name. Raises Failed."""
    question = f"\nThis cannot be undone. To destroy it all, type the name {name}: "
    answer = settings.confirm or terminal.ask(question)
    if answer is None:
        raise Failed(
            "There is no terminal to ask on, so nothing was destroyed.",
            f"Give the droplet's name along: the same command with CONFIRM={name}",
        )
    if answer != name:
        raise Failed(
            f'"{answer}" is not the droplet\'s name, so nothing was destroyed.',
            f"Run it again and give the name: {name}",
        )


def _remove_keys_to_nothing(settings: Settings, going: Going) -> None:
    """Other laptops' keys to a Space that is gone: by them, it would still seem to be there."""
    if going.spaces:
        cloud = Cloud(settings)
        for key in account.keys_to_nothing(cloud, going.name, set(going.spaces)):
            cloud.delete(f"spaces/keys/{key}")


def _look_what_is_left(settings: Settings, going: Going) -> bool:
    """List what is left of what was there, and of the name; whether nothing of it costs money."""
    cloud = Cloud(settings)
    slow = any(thing.kind in ("balancer", "database") for thing in going.there)
    deadline = time.monotonic() + (SECONDS_OF_ENGINES if slow else SECONDS)
    while True:
        left = [*account.still_there(cloud, going.there), *account.of(cloud, going.name)]
        # What went on existing elsewhere is the same thing under the same number.
        once = {(thing.kind, thing.key): thing for thing in left}.values()
        billed = [thing for thing in once if thing.billed]
        if not billed or time.monotonic() > deadline:
            break
        time.sleep(3)
    _listed("Left, and free of charge:", [thing for thing in once if not thing.billed])
    if not billed:
        terminal.line(f"Nothing that costs money is left of {going.name}.")
        if idle := account.idle_addresses(cloud):
            terminal.line(
                "Your account pays for reserved IPs that are on no droplet, whosever they were: "
                f"{', '.join(idle)}. What nobody needs, give back: "
                f"{CONTROL_PANEL}/networking/reserved_ips"
            )
        return True
    _listed("Left, and paid for until it is removed:", billed)
    terminal.line(f"Remove it by hand: {CONTROL_PANEL}/projects")
    return False
