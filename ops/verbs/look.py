"""make look: whether the deployed page answers, as a visitor reaches it."""

from __future__ import annotations

from ops.console.settings import Settings
from ops.deployment import lookup
from ops.page import smoke_test


def run(settings: Settings, _arguments: list[str]) -> None:
    """Look there. Raises Failed."""
    smoke_test.look(settings.site, settings.view.url or lookup.find(settings).url)
