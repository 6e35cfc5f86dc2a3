"""What the doctor's checks have in common: how one ends, and what it means for the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ops.cloud.api import Cloud, Droplet
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.deployment import lookup
from ops.deployment.lookup import Deployment
from ops.ssh.connection import Host


class Warned(Failed):
    """A check that found what is no failure yet; it is printed like one, and does not count."""


class Skipped(Exception):
    """A check that does not apply or cannot be made, and why."""


@dataclass
class Patient:
    """What is looked at, and what the checks so far have found out about it."""

    settings: Settings
    failures: int = 0
    skipped: dict[str, list[str]] = field(default_factory=dict)  # the checks, by their reason
    account: bool = False  # whether the API can be asked
    droplet: Droplet | None = None
    reached: bool = False  # whether ssh gets in
    found: Deployment | None = None

    @property
    def deployment(self) -> Deployment:
        """The deployment."""
        self.found = self.found or lookup.find(self.settings)
        return self.found

    @property
    def cloud(self) -> Cloud:
        """The account."""
        return self.deployment.cloud

    @property
    def host(self) -> Host:
        """The droplet, by ssh. Raises Skipped if it does not run, or the login failed."""
        _ = self.need_droplet()
        if not self.reached:
            raise Skipped("needs ssh")
        return self.deployment.host(self.droplet or Droplet("", None))

    def check(self, name: str, check: Callable[[Patient], str]) -> None:
        """Make one check and print what came of it."""
        try:
            terminal.finding("ok", name, check(self))
        except Skipped as reason:
            self.skipped.setdefault(str(reason), []).append(name)
        except Failed as failed:
            warned = isinstance(failed, Warned)
            self.failures += not warned
            terminal.finding("warn" if warned else "FAIL", name, failed.what)
            first, *others = "\n".join(failed.then).splitlines() or [""]
            terminal.line(
                "\n".join([f"      Fix: {first}", *(f"           {text}" for text in others)])
            )

    def end(self, failed: str) -> None:
        """Print what was skipped, a line for each reason. Raises Failed if a check failed."""
        for reason, names in self.skipped.items():
            terminal.finding("skip", ", ".join(names), reason)
        if self.failures:
            raise Failed(
                failed, "Fix each FAIL above as its line says, then run the same command again."
            )

    def need_account(self) -> None:
        """Raises Skipped without a valid token."""
        if not self.account:
            raise Skipped("needs a valid token")

    def need_droplet(self) -> str:
        """The running droplet's address. Raises Skipped without one."""
        if self.droplet is None:
            raise Skipped("needs a running droplet")
        return self.droplet.ip or ""
