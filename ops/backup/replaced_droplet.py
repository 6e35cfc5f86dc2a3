"""What is kept of a droplet that a plan deletes: its answers, and its certificate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ops.backup import dumps, local_backup, old_certificate
from ops.cloud.api import Droplet
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.deployment.lookup import Deployment
from ops.ssh.connection import forget_host
from ops.terraform import plan_guard
from ops.terraform.plan import Change, Plan


@dataclass(frozen=True)
class Kept:
    """The last dump, and the certificate, packed."""

    certificate: str = ""
    dump: Path | None = None


def keep(settings: Settings, deployment: Deployment, plan: Plan, losses: list[Change]) -> Kept:
    """Refuse a plan with these losses; if it is wanted, save the answers first. Raises Failed."""
    explained = [plan_guard.explain(deployment.cloud, plan, loss) for loss in losses]
    terminal.line("\n\n".join(explained))
    if settings.consent.replace != "yes":
        raise Failed(
            f"Refused: {plan_guard.lost(losses)} would be lost. Nothing was changed.",
            "Take back the setting that forces it. If you mean it, this makes a last backup and "
            "goes on: the same command with REPLACE=yes",
        )
    # The one that is deleted, whatever else has the name or the tag.
    host = deployment.host(deployment.made_here or Droplet("", None))
    dump = None
    if local_backup.can_be_made(settings.consent, host):
        dump = local_backup.fetch_last(dumps.folder_of(settings.backups, deployment.name), host)
    else:
        local_backup.refuse_to_lose(settings.consent)
    certificate = old_certificate.of(host) if host.ip else ""
    forget_host(settings.ssh, host.ip)
    return Kept(certificate, dump)
