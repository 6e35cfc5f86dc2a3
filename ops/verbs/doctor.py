"""make doctor: look at all that a deployment needs and has; change nothing."""

from __future__ import annotations

from ops.console.settings import Settings
from ops.doctor.before import before_deploy
from ops.doctor.everything import everything
from ops.terraform import earlier


def run(settings: Settings, arguments: list[str]) -> None:
    """Look at everything, or with --before-deploy at what that needs. Raises Failed."""
    settings = earlier.keep(settings)
    if arguments == ["--before-deploy"]:
        before_deploy(settings)
    else:
        everything(settings)
