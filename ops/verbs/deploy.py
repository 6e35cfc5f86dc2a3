"""make deploy: from nothing, or from what is there, to the app on a droplet."""

from __future__ import annotations

from ops import (
    ansible,
    backups,
    deployment,
    kept_certificate,
    lockout,
    page,
    plan_guard,
    say,
    site,
)
from ops.cloud import Cloud, CloudError
from ops.doctor import before_deploy
from ops.errors import Failed
from ops.settings import Settings
from ops.ssh import Droplet, forget_host
from ops.terraform import Plan, Terraform
from ops.verbs import release


def run(settings: Settings, _arguments: list[str]) -> None:
    """Check, plan and guard, apply, set up, release, look. Raises Failed."""
    say.phase("Check what is needed")
    before_deploy(settings)

    say.phase("Terraform: the droplet and what guards it")
    terraform = Terraform(settings)
    terraform.init()
    with terraform.plan() as plan:
        lockout.refuse(settings, plan.data)
        certificate = _guard_the_droplet(settings, plan)
        terraform.apply(plan)

    say.phase("Ansible: the server")
    ansible.play(
        settings,
        "The server is not set up yet; what Ansible could not do is above.",
        "Mend it, then run the same command again: it goes on where it stopped.",
        certificate=certificate,
    )

    release.run(settings, [])

    say.phase("Look at it from outside")
    ip = terraform.output("ip")
    url = site.url(ip)
    page.look(settings, url)
    _say_what_there_is(settings, url, terraform.output("droplet_ip"))
    _say_if_the_pipeline_is_left_behind(settings)


def _guard_the_droplet(settings: Settings, plan: Plan) -> str:
    """Refuse a plan that takes the droplet away; if it is wanted, save the answers first.

    Returns the certificate of a droplet that goes.
    """
    losses = plan_guard.losses(plan.data)
    if not losses:
        return ""
    say.line("\n\n".join(plan_guard.explain(Cloud(settings), plan.data, loss) for loss in losses))
    if settings.replace != "yes":
        raise Failed(
            "Refused: the droplet would be lost. Nothing was changed.",
            "Take back the setting that forces it. If you mean it, this makes a last backup and "
            "goes on: the same command with REPLACE=yes",
        )
    # The one that goes, whatever else carries the name or the tag.
    going = deployment.made_here(settings)
    ip = going.ip if going else None
    if backups.can_be_made(settings, ip) and ip:
        backups.fetch_last(settings, ip)
    else:
        backups.refuse_to_lose(settings)
    certificate = kept_certificate.of(settings, ip)
    forget_host(settings, ip)
    return certificate


def _say_what_there_is(settings: Settings, url: str, droplet_ip: str) -> None:
    try:
        droplet = deployment.find(settings)
        price = f"${droplet.dollars_a_month:g}" if droplet else "$?"
    except CloudError:
        price = "$?"
    verb = settings.verb
    say.box(
        f"The digit recogniser is on the internet, {say.seconds()} s after you asked.",
        "",
        f"  URL      {url}",
        f"  Droplet  {droplet_ip}",
        f"  HTTPS    {site.in_words(settings, url)}",
        *_the_name(settings),
        f"  Cost     {price} a month, until {verb('destroy')}",
        "",
        "What next:",
        f"  {verb('status')}    what serves, and how the droplet is",
        f"  {verb('release')}   your next change into service",
        f"  {verb('destroy')}   remove it all, and see that nothing is left to pay for",
    )


def _the_name(settings: Settings) -> list[str]:
    if not settings.domain:
        return []
    there = f"https://{settings.domain}"
    return [f"  Name     {there}: {site.in_words(settings, there)}"]


def _say_if_the_pipeline_is_left_behind(settings: Settings) -> None:
    """A droplet that was made anew does not know the pipeline, nor GitHub the droplet."""
    public = settings.pipeline_key.with_name(f"{settings.pipeline_key.name}.pub")
    if not public.exists():
        return
    droplet = Droplet(settings, deployment.address(settings))
    lets_in = droplet.must("cat /root/.ssh/authorized_keys")
    if public.read_text().split()[1] not in lets_in:
        say.line()
        say.line(
            "This is another droplet than the pipeline knows, and it cannot get in yet: "
            f"{settings.verb('pipeline')}"
        )
