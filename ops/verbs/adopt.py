"""make adopt: look after a deployment from here that was made from elsewhere.

What the account has of it is noted in Terraform's state here; nothing in the account or on the
droplet changes but this: your own SSH key is added, and keys of your own to the Space of copies, if
there is one; and Terraform says once more that the project holds the droplet, which is the one
thing that it cannot import.
"""

from __future__ import annotations

from ops.adoption import differences, fleet_imports, imports
from ops.adoption.imports import Adoption
from ops.backup import offsite
from ops.cloud import power
from ops.cloud.api import CONTROL_PANEL, Cloud
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.deployment import account, lookup
from ops.doctor import before_adopt, key_can_be_added
from ops.ssh.connection import Droplet
from ops.ssh.errors import Unreachable
from ops.terraform.run import Terraform
from ops.terraform.state import deployed_name, resources

# The key goes over stdin; grep keeps the second run from adding it again. The empty line before it,
# which sshd skips, is for a file whose last line has no end.
_LET_IN = """read -r key
grep -qF "$(echo "$key" | cut -d ' ' -f 2)" /root/.ssh/authorized_keys && exit
printf "\\n%s\\n" "$key" >>/root/.ssh/authorized_keys && echo "It lets your own key in from now on."
"""


def run(settings: Settings, _arguments: list[str]) -> None:
    """Find it, take it in, compare, and try the way in. Raises Failed."""
    terminal.phase("Check what is needed")
    before_adopt(settings)
    _refuse_a_second(settings)

    terminal.phase(f"What the account has of {settings.name}")
    found = _find(settings)
    key_can_be_added(settings)

    terminal.phase("Terraform: take it in")
    terraform = Terraform(settings)
    terraform.init()
    _take_in(settings, terraform, found)

    terminal.phase("What differs from the configuration")
    differs = _compare(terraform)

    terminal.phase("The way in")
    _try_the_way_in(settings)
    _say_what_next(settings, differs)


def _refuse_a_second(settings: Settings) -> None:
    """One state holds one deployment. Raises Failed if it holds another one."""
    made = deployed_name(resources(settings))
    if made not in ("", settings.name):
        raise Failed(
            f"Terraform here has made {made}, and can look after one deployment only. Nothing was "
            "changed.",
            f"For {settings.name}, make another clone and adopt it there. For {made}: "
            f"export TF_VAR_name={made}",
        )


def _find(settings: Settings) -> list[Adoption]:
    """What is to be in the state, listed. Raises Failed if there is nothing."""
    cloud = Cloud(settings)
    state = resources(settings)
    there = account.of(cloud, settings.name, state)
    alone = fleet_imports.first_only(there, settings.name)
    found = imports.wanted(settings, alone, state)
    # A tag alone is no deployment: it stays when all else is gone.
    if all(one.thing.kind == "tag" for one in found):
        others = imports.others(cloud, settings.name)
        raise Failed(
            f"Your account has no deployment {settings.name}, so there is nothing to adopt.",
            f"If it has another name, give that: export TF_VAR_name={others[0]}"
            + (f"   (or one of: {' '.join(others[1:])})" if others[1:] else "")
            if others
            else f"Make one: {settings.verb('deploy')}",
        )
    _refuse_a_space_that_is_not_named(settings, found)
    found += fleet_imports.fleet(settings, there)
    found += imports.alerts(settings, there) if settings.alert_email else []
    for one in found:
        terminal.line(f"  {one.thing}")
    strangers = [thing for thing in there if thing not in [one.thing for one in found]]
    if strangers:
        terminal.line("Of the same name, and left alone:")
        for thing in strangers:
            terminal.line(f"  {thing}  (id {thing.key})")
    told = [thing.note for thing in there if thing.kind == "alert"]
    if told and not settings.alert_email:
        terminal.line(
            "TF_VAR_alert_email is not set here, so its alerts are left alone, too. To look after "
            f"them: export TF_VAR_alert_email={told[0]}, then run this again."
        )
    return found


