"""The image of the engines, made when a rehearsal is to have a balancer or a managed database."""

from __future__ import annotations

from ops.console import terminal
from ops.console.settings import Settings
from rehearsal.offline.base_images import ENGINES, BaseImages


def provide_if_wanted() -> None:
    """See to it that it is here, if one is asked for. Raises Failed."""
    scale = Settings.read().scale
    if scale.several or scale.is_managed:
        BaseImages().provide(ENGINES)
        terminal.line(
            "Rehearsal: haproxy and PostgreSQL in containers stand in for DigitalOcean's load "
            "balancer and managed database."
        )
