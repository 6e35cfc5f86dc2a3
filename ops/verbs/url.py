"""make url: the address of the deployed page."""

from __future__ import annotations

from ops.console import terminal
from ops.console.settings import Settings
from ops.deployment import lookup


def run(settings: Settings, _arguments: list[str]) -> None:
    """Print it. Raises Failed."""
    terminal.line(lookup.find(settings).url)
