"""make destroy: remove everything that `make deploy` made, and prove that nothing is left."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ops.adoption import conflicts
from ops.backup import dumps, local_backup
from ops.cloud.api import CONTROL_PANEL, Cloud
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.programs import need
from ops.console.settings import Consent, Settings
from ops.deployment import account, lookup
from ops.deployment.account import AccountResource
from ops.deployment.lookup import Deployment
from ops.github import access
from ops.release import registry
from ops.ssh.connection import Host, forget_host
from ops.terraform.run import Terraform
from ops.terraform.state import BUCKET, Resource

SECONDS = 15  # for the API's lists to take note of what is gone
# Balancers and databases go on their own time, after Terraform has asked for it.
SECONDS_OF_ENGINES = 300


@dataclass(frozen=True)
class Removal:
    """What is to be destroyed: the name, the account's resources, the droplets, the Spaces."""

    name: str
    there: list[AccountResource]
    hosts: list[Host]
    spaces: frozenset[str] = frozenset()


def run(settings: Settings, _arguments: list[str]) -> None:
    """List what will be destroyed, ask, back up, destroy, and look what is left. Raises Failed."""
    terminal.phase("Check what is needed")
    need("ssh")
    terraform = Terraform(settings.terraform)
    deployment = lookup.find(settings)
    cloud = deployment.cloud
    terminal.line(f"The token is valid; the account is {cloud.account_status()}.")
    terraform.init()

    terminal.phase("What will be destroyed")
    removal = _what_will_be_removed(settings.terraform.public_key, deployment, terraform)
    if removal is None:
        return
    _ask_and_back_up(settings, removal)

    addresses = [host.ip for host in removal.hosts if host.ip]
    access.withdraw(settings.pipeline, settings.ssh.pinned, addresses)
    terminal.phase("Terraform: destroy")
    complete = terraform.destroy()
    if complete:
        _remove_keys_to_nothing(cloud, removal)

    terminal.phase("What is left")
    nothing_is_left = _look_what_is_left(cloud, removal)
    if not (complete and nothing_is_left):
        raise Failed(
            "Not everything is gone; what is in the way is above.",
            "Fix it, then run the same command again.",
        )
    for address in addresses:
        forget_host(settings.ssh, address)
    registry.forget_volume()
    terminal.line()
    terminal.done(f"Gone: what {make('deploy')} made no longer exists.")


def _listed(title: str, resources: list[AccountResource]) -> None:
    if resources:
        terminal.line("\n".join([title, *(f"  {one}" for one in resources)]))


def _what_will_be_removed(
    public_key: str, deployment: Deployment, terraform: Terraform
) -> Removal | None:
    """List it; None if there is nothing at all. Raises Failed if it cannot be removed from here."""
    # What Terraform will remove may have been made under another name than is set now.
    state, name, cloud = deployment.state, deployment.name, deployment.cloud
    there = account.of(cloud, name, state)
    others = account.unknown_to(state, there)
    _listed(f"Will be destroyed ({name}):", [one for one in there if one not in others])
    _listed(f"Not in Terraform's state, so kept ({name}):", others)
    if any(one.billed for one in conflicts.find(cloud, name, state, public_key)):
        raise Failed(
            "Terraform here does not know what costs money of the above, so it cannot remove it. "
            "Nothing was destroyed.",
            f"Import it, then run this again: {make('adopt')}",
        )
    _refuse_what_would_be_forgotten(state, others)
    if state:
        terminal.line(f"Terraform made, and will remove, {len(state)}:")
        terraform.show_what_there_is()
        spaces = frozenset(one.name for one in state if one.kind == BUCKET)
        first = deployment.made_here
        droplets = deployment.with_others(first) if first else []
        return Removal(name, there, [deployment.host(one) for one in droplets], spaces)
    terminal.line(f"There is nothing to destroy: no droplet of {name}, and Terraform made nothing.")
    return None


def _refuse_what_would_be_forgotten(state: list[Resource], others: list[AccountResource]) -> None:
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


def _ask_and_back_up(settings: Settings, removal: Removal) -> None:
    """Print whether there can be a last backup, ask, and make it. Raises Failed."""
    host = _host_to_back_up(settings.consent, removal)
    terminal.line()
    question = "This cannot be undone. Destroy it all?"
    terminal.confirm(question, removal.name, settings.consent.confirm)
    if removal.hosts and not host and settings.consent.confirm:
        # CONFIRM was given before it was printed that there can be none.
        local_backup.refuse_to_lose(settings.consent)
    if host:
        terminal.phase("The last backup")
        local_backup.fetch_last(dumps.folder_of(settings.backups, removal.name), host)


def _host_to_back_up(consent: Consent, removal: Removal) -> Host | None:
    """The droplet that the last backup comes from; None if none is made."""
    if not removal.hosts:
        terminal.line("No backup is made: no droplet will be destroyed.")
        return None
    # The droplets share a database, so any of them will do; BACKUP=no is printed once.
    some = removal.hosts if consent.backup != "no" else removal.hosts[:1]
    return next((host for host in some if local_backup.can_be_made(consent, host)), None)


def _remove_keys_to_nothing(cloud: Cloud, removal: Removal) -> None:
    """Other laptops' keys to a Space that is gone: by them, it would still seem to be there."""
    if removal.spaces:
        for key in account.keys_to_nothing(cloud, removal.name, set(removal.spaces)):
            cloud.delete(f"spaces/keys/{key}")


def _look_what_is_left(cloud: Cloud, removal: Removal) -> bool:
    """List what is left of what was there, and of the name; whether nothing of it costs money."""
    slow = any(one.kind in ("balancer", "database") for one in removal.there)
    deadline = time.monotonic() + (SECONDS_OF_ENGINES if slow else SECONDS)
    while True:
        left = [*account.still_there(cloud, removal.there), *account.of(cloud, removal.name)]
        # What went on existing elsewhere is the same one under the same number.
        once = {(one.kind, one.key): one for one in left}.values()
        billed = [one for one in once if one.billed]
        if not billed or time.monotonic() > deadline:
            break
        time.sleep(3)
    _listed("Left, and free of charge:", [one for one in once if not one.billed])
    if not billed:
        terminal.line(f"Nothing that costs money is left of {removal.name}.")
        if idle := account.idle_addresses(cloud):
            terminal.line(
                "Your account pays for reserved IPs that are on no droplet, whosever they were: "
                f"{', '.join(idle)}. Release those that nobody needs: "
                f"{CONTROL_PANEL}/networking/reserved_ips"
            )
        return True
    _listed("Left, and paid for until it is removed:", billed)
    terminal.line(f"Remove it by hand: {CONTROL_PANEL}/projects")
    return False
