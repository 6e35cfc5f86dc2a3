"""make deploy: from nothing, or from what is there, to the app on a droplet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ops.backup import dumps, local_backup, offsite, old_certificate, restore_on_create
from ops.backup.restore_on_create import Start
from ops.cloud import prices
from ops.cloud.api import CloudError, Droplet
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import Settings
from ops.database import migration
from ops.deployment import domain, fleet, lookup
from ops.deployment.lookup import Deployment
from ops.doctor import before_deploy
from ops.github import access
from ops.page import site, smoke_test
from ops.provision import ansible, cut_over
from ops.release import image
from ops.ssh import digits_command
from ops.ssh.connection import forget_host
from ops.terraform import apply, plan_guard
from ops.terraform.plan import Plan
from ops.terraform.run import Terraform
from ops.terraform.state import DATABASE
from ops.verbs import release


def run(settings: Settings, _arguments: list[str]) -> None:
    """Check, plan and guard, apply, set up, release, look. Raises Failed."""
    terminal.phase("Check what is needed")
    before_deploy(settings)
    backups_go_to = offsite.repository(settings.offsite, settings.terraform)
    offsite.print_where(settings.offsite, backups_go_to)

    terraform = Terraform(settings.terraform)
    made = _make(settings, terraform)
    deployment = lookup.find(settings)

    terminal.phase("Ansible: the server")
    fleet.turn_on(deployment)
    _set_up(settings, terraform, deployment, made, backups_go_to)
    _release(settings, deployment, made)
    if backups_go_to not in ("", offsite.NONE):
        terminal.phase("A first offsite backup")
        digits_command.show(deployment.host(deployment.reachable[0]), "offsite", "hourly")

    terminal.phase("Smoke test")
    smoke_test.look(settings.site, deployment.url)
    if made.closes_later:
        _close_the_old_address(settings, terraform, deployment)
    _print_what_there_is(settings, deployment)
    access.renew(settings.pipeline, [deployment.host(one) for one in deployment.reachable])


@dataclass(frozen=True)
class Made:
    """What Terraform made, and what is kept of a droplet that was deleted: certificate, last dump.

    closes_later: its own address stays open until the page answers through the balancer.
    """

    is_new: bool = False
    closes_later: bool = False
    certificate: str = ""
    dump: Path | None = None


def _make(settings: Settings, terraform: Terraform) -> Made:
    """Plan, guard what must not be lost, apply. Raises Failed."""
    terminal.phase("Terraform: the droplet and what guards it")
    terraform.init()
    deployment = lookup.find(settings)
    offsite.guard(settings.offsite, settings.consent, deployment.state, terraform)
    with terraform.plan() as plan:
        plan_guard.refuse(plan, settings.ssh, settings.consent)
        made = _guard_the_droplet(settings, deployment, plan)
        if plan.makes_first_droplet and not made.dump and not plan.keeps_database:
            restore_on_create.need_an_answer(_start(settings, deployment, made))
        if not plan.removes_database:  # else they are drained by now
            fleet.drain(deployment, plan.deleted)
        made = replace(
            made, is_new=plan.makes_first_droplet, closes_later=plan.closes_first_droplet
        )
        record = _record_made_by_hand(settings, deployment)
        if not made.closes_later and not record:
            apply.patiently(deployment.cloud, settings.selected.name, terraform, plan)
    if made.closes_later:
        _make_the_balancer(settings, deployment, terraform)
    if made.closes_later or record:
        _apply_the_rest(settings, deployment, terraform, record, made)
    if new := plan.created:
        for droplet in lookup.find(settings).droplets:
            if droplet.name in new:
                # Its address may have been another droplet's, with another host key.
                forget_host(settings.ssh, droplet.ip)
    return made


def _start(settings: Settings, deployment: Deployment, made: Made) -> Start:
    """How a new droplet starts: with the last dump of the one before, unless RESTORE says other."""
    folder = dumps.folder_of(settings.backups, deployment.name)
    restore = settings.backups.restore or (str(made.dump) if made.dump else "")
    return Start(restore, folder, settings.scale.is_managed)


def _set_up(
    settings: Settings, terraform: Terraform, deployment: Deployment, made: Made, place: str
) -> None:
    """Let Ansible set the server up. Raises Failed."""
    ansible.play(
        _with_old_address(settings, is_open=True) if made.closes_later else settings,
        "The server is not set up yet; what Ansible could not do is above.",
        "Fix it, then run the same command again: it goes on where it stopped.",
        certificate=made.certificate,
        copies=offsite.for_ansible(
            settings.offsite,
            place,
            deployment.name,
            None if made.is_new else deployment.host(deployment.reachable[0]),
            terraform.secrets("backup_key"),
        ),
        database=migration.for_ansible(terraform.secrets("database")),
    )


def _release(settings: Settings, deployment: Deployment, made: Made) -> None:
    """The first release of a new droplet, or the next one. Raises Failed."""
    host = deployment.host(deployment.reachable[0])
    source = restore_on_create.restore(_start(settings, deployment, made), host)
    wanted = image.given(settings.release)
    if source and not wanted:
        has_login = bool(settings.release.registry_user)
        wanted = restore_on_create.image_in_service(source, host, has_login=has_login)
    release.release(settings, deployment, wanted)


def _record_made_by_hand(settings: Settings, deployment: Deployment) -> str:
    """The A record of the domain that Terraform has to import; "" if there is none."""
    if not settings.scale.several:
        return ""
    return domain.record_made_by_hand(deployment, settings.site.domain)


def _make_the_balancer(settings: Settings, deployment: Deployment, terraform: Terraform) -> None:
    """From one droplet to several: its visitors come in by the balancer, too, before all else."""
    # One that was set up by an older version of this does not answer a balancer yet.
    ansible.set_up_if_changed(settings, deployment.host(deployment.first_on))
    terminal.phase("Terraform: the load balancer, then all else")
    cut_over.make_balancer(deployment, terraform)


def _apply_the_rest(
    settings: Settings, deployment: Deployment, terraform: Terraform, record: str, made: Made
) -> None:
    """What is left of a plan when the balancer is there, and the name's record is Terraform's."""
    if record:
        terraform.import_resource(domain.RECORD, record)
        terminal.line(
            f"The A record of {settings.site.domain} that was made by hand is Terraform's now: it "
            "will lead to the load balancer."
        )
    variables = {"TF_VAR_old_address_open": "true"} if made.closes_later else {}
    with terraform.plan(**variables) as plan:
        name = settings.selected.name
        apply.patiently(deployment.cloud, name, terraform, plan, **variables)


def _with_old_address(settings: Settings, *, is_open: bool) -> Settings:
    """The settings with the first droplet's own address open, or closed, to visitors."""
    scale = replace(settings.scale, old_address_open="true" if is_open else "false")
    return replace(settings, scale=scale)