def _refuse_a_space_that_is_not_named(settings: Settings, found: list[Adoption]) -> None:
    """The next `make deploy` would take it for one to remove. Raises Failed."""
    for one in found:
        if one.thing.kind == "space" and settings.backup_bucket != one.thing.key:
            raise Failed(
                f"Its copies go to the Space {one.thing.key}, and TF_VAR_backup_bucket does not "
                "name it, so nothing was taken in.",
                f"export TF_VAR_backup_bucket={one.thing.key}, then run this again. If the Space "
                "is not in the droplet's region: export TF_VAR_backup_bucket_region=..., too",
            )


def _take_in(settings: Settings, terraform: Terraform, found: list[Adoption]) -> None:
    """Note each in the state, unless it is there. Raises Failed."""
    noted = {one.address: one.key for one in resources(settings)}
    new = [one for one in found if not one.is_noted(noted.get(one.address))]
    for one in new:
        if one.address in noted:
            # Somebody else has made it anew, and what is noted here is gone.
            terraform.forget(one.address)
        if one.thing.kind == "space":
            # Spaces are asked with a key of their own, and nobody is told an old one's secret.
            terraform.make_only(offsite.MAKER)
            place = f"{offsite.bucket_region(settings)},{one.thing.key}"
            terraform.take_in(one.address, place, bucket=one.thing.key)
        else:
            terraform.take_in(one.address, one.thing.key)
        terminal.line(f"Took in {one.thing.kind} {one.thing.name}.")
    if not new:
        terminal.line("Nothing to adopt: Terraform here knows all of it already.")


def _compare(terraform: Terraform) -> bool:
    """Say what differs; what Terraform lacks only in its own notes is added. Raises Failed."""
    with terraform.look() as plan:
        if differences.changes(plan.data) and differences.change_nothing(plan.data):
            terraform.apply_quietly(plan)
            terminal.line("Nothing: the account is as the configuration says.")
            return False
        lines = differences.in_words(plan.data, adopted=True)
    for line in lines or ["Nothing: the account is as the configuration says."]:
        terminal.line(line)
    return bool(lines)


def _try_the_way_in(settings: Settings) -> None:
    """Whether each droplet lets us in; if another key opens it, yours will, too. Raises Failed."""
    there = [one for one in lookup.members(settings) if one.ip]
    if not there:
        terminal.line("There is no droplet that has an address, so there is no way in to try.")
    for one in there:
        if one.status == power.OFF and len(there) > 1:
            terminal.line(f"The droplet {one.name} is turned off, so there is no way in to try.")
        else:
            _try_one(settings, one.ip or "", one.key)


def _try_one(settings: Settings, ip: str, key_of_it: str) -> None:
    try:
        Droplet(settings, ip).ask("true")
    except Unreachable as error:
        if "does not accept your SSH key" not in error.what:
            raise
        raise Failed(
            f"All is taken in, but the droplet does not let you in: {error.what}.",
            "If you have the key that it was made with, name it, and run this again: "
            "export ANSIBLE_PRIVATE_KEY_FILE=...",
            f"If not: on {CONTROL_PANEL}/droplets/{key_of_it}/access press Launch Droplet "
            "Console, and type there, in one line:",
            f"  echo '{imports.public_key(settings)}' >>/root/.ssh/authorized_keys",
        ) from error
    terminal.line(f"The droplet at {ip} lets you in.")
    key = imports.public_key(settings)
    Droplet(settings, ip).show(_LET_IN, stdin=f"{key}\n".encode())


def _say_what_next(settings: Settings, differs: bool) -> None:
    terminal.line()
    if differs:
        terminal.done(
            f"{settings.name} is looked after from here now. What differs is above: "
            f"{settings.verb('deploy')} brings it in line."
        )
    else:
        terminal.done(
            f"{settings.name} is looked after from here now. Your next change into service: "
            f"{settings.verb('release')}"
        )
