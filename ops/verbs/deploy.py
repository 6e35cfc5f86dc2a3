"""make deploy: from nothing, or from what is there, to the app on a droplet."""

from __future__ import annotations

from dataclasses import dataclass

from ops.backup import dumps, replaced_droplet, restore_on_create
from ops.backup.replaced_droplet import Kept
from ops.backup.restore_on_create import Start
from ops.cloud import prices
from ops.cloud.api import CloudError
from ops.console import terminal
from ops.console.make import make
from ops.console.settings import Settings
from ops.deployment import fleet, lookup
from ops.deployment.lookup import Deployment
from ops.doctor.before import before_deploy
from ops.page import site, smoke_test
from ops.provision import ansible
from ops.release import image
from ops.ssh import digits_command
from ops.ssh.connection import forget_host
from ops.terraform import apply, earlier, plan_guard
from ops.terraform.plan import Plan
from ops.terraform.run import Terraform
from ops.terraform.state import BUCKET
from ops.verbs import release


def run(settings: Settings, _arguments: list[str]) -> None:
    """Check, plan and guard, apply, set up, release, look. Raises Failed."""
    terminal.phase("Check what is needed")
    settings = earlier.keep(settings, may_ask=True)
    before_deploy(settings)
    backups_go_to = _offsite(settings)

    terraform = Terraform(settings.terraform)
    made = _make(settings, terraform)
    deployment = lookup.find(settings)

    terminal.phase("Ansible: the server")
    if fleet.turn_on(deployment):
        deployment = lookup.find(settings)
    _set_up(settings, terraform, deployment, made, backups_go_to)
    _release(settings, deployment, made.kept)
    if backups_go_to not in ("", "none"):
        terminal.phase("A first offsite backup")
        digits_command.show(deployment.host(deployment.reachable[0]), "offsite", "hourly")

    terminal.phase("Smoke test")
    smoke_test.look(settings.site, deployment.url)
    if made.closes_later:
        from ops.provision import growing

        growing.close_the_old_address(settings, deployment, terraform)
    _print_what_there_is(settings, deployment)
    if settings.pipeline.public_key.exists():
        from ops.github import access

        access.renew(settings.pipeline, [deployment.host(one) for one in deployment.reachable])


def _offsite(settings: Settings) -> str:
    """Where offsite backups will go; "" where none are set. Raises Failed."""
    if not (settings.offsite.bucket or settings.offsite.repository):
        return ""
    from ops.backup import offsite

    place = offsite.repository(settings.offsite, settings.terraform)
    offsite.print_where(settings.offsite, place)
    return place


@dataclass(frozen=True)
class Made:
    """What Terraform made, and what is kept of a droplet that was deleted.

    closes_later: its own address stays open until the page answers through the balancer.
    """

    is_new: bool
    closes_later: bool
    kept: Kept


def _make(settings: Settings, terraform: Terraform) -> Made:
    """Plan, guard what must not be lost, apply. Raises Failed."""
    terminal.phase("Terraform: the droplet and what guards it")
    terraform.init()
    deployment = lookup.find(settings)
    _guard_the_space(settings, deployment, terraform)
    with terraform.plan() as plan:
        plan_guard.refuse(plan, settings.ssh, settings.consent)
        kept = _kept(settings, deployment, plan)
        if plan.makes_first_droplet and not kept.dump and not plan.keeps_database:
            restore_on_create.need_an_answer(_start(settings, deployment, kept))
        if plan.is_larger:
            from ops.provision import growing

            growing.carry_out(settings, deployment, terraform, plan)
        else:
            apply.patiently(deployment.cloud, settings.selected.name, terraform, plan)
    if plan.created:
        for droplet in lookup.find(settings).droplets:
            if droplet.name in plan.created:
                # Its address may have been another droplet's, with another host key.
                forget_host(settings.ssh, droplet.ip)
    return Made(plan.makes_first_droplet, plan.closes_first_droplet, kept)


def _guard_the_space(settings: Settings, deployment: Deployment, terraform: Terraform) -> None:
    """Refuse to remove the Space with the backups, if there is one. Raises Failed."""
    if any(one.kind == BUCKET for one in deployment.state):
        from ops.backup import offsite

        offsite.guard(settings.offsite, settings.consent, deployment.state, terraform)


