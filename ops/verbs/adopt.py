"""make adopt: manage a deployment from here that was made from elsewhere.

What the account has of it is noted in Terraform's state here; nothing in the account or on the
droplet changes but this: your own SSH key is added, and keys of your own to the Space of offsite
backups, if there is one; and Terraform puts the droplet into the project once more, which is the
one thing that it cannot import.
"""

from __future__ import annotations

from ops.adoption import fleet_imports, imports
from ops.adoption.imports import Adoption, Wanted
from ops.adoption.state_only import completes_the_state
from ops.backup import offsite
from ops.cloud.api import CONTROL_PANEL
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import Settings
from ops.deployment import account, lookup
from ops.deployment.lookup import Deployment
from ops.doctor.before import before_adopt, key_can_be_added
from ops.ssh import authorized_keys
from ops.ssh.connection import Host
from ops.ssh.errors import Unreachable
from ops.terraform.run import Terraform
from ops.terraform.state import deployed_name


def run(settings: Settings, _arguments: list[str]) -> None:
    """Find it, import it, compare, and try ssh. Raises Failed."""
    terminal.phase("Check what is needed")
    before_adopt(settings)
    deployment = lookup.find(settings)
    _refuse_a_second(settings.selected.name, deployment)

    terminal.phase(f"What the account has of {settings.selected.name}")
    found = _find(settings, deployment)
    key_can_be_added(settings)

    terminal.phase("Terraform: import it")
    terraform = Terraform(settings.terraform)
    terraform.init()
    _import(settings, terraform, deployment, found)

    terminal.phase("What differs from the configuration")
    differs = _compare(terraform)

    terminal.phase("SSH")
    _try_ssh(settings.terraform.public_key, lookup.find(settings))
    _print_what_next(settings.selected.name, differs=differs)


def _refuse_a_second(name: str, deployment: Deployment) -> None:
    """One state holds one deployment. Raises Failed if it holds another one."""
    made = deployed_name(deployment.state)
    if made not in ("", name):
        raise Failed(
            f"Terraform here has made {made}, and can manage one deployment only. Nothing was "
            "changed.",
            f"For {name}, make another clone and adopt it there. For {made}: "
            f"export TF_VAR_name={made}",
        )


def _find(settings: Settings, deployment: Deployment) -> list[Adoption]:
    """What is to be in the state, listed. Raises Failed if there is nothing."""
    cloud, state, name = deployment.cloud, deployment.state, settings.selected.name
    there = account.of(cloud, name, state)
    asked = Wanted(name, settings.terraform.public_key, settings.selected.droplet_id)
    found = imports.wanted(cloud, asked, fleet_imports.first_only(there, name), state)
    # A tag alone is no deployment: it remains after a destroy.
    if all(one.resource.kind == "tag" for one in found):
        raise _nothing_to_adopt(name, imports.others(cloud, name))
    _refuse_a_space_that_is_not_named(settings.offsite.bucket, found)
    found += fleet_imports.fleet(cloud, name, settings.scale, settings.site.domain, there)
    found += imports.alerts(cloud, there) if settings.alerts.email else []
    for one in found:
        terminal.line(f"  {one.resource}")
    if others := [one for one in there if one not in [wanted.resource for wanted in found]]:
        terminal.line("Of the same name, and not imported:")
        for other in others:
            terminal.line(f"  {other}  (id {other.key})")
    addresses = [one.note for one in there if one.kind == "alert"]
    if addresses and not settings.alerts.email:
        terminal.line(
            "TF_VAR_alert_email is not set here, so its alerts are not imported. To manage "
            f"them: export TF_VAR_alert_email={addresses[0]}, then run this again."
        )
    return found


def _nothing_to_adopt(name: str, others: list[str]) -> Failed:
    return Failed(
        f"Your account has no deployment {name}, so there is nothing to adopt.",
        f"If it has another name, give that: export TF_VAR_name={others[0]}"
        + (f"   (or one of: {' '.join(others[1:])})" if others[1:] else "")
        if others
        else f"Make one: {make('deploy')}",
    )


