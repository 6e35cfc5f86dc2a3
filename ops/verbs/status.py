"""make status: what serves, since when, and how the droplet is."""

from __future__ import annotations

from ops import deployment, say, site
from ops.settings import Settings
from ops.ssh import Droplet


def run(settings: Settings, _arguments: list[str]) -> None:
    """Ask the droplet. Raises Failed."""
    say.line(f"{'URL':<12} {site.url(deployment.site_address(settings))}")
    Droplet(settings, deployment.address(settings)).show("digits-status")