def _kept(settings: Settings, deployment: Deployment, plan: Plan) -> Kept:
    """Refuse a plan that loses the droplet or the database, or keep what they hold."""
    losses = plan.losses
    if plan.removes_database:
        from ops.provision import growing

        losses = growing.losses(settings, deployment, plan)
    return replaced_droplet.keep(settings, deployment, plan, losses) if losses else Kept()


def _start(settings: Settings, deployment: Deployment, kept: Kept) -> Start:
    """How a new droplet starts: with the last dump of the one before, unless RESTORE says other."""
    folder = dumps.folder_of(settings.backups, deployment.name)
    restore = settings.backups.restore or (str(kept.dump) if kept.dump else "")
    return Start(restore, folder, settings.scale.is_managed)


def _set_up(
    settings: Settings, terraform: Terraform, deployment: Deployment, made: Made, place: str
) -> None:
    """Let Ansible set the server up. Raises Failed."""
    backups: dict[str, str] = {}
    if place:
        from ops.backup import offsite

        host = None if made.is_new else deployment.host(deployment.reachable[0])
        key = terraform.secrets("backup_key")
        backups = offsite.for_ansible(settings.offsite, place, deployment.name, host, key)
    if made.closes_later:
        from ops.provision import growing

        settings = growing.with_old_address(settings, is_open=True)
    ansible.play(
        settings,
        "The server is not set up yet; what Ansible could not do is above.",
        "Fix it, then run the same command again: it goes on where it stopped.",
        certificate=made.kept.certificate,
        backups=backups,
        database=_database(terraform.secrets("database")),
    )


def _database(credentials: dict[str, str]) -> dict[str, str]:
    """The variable of roles/app: the managed database's credentials, or that there is none."""
    if not credentials:
        return {"MANAGED_DATABASE": '{"host": ""}'}
    from ops.database import migration

    return migration.for_ansible(credentials)


def _release(settings: Settings, deployment: Deployment, kept: Kept) -> None:
    """The first release of a new droplet, or the next one. Raises Failed."""
    host = deployment.host(deployment.reachable[0])
    source = restore_on_create.restore(_start(settings, deployment, kept), host)
    wanted = image.given(settings.release)
    if source and not wanted:
        has_login = bool(settings.release.registry_user)
        wanted = restore_on_create.image_in_service(source, host, has_login=has_login)
    release.release(settings, deployment, wanted)


def _print_what_there_is(settings: Settings, deployment: Deployment) -> None:
    try:
        dollars = deployment.reachable[0].dollars_a_month
        has_space = bool(settings.offsite.bucket)
        price = f"${prices.in_all(settings.scale, dollars, has_space=has_space):g}"
    except CloudError:
        price = "$?"
    terminal.box(
        f"The digit recogniser is on the internet, {terminal.seconds()} s after you asked.",
        "",
        f"  URL      {deployment.url}",
        *_droplets(settings, deployment),
        *_the_name(settings),
        f"  Cost     {price} a month, until {make('destroy')}",
        "",
        "What next:",
        f"  {make('status')}    what is live, and how the droplet is",
        f"  {make('release')}   your next change into service",
        f"  {make('destroy')}   remove it all, and see that nothing is left to pay for",
    )


def _droplets(settings: Settings, deployment: Deployment) -> list[str]:
    """Where they are, and whether the site is on HTTPS."""
    https = site.certificate_text(settings.site, deployment.url)
    there = deployment.droplets
    if len(there) < 2:
        return [f"  Droplet  {there[0].ip}", f"  HTTPS    {https}"]
    if not deployment.url.startswith("https://"):
        https = f"none: the load balancer needs a name for it ({make('doctor')})"
    return [*(f"  Droplet  {one.ip}  {one.name}" for one in there), f"  HTTPS    {https}"]


def _the_name(settings: Settings) -> list[str]:
    if not settings.site.domain:
        return []
    there = f"https://{settings.site.domain}"
    return [f"  Name     {there}: {site.certificate_text(settings.site, there)}"]
