"""make url: the address of the deployed page."""

from __future__ import annotations

from ops import deployment, say, site
from ops.settings import Settings


def run(settings: Settings, _arguments: list[str]) -> None:
    """Print it. Raises Failed."""
    say.line(site.url(settings, deployment.site_address(settings)))
