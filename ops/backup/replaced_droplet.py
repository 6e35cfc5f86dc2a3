"""What is kept of a droplet that a plan deletes: its answers, and its certificate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ops.backup import dumps, local_backup
from ops.cloud.api import Droplet
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.deployment.lookup import Deployment
from ops.ssh.connection import Host, forget_host
from ops.ssh.errors import Unreachable
from ops.terraform import plan_guard
from ops.terraform.plan import Change, Plan

_PACK = (
    "[ ! -d /var/lib/digits/certificate ] ||"
    " tar --create --gzip --directory /var/lib/digits certificate | base64 --wrap 0"
)


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
    certificate = _certificate(host) if host.ip else ""
    forget_host(settings.ssh, host.ip)
    return Kept(certificate, dump)


def _certificate(host: Host) -> str:
    """The droplet's certificate, packed; nothing if it has none, or does not answer.

    Let's Encrypt gives five for the same address a week, and a droplet may be replaced more often.
    It travels through this process's memory: its key is on no disk but the droplets'.
    """
    try:
        return host.ask(_PACK).strip()
    except Unreachable as error:
        terminal.note(
            f"The certificate cannot be kept: {error.what}. The next droplet gets another."
        )
        return ""
