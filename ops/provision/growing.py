"""What `make deploy` does where there is more than one droplet, or a managed database.

From one droplet to several there is no moment in which no address of the site answers. The balancer
is made before everything else, and its address is printed. When visitors reach the first droplet
through it, everything else is made; that droplet stays open at its own address until the new
version is live on all of them. Only then it is closed to all but the balancer.
"""

from __future__ import annotations

import ssl
import urllib.error
from dataclasses import replace

from ops.cloud import load_balancer
from ops.cloud.load_balancer import Balancer
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import Settings
from ops.console.wait import until_fine
from ops.database import migration
from ops.deployment import domain, fleet
from ops.deployment.lookup import Deployment
from ops.page import site
from ops.provision import ansible
from ops.terraform import apply
from ops.terraform.plan import Change, Plan
from ops.terraform.run import Terraform
from ops.terraform.state import DATABASE

BALANCER = "digitalocean_loadbalancer.app[0]"
SECONDS = 120  # two health checks, and as much again for a slow machine


def losses(settings: Settings, deployment: Deployment, plan: Plan) -> list[Change]:
    """The losses of a plan, without the managed database if its predictions were moved back.

    Raises Failed.
    """
    if not plan.removes_database:
        return plan.losses
    try:
        migration.move_back(deployment, settings.release, plan.deleted)
    except Failed:
        if settings.consent.replace != "yes":
            raise
        terminal.note("REPLACE=yes: it goes on without.")
        return plan.losses
    return [loss for loss in plan.losses if loss["type"] != DATABASE]


def carry_out(settings: Settings, deployment: Deployment, terraform: Terraform, plan: Plan) -> None:
    """Do what was planned, in an order that keeps the page reachable. Raises Failed."""
    if not plan.removes_database:  # else they are drained by now
        fleet.drain(deployment, plan.deleted)
    several, name = settings.scale.several, settings.site.domain
    record = domain.record_made_by_hand(deployment, name) if several else ""
    if not plan.closes_first_droplet and not record:
        apply.patiently(deployment.cloud, settings.selected.name, terraform, plan)
        return
    if plan.closes_first_droplet:
        # One that was set up by an older version of this does not answer a balancer yet.
        ansible.set_up_if_changed(settings, deployment.host(deployment.first_on))
        terminal.phase("Terraform: the load balancer, then all else")
        _make_balancer(deployment, terraform)
    if record:
        terraform.import_resource(domain.RECORD, record)
        terminal.line(
            f"The A record of {name} that was made by hand is Terraform's now: it will lead to "
            "the load balancer."
        )
    variables = {"TF_VAR_old_address_open": "true"} if plan.closes_first_droplet else {}
    with terraform.plan(**variables) as rest:
        apply.patiently(deployment.cloud, settings.selected.name, terraform, rest, **variables)


def with_old_address(settings: Settings, *, is_open: bool) -> Settings:
    """The settings with the first droplet's own address open, or closed, to visitors."""
    scale = replace(settings.scale, old_address_open="true" if is_open else "false")
    return replace(settings, scale=scale)


def close_the_old_address(settings: Settings, deployment: Deployment, terraform: Terraform) -> None:
    """The page is live on all droplets: from now on they are reached through the balancer only."""
    terminal.phase("Terraform: close the old address")
    with terraform.plan() as plan:
        apply.patiently(deployment.cloud, settings.selected.name, terraform, plan)
    ansible.play(
        with_old_address(settings, is_open=False),
        "The page is live at its new address, but the first droplet still expects visitors at the "
        "old one; what Ansible could not do is above.",
        "Fix it, then run the same command again: it goes on where it stopped.",
    )


def _make_balancer(deployment: Deployment, terraform: Terraform) -> None:
    """Make the balancer, and wait until the page answers through it. Raises Failed."""
    terminal.line(
        "The load balancer comes first: until the page answers there, nothing else changes."
    )
    terraform.make_only(BALANCER)
    balancer = load_balancer.find(deployment.cloud, deployment.name)
    if balancer is None:
        raise Failed(
            "The load balancer was made, and DigitalOcean does not name its address yet.",
            f"Run it again in a minute: {make('deploy')} goes on where it stopped.",
        )
    terminal.line(
        f"The page's new address: {_url(balancer)}   (the old one stays open until all is done)"
    )
    waiting = f"Waiting for the page at {balancer.ip}"
    if problem := until_fine(lambda: _problem(balancer), SECONDS, waiting):
        raise Failed(
            f"The page does not answer through the load balancer, {balancer.ip}: "
            f"{problem}. So it was left as it is, at the address that it has.",
            f"Run it again: {make('deploy')} goes on where it stopped. If it "
            f"stays: {make('doctor')}",
        )
    terminal.line(f"The page answers at {balancer.ip}, too.")


def _url(balancer: Balancer) -> str:
    return f"{'https' if balancer.is_secure else 'http'}://{balancer.ip}"


def _problem(balancer: Balancer) -> str:
    """Why no droplet answers through it; "" if one does."""
    # Its certificate is for the domain, and this asks by the address.
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    try:
        site.answer(f"{_url(balancer)}/ready", trust)
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.reason}"
    except OSError as error:
        return str(getattr(error, "reason", error))
    return ""
