"""make deploy: from nothing, or from what is there, to the app on a droplet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ops.backup import local_backup, offsite, old_certificate, restore_on_create
from ops.cloud import prices
from ops.cloud.api import Cloud, CloudError
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.database import migration
from ops.deployment import domain, fleet, lookup
from ops.doctor import before_deploy
from ops.github import access
from ops.page import site, smoke_test
from ops.provision import ansible, cut_over
from ops.ssh import digits_command
from ops.ssh.connection import Droplet, forget_host
from ops.terraform import apply, plan_guard, ssh_guard
from ops.terraform.run import Plan, Terraform
from ops.verbs import release


def run(settings: Settings, _arguments: list[str]) -> None:
    """Check, plan and guard, apply, set up, release, look. Raises Failed."""
    terminal.phase("Check what is needed")
    before_deploy(settings)
    goes_to = offsite.check(settings)
    offsite.say_where(settings, goes_to)

    terraform = Terraform(settings)
    made = _make(settings, terraform)
    if made.dump:
        settings = settings.but(restore=settings.restore or str(made.dump))
    if made.closes_later:
        settings = settings.but(old_address_open="true")

    terminal.phase("Ansible: the server")
    fleet.turn_on(settings)
    key = terraform.secrets("backup_key")
    ansible.play(
        settings,
        "The server is not set up yet; what Ansible could not do is above.",
        "Mend it, then run the same command again: it goes on where it stopped.",
        certificate=made.certificate,
        copies=offsite.told(settings, None if made.is_new else made.ip, key),
        database=migration.told(terraform.secrets("database")),
    )
    droplet = Droplet(settings, made.ip)
    release.run(restore_on_create.bring_back(settings, droplet), [])
    if goes_to not in ("", offsite.NONE):
        terminal.phase("A first offsite backup")
        digits_command.show(droplet, "offsite", "hourly")

    terminal.phase("Look at it from outside")
    url = site.url(settings, lookup.site_address(settings))
    smoke_test.look(settings, url)
    if made.closes_later:
        _close_the_old_address(settings.but(old_address_open="false"), terraform)
    _say_what_there_is(settings, url, made.ip)
    access.renew(settings, [one.droplet for one in fleet.members(settings)])


@dataclass(frozen=True)
class Made:
    """The droplet there is now, and what is kept of one that went: certificate, last dump.

    closes_later: its own address stays open until the page answers through the balancer.
    """

    ip: str = ""
    is_new: bool = False
    closes_later: bool = False
    certificate: str = ""
    dump: Path | None = None


def _make(settings: Settings, terraform: Terraform) -> Made:
    """Plan, guard what must not be lost, apply. Raises Failed."""
    terminal.phase("Terraform: the droplet and what guards it")
    terraform.init()
    offsite.guard(settings, terraform)
    with terraform.plan() as plan:
        ssh_guard.refuse(settings, plan.data)
        plan_guard.refuse_another_region(settings, plan.data)
        made = _guard_the_droplet(settings, plan)
        is_new = plan_guard.makes_a_droplet(plan.data)
        if is_new and not made.dump and not migration.stays(plan.data):
            restore_on_create.need_an_answer(settings)
        if not migration.goes(plan.data):  # else they are drained by now
            fleet.drain(settings, plan_guard.leavers(plan.data))
        closes = cut_over.is_needed(plan.data)
        record = domain.to_take_in(settings)
        if not closes and not record:
            apply.patiently(settings, terraform, plan)
    if closes:
        _make_the_balancer(settings, terraform)
    if closes or record:
        _apply_the_rest(settings, terraform, record, old_address_open=closes)
    ip = terraform.output("droplet_ip")
    new = plan_guard.newcomers(plan.data)
    for droplet in lookup.members(settings) if new else ():
        if droplet.name in new:
            # Its address may have been another droplet's, with another host key.
            forget_host(settings, droplet.ip)
    return replace(made, ip=ip, is_new=is_new, closes_later=closes)


def _make_the_balancer(settings: Settings, terraform: Terraform) -> None:
    """From one droplet to several: its visitors come in by the balancer, too, before all else."""
    # One that was set up by an older version of this does not answer a balancer yet.
    release.set_up_what_changed(settings, Droplet(settings, lookup.address(settings)))
    terminal.phase("Terraform: the load balancer, then all else")
    cut_over.make(settings, terraform)


def _apply_the_rest(
    settings: Settings, terraform: Terraform, record: str, *, old_address_open: bool
) -> None:
    """What is left of a plan when the balancer is there, and the name's record is Terraform's."""
    if record:
        domain.take_in(settings, terraform, record)
    variables = {"TF_VAR_old_address_open": "true"} if old_address_open else {}
    with terraform.plan(**variables) as plan:
        apply.patiently(settings, terraform, plan, **variables)


def _close_the_old_address(settings: Settings, terraform: Terraform) -> None:
    """The page is live on all droplets: none is reached but through the balancer from now on."""
    terminal.phase("Terraform: close the old address")
    with terraform.plan() as plan:
        apply.patiently(settings, terraform, plan)
    ansible.play(
        settings,
        "The page is live at its new address, but the first droplet still expects visitors at the "
        "old one; what Ansible could not do is above.",
        "Fix it, then run the same command again: it goes on where it stopped.",
    )


def _guard_the_droplet(settings: Settings, plan: Plan) -> Made:
    """Refuse a plan that takes the droplet away; if it is wanted, save the answers first.

    Returns what is kept of a droplet that goes.
    """
    losses = migration.losses(settings, plan.data)
    if not losses:
        return Made()
    terminal.line(
        "\n\n".join(plan_guard.explain(Cloud(settings), plan.data, loss) for loss in losses)
    )
    if settings.replace != "yes":
        raise Failed(
            f"Refused: {plan_guard.lost(losses)} would be lost. Nothing was changed.",
            "Take back the setting that forces it. If you mean it, this makes a last backup and "
            "goes on: the same command with REPLACE=yes",
        )
    # The one that goes, whatever else carries the name or the tag.
    going = lookup.made_here(settings)
    ip = going.ip if going else None
    dump = None
    if local_backup.can_be_made(settings, ip) and ip:
        dump = local_backup.fetch_last(settings, ip)
    else:
        local_backup.refuse_to_lose(settings)
    certificate = old_certificate.of(settings, ip)
    forget_host(settings, ip)
    return Made(certificate=certificate, dump=dump)


def _say_what_there_is(settings: Settings, url: str, droplet_ip: str) -> None:
    try:
        droplet = lookup.find(settings)
        price = f"${prices.in_all(settings, droplet.dollars_a_month):g}" if droplet else "$?"
    except CloudError:
        price = "$?"
    verb = settings.verb
    terminal.box(
        f"The digit recogniser is on the internet, {terminal.seconds()} s after you asked.",
        "",
        f"  URL      {url}",
        *_droplets(settings, url, droplet_ip),
        *_the_name(settings),
        f"  Cost     {price} a month, until {verb('destroy')}",
        "",
        "What next:",
        f"  {verb('status')}    what serves, and how the droplet is",
        f"  {verb('release')}   your next change into service",
        f"  {verb('destroy')}   remove it all, and see that nothing is left to pay for",
    )


def _droplets(settings: Settings, url: str, first: str) -> list[str]:
    """Where they are, and whether the site is on HTTPS."""
    try:
        there = lookup.members(settings)
    except CloudError:
        there = []
    https = site.in_words(settings, url)
    if len(there) < 2:
        return [f"  Droplet  {first}", f"  HTTPS    {https}"]
    if not url.startswith("https://"):
        https = f"none: the load balancer needs a name for it ({settings.verb('doctor')})"
    return [*(f"  Droplet  {one.ip}  {one.name}" for one in there), f"  HTTPS    {https}"]


def _the_name(settings: Settings) -> list[str]:
    if not settings.domain:
        return []
    there = f"https://{settings.domain}"
    return [f"  Name     {there}: {site.in_words(settings, there)}"]