def _refuse_a_space_that_is_not_named(bucket: str, found: list[Adoption]) -> None:
    """The next `make deploy` would take it for one to remove. Raises Failed."""
    for one in found:
        space = one.resource
        if space.kind == "space" and bucket != space.key:
            raise Failed(
                f"Its offsite backups go to the Space {space.key}, and TF_VAR_backup_bucket does "
                "not "
                "name it, so nothing was imported.",
                f"export TF_VAR_backup_bucket={space.key}, then run this again. If the Space "
                "is not in the droplet's region: export TF_VAR_backup_bucket_region=..., too",
            )


def _import(
    settings: Settings, terraform: Terraform, deployment: Deployment, found: list[Adoption]
) -> None:
    """Note each in the state, unless it is there. Raises Failed."""
    noted = {one.address: one.key for one in deployment.state}
    new = [one for one in found if not one.is_noted(noted.get(one.address))]
    for one in new:
        if one.address in noted:
            # It was recreated from elsewhere, and what is noted here is gone.
            terraform.remove_from_state(one.address)
        if one.resource.kind == "space":
            # Spaces need a key of their own, and the API never shows an old key's secret.
            terraform.make_only(offsite.MAKER)
            region = offsite.bucket_region(settings.offsite, settings.terraform)
            key = one.resource.key
            terraform.import_resource(one.address, f"{region},{key}", bucket=key)
        else:
            terraform.import_resource(one.address, one.resource.key)
        terminal.line(f"Imported {one.resource.kind} {one.resource.name}.")
    if not new:
        terminal.line("Nothing to adopt: Terraform here knows all of it already.")


def _compare(terraform: Terraform) -> bool:
    """Print what differs; what Terraform lacks only in its own notes is added. Raises Failed."""
    with terraform.compare() as plan:
        if plan.differs and completes_the_state(plan):
            terraform.apply_quietly(plan)
        elif plan.differs:
            terraform.show(plan)
            return True
    terminal.line("Nothing: the account is as the configuration says.")
    return False


def _try_ssh(public_key: str, deployment: Deployment) -> None:
    """Whether each droplet accepts your key; with another one, yours is added. Raises Failed."""
    there = [one for one in deployment.droplets if one.ip]
    if not there:
        terminal.line("There is no droplet that has an address, so SSH cannot be tried.")
    for one in there:
        if one.is_off and len(there) > 1:
            terminal.line(f"The droplet {one.name} is turned off, so SSH cannot be tried.")
        else:
            _try_one(public_key, deployment.host(one), one.key)


def _try_one(public_key: str, host: Host, key: str) -> None:
    try:
        host.ask("true")
    except Unreachable as error:
        if "does not accept your SSH key" not in error.what:
            raise
        raise Failed(
            f"Everything is imported, but the droplet does not accept your login: {error.what}.",
            "If you have the key that it was made with, name it, and run this again: "
            "export ANSIBLE_PRIVATE_KEY_FILE=...",
            f"If not: on {CONTROL_PANEL}/droplets/{key}/access press Launch Droplet "
            "Console, and type there, in one line:",
            f"  echo '{public_key}' >>/root/.ssh/authorized_keys",
        ) from error
    terminal.line(f"The droplet at {host.ip} accepts your login.")
    if authorized_keys.add(host, public_key):
        terminal.line("It accepts your own key from now on.")


def _print_what_next(name: str, *, differs: bool) -> None:
    terminal.line()
    if differs:
        terminal.done(
            f"{name} is managed from here now. What differs is above: "
            f"{make('deploy')} brings it in line. Or, to keep what is there: export TF_VAR_..."
        )
    else:
        terminal.done(
            f"{name} is managed from here now. Your next change into service: {make('release')}"
        )
