"""The droplet's services."""

from __future__ import annotations

from droplet.programs import run


class Systemd:
    """systemctl."""

    def is_active(self, unit: str) -> bool:
        """Whether a unit runs."""
        return run("systemctl", "is-active", "--quiet", unit).ok

    def is_enabled(self, unit: str) -> bool:
        """Whether a unit starts by itself."""
        return run("systemctl", "is-enabled", "--quiet", unit).ok

    def start(self, unit: str) -> bool:
        """Start a unit; whether it runs then."""
        return run("systemctl", "start", unit).ok

    def reload(self, unit: str) -> bool:
        """Let a unit read its configuration again; whether it did."""
        return run("systemctl", "reload", unit).ok
