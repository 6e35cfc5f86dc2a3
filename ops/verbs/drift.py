"""make drift: what in the account and on the droplet is not as this project says; changes nothing.

`python -m ops drift` ends with 0 if nothing differs, with 2 if something does, and with 1 if it
could not be told. make itself ends with 2 for both: its last line names the number.
"""

from __future__ import annotations

from ops.adoption import differences, imports
from ops.cloud import power
from ops.cloud.api import Cloud, Droplet
from ops.console import terminal
from ops.console.errors import Differs, Failed
from ops.console.settings import Settings
from ops.deployment import account, lookup
from ops.provision import check_mode
from ops.ssh.connection import Droplet as Machine
from ops.terraform.run import Terraform
from ops.terraform.state import RESERVED_IP, Resource, resources

_SET_UP = "test ! -e /opt/digits/fingerprint || echo yes"


def run(settings: Settings, _arguments: list[str]) -> None:
    """Compare both. Raises Differs if something is not as it should be, and Failed."""
    terminal.phase("The account, and what Terraform would change")
    droplet, differs = _in_the_account(settings)
    _say(differs, "Nothing: the account is as infra/terraform says.")

    there = lookup.members(settings, droplet) if droplet else []
    several = f"The {len(there)} droplets" if len(there) > 1 else "The droplet"
    terminal.phase(f"{several}, and what Ansible would change")
    if droplet is None or not droplet.ip:
        terminal.line("There is no droplet to look at.")
    else:
        on_it = _on_the_droplets(settings, there)
        _say(on_it, f"Nothing: {_names(there)} as infra/ansible says.")
        differs += on_it

    terminal.line()
    if differs:
        terminal.line(
            f"Something differs; nothing was changed. {settings.verb('deploy')} mends it."
        )
        raise Differs
    terminal.done("Nothing differs.")


def _say(differs: list[str], nothing: str) -> None:
    for line in differs or [nothing]:
        terminal.line(line)


def _in_the_account(settings: Settings) -> tuple[Droplet | None, list[str]]:
    """The droplet, and what differs. Raises Failed if there is nothing to compare."""
    cloud, state = Cloud(settings), resources(settings)
    name = lookup.name(settings)
    there = account.of(cloud, name, state)
    if imports.in_the_way(settings, name, state):
        raise Failed(
            f"Terraform here does not know all that your account has of {name}, so it cannot "
            "compare.",
            f"Take it in first: {settings.verb('adopt')}",
        )
    if not state:
        raise Failed("Nothing is deployed yet.", f"Make it: {settings.verb('deploy')}")
    terraform = Terraform(settings)
    terraform.init()
    with terraform.look() as plan:
        lines = differences.in_words(plan.data)
    droplet = lookup.made_here(settings)
    strangers = [thing for thing in account.unknown_to(state, there) if thing.kind == "droplet"]
    lines += [f"{thing} (id {thing.key}): Terraform does not know it" for thing in strangers]
    return droplet, [*lines, *_lost_addresses(cloud, state, droplet)]


def _lost_addresses(cloud: Cloud, state: list[Resource], droplet: Droplet | None) -> list[str]:
    """The site's address, if it is not on the droplet: what Terraform does not notice."""
    made = {one.key for one in state if one.kind == RESERVED_IP}
    return [
        f"reserved ip {reserved.ip}: it is not on the droplet, so nobody reaches the page"
        for reserved in cloud.reserved_ips()
        if droplet and reserved.ip in made and reserved.droplet != droplet.key
    ]


def _names(there: list[Droplet]) -> str:
    if len(there) == 1:
        return "the droplet is"
    return f"{' and '.join(one.name for one in there)} are"


def _on_the_droplets(settings: Settings, there: list[Droplet]) -> list[str]:
    """What Ansible would change. Raises Failed."""
    several = len(there) > 1
    off = [f"{one.name} is turned off." for one in there if several and one.status == power.OFF]
    bare = []
    for one in there:
        if not one.ip or f"{one.name} is turned off." in off:
            continue
        if Machine(settings, one.ip).ask(_SET_UP).strip() != "yes":
            which = f"The droplet {one.name}" if several else "The droplet"
            bare.append(f"{which} is not set up yet.")
    return off + bare if bare else off + check_mode.in_words(settings)