def _close_the_old_address(
    settings: Settings, terraform: Terraform, deployment: Deployment
) -> None:
    """The page is live on all droplets: none is reached but through the balancer from now on."""
    terminal.phase("Terraform: close the old address")
    with terraform.plan() as plan:
        apply.patiently(deployment.cloud, settings.selected.name, terraform, plan)
    ansible.play(
        _with_old_address(settings, is_open=False),
        "The page is live at its new address, but the first droplet still expects visitors at the "
        "old one; what Ansible could not do is above.",
        "Fix it, then run the same command again: it goes on where it stopped.",
    )


def _guard_the_droplet(settings: Settings, deployment: Deployment, plan: Plan) -> Made:
    """Refuse a plan that deletes the droplet; if it is wanted, save the answers first.

    Returns what is kept of the droplet that is deleted.
    """
    losses = plan.losses
    if plan.removes_database and _moved_back(settings, deployment, plan):
        losses = [loss for loss in losses if loss["type"] != DATABASE]
    if not losses:
        return Made()
    explained = [plan_guard.explain(deployment.cloud, plan, loss) for loss in losses]
    terminal.line("\n\n".join(explained))
    if settings.consent.replace != "yes":
        raise Failed(
            f"Refused: {plan_guard.lost(losses)} would be lost. Nothing was changed.",
            "Take back the setting that forces it. If you mean it, this makes a last backup and "
            "goes on: the same command with REPLACE=yes",
        )
    # The one that is deleted, whatever else has the name or the tag.
    host = deployment.host(deployment.made_here or Droplet("", None))
    dump = None
    if local_backup.can_be_made(settings.consent, host):
        dump = local_backup.fetch_last(dumps.folder_of(settings.backups, deployment.name), host)
    else:
        local_backup.refuse_to_lose(settings.consent)
    certificate = old_certificate.of(host) if host.ip else ""
    forget_host(settings.ssh, host.ip)
    return Made(certificate=certificate, dump=dump)


def _moved_back(settings: Settings, deployment: Deployment, plan: Plan) -> bool:
    """Move the predictions from the managed database to the first droplet. Raises Failed.

    Returns whether they were moved: with REPLACE=yes it goes on without.
    """
    try:
        migration.move_back(deployment, settings.release, plan.deleted)
    except Failed:
        if settings.consent.replace != "yes":
            raise
        terminal.note("REPLACE=yes: it goes on without.")
        return False
    return True


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
        f"  {make('status')}    what serves, and how the droplet is",
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
