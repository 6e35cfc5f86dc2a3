"""From one droplet to several without a moment in which no address of the site answers.

The balancer is made before everything else, and its address is printed. When visitors reach the
first droplet through it, everything else is made; that droplet stays open at its own address until
the new version is live on all of them. Only then it is closed to all but the balancer.
"""

from __future__ import annotations

import ssl
import urllib.error

from ops.cloud import load_balancer
from ops.cloud.load_balancer import Balancer
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.wait import until_fine
from ops.deployment.lookup import Deployment
from ops.page import site
from ops.terraform.run import Terraform

BALANCER = "digitalocean_loadbalancer.app[0]"
SECONDS = 120  # of them two health checks, and as many for a slow machine


def make_balancer(deployment: Deployment, terraform: Terraform) -> None:
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
    if trouble := until_fine(lambda: _trouble(balancer), SECONDS, waiting):
        raise Failed(
            f"The page does not answer through the load balancer, {balancer.ip}: "
            f"{trouble}. So it was left as it is, at the address that it has.",
            f"Run it again: {make('deploy')} goes on where it stopped. If it "
            f"stays: {make('doctor')}",
        )
    terminal.line(f"The page answers at {balancer.ip}, too.")


def _url(balancer: Balancer) -> str:
    return f"{'https' if balancer.is_secure else 'http'}://{balancer.ip}"


def _trouble(balancer: Balancer) -> str:
    """Why nobody reaches a droplet through it; nothing if that is not so."""
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
