"""make look: whether the deployed page answers, as a visitor reaches it."""

from __future__ import annotations

from ops import deployment, page, site
from ops.settings import Settings


def run(settings: Settings, _arguments: list[str]) -> None:
    """Look there. Raises Failed."""
    page.look(settings, settings.url or site.url(settings, deployment.site_address(settings)))
