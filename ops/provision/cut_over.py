"""From one droplet to several without a moment in which no address of the site answers.

The balancer is made before everything else, and its address is printed. When visitors reach the
first droplet through it, everything else is made; that droplet stays open at its own address until
the new version is live on all of them. Only then it is closed to all but the balancer.
"""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from typing import Any

from ops.cloud import load_balancer
from ops.cloud.api import Cloud
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.deployment import lookup
from ops.terraform.run import Terraform
from ops.terraform.state import FIRST

BALANCER = "digitalocean_loadbalancer.app[0]"
FIREWALL = "digitalocean_firewall.app"
SECONDS = 120  # of them two health checks, and as many for a slow machine
_TIMEOUT = 5.0


def is_needed(plan: dict[str, Any]) -> bool:
    """Whether a plan closes a droplet that stays to all but its balancer."""
    changes = {one["address"]: one["change"] for one in plan.get("resource_changes") or []}
    firewall, first = changes.get(FIREWALL), changes.get(FIRST)
    if not firewall or not first or "create" in first["actions"]:
        return False
    was, will_be = (_lets_visitors_in(firewall.get(side)) for side in ("before", "after"))
    return was and not will_be


def _lets_visitors_in(firewall: dict[str, Any] | None) -> bool:
    rules = (firewall or {}).get("inbound_rule") or []
    return any(rule["port_range"] == "80" and rule.get("source_addresses") for rule in rules)


def make(settings: Settings, terraform: Terraform) -> None:
    """Make the balancer, and wait until the page answers through it. Raises Failed."""
    terminal.line(
        "The load balancer comes first: until the page answers there, nothing else changes."
    )
    terraform.make_only(BALANCER)
    balancer = load_balancer.balancer_before(Cloud(settings), lookup.name(settings))
    if balancer is None:
        raise Failed(
            "The load balancer was made, and DigitalOcean does not name its address yet.",
            f"Run it again in a minute: {settings.verb('deploy')} goes on where it stopped.",
        )
    terminal.line(
        f"The page's new address: {_url(balancer)}   (the old one stays open until all is done)"
    )
    deadline = time.monotonic() + SECONDS
    with terminal.waiting(f"Waiting for the page at {balancer.ip}"):
        while trouble := _trouble(balancer):
            if time.monotonic() > deadline:
                raise Failed(
                    f"The page does not answer through the load balancer, {balancer.ip}: "
                    f"{trouble}. So it was left as it is, at the address that it has.",
                    f"Run it again: {settings.verb('deploy')} goes on where it stopped. If it "
                    f"stays: {settings.verb('doctor')}",
                )
            time.sleep(1)
    terminal.line(f"The page answers at {balancer.ip}, too.")


def _url(balancer: load_balancer.Balancer) -> str:
    return f"{'https' if balancer.is_secure else 'http'}://{balancer.ip}"


def _trouble(balancer: load_balancer.Balancer) -> str:
    """Why nobody reaches a droplet through it; nothing if that is not so."""
    # Its certificate is for the domain, and this asks by the address.
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(  # noqa: S310
            f"{_url(balancer)}/ready",
            timeout=_TIMEOUT,
            context=trust,
        ):
            return ""
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.reason}"
    except OSError as error:
        return str(getattr(error, "reason", error))
