"""Offsite backups: where they go, and the credentials that the droplet needs for them.

restic makes them on the droplet (infra/ansible/roles/offsite). They cannot be read without the
password. These backups are for when the droplet is lost, so the laptop keeps the password, too.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from ops.cloud import prices
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import output_of
from ops.console.settings import ROOT, Consent, OffsiteSettings, TerraformSettings
from ops.ssh.connection import Host
from ops.ssh.errors import Unreachable
from ops.terraform.run import Terraform
from ops.terraform.state import BUCKET, Resource

NONE = "none"
MAKER = "digitalocean_spaces_key.maker"
BUCKET_AND_KEYS = (
    "digitalocean_spaces_key.droplet",
    "digitalocean_spaces_bucket.copies",
    MAKER,
)
_DOCS = "docs/backups-and-restore.md"


def repository(offsite: OffsiteSettings, terraform: TerraformSettings) -> str:
    """Where offsite backups will go, "" for nowhere new. Raises Failed for wrong settings."""
    if offsite.bucket and offsite.repository:
        raise Failed(
            "Both TF_VAR_backup_bucket and COPIES_REPOSITORY say where offsite backups go.",
            "Keep one of them: unset COPIES_REPOSITORY",
        )
    if offsite.bucket:
        return bucket_repository(offsite, terraform)
    _credentials(offsite)
    return offsite.repository


def print_where(offsite: OffsiteSettings, goes_to: str) -> None:
    """Print where they go, and the price before it is paid."""
    if goes_to == NONE:
        terminal.line("Offsite backups are off: COPIES_REPOSITORY=none.")
    elif goes_to:
        terminal.line(f"Hourly offsite backups: {goes_to}")
    if offsite.bucket:
        terminal.line(
            f"A Space costs ${prices.SPACE:g} a month, whatever is in it up to 250 GB: the "
            "price list is at https://www.digitalocean.com/pricing/spaces-object-storage"
        )


def bucket_repository(offsite: OffsiteSettings, terraform: TerraformSettings) -> str:
    """Where restic finds the Space that Terraform makes."""
    region = bucket_region(offsite, terraform)
    endpoint = offsite.spaces_endpoint.replace("{{.Region}}", region).rstrip("/")
    return f"s3:{endpoint}/{offsite.bucket}"


def bucket_region(offsite: OffsiteSettings, terraform: TerraformSettings) -> str:
    """Where that Space is: in the droplet's region, if no other is set."""
    return offsite.bucket_region or terraform.region


def guard(
    offsite: OffsiteSettings, consent: Consent, state: list[Resource], terraform: Terraform
) -> None:
    """Refuse to remove a Space with its backups because its name is not set. Raises Failed.

    With DROP_COPIES=yes it is removed.
    """
    made = next((one.name for one in state if one.kind == BUCKET), "")
    if made in ("", offsite.bucket):
        return
    if consent.drop_copies != "yes":
        raise Failed(
            f"Offsite backups go to the Space {made}, and TF_VAR_backup_bucket does not name it: "
            "it would "
            "be removed, and all backups in it. Nothing was changed.",
            f"To keep it: export TF_VAR_backup_bucket={made}. If you mean it: the same command "
            "with DROP_COPIES=yes",
        )
    terminal.line(f"Removing the Space {made} with all backups in it, as DROP_COPIES=yes wants it.")
    if not terraform.destroy(only=BUCKET_AND_KEYS):
        raise Failed(
            "The Space could not be removed; Terraform's reason is above.",
            "Fix it, then run the same command again.",
        )


def for_ansible(
    settings: OffsiteSettings, place: str, name: str, host: Host | None, key: dict[str, str]
) -> dict[str, str]:
    """What Ansible gets in its environment: every user may read command lines.

    `place` is the repository() of the deployment `name`. `host` is a droplet that may have the
    password already; None for one that was just made. `key` is Terraform's key to the Space.
    Raises Failed.
    """
    if not place:
        return {}
    given = {"repository": place, "name": name}
    if place != NONE:
        given |= {"access_key": "", "secret_key": "", "ssh_key": ""}
        given |= _credentials(settings) or key
        given["password"] = _password(settings, host)
    return {"COPIES": json.dumps(given)}


def _credentials(offsite: OffsiteSettings) -> dict[str, str]:
    """What opens the place that COPIES_REPOSITORY names, if it names one. Raises Failed."""
    repository = offsite.repository
    if repository in ("", NONE):
        return {}
    if repository.startswith("s3:"):
        if not (offsite.access_key and offsite.secret_key):
            raise Failed(
                f"Offsite backups are to go to {repository}, and there is no key for it.",
                "export COPIES_ACCESS_KEY_ID=... COPIES_SECRET_ACCESS_KEY=...",
            )
        return {"access_key": offsite.access_key, "secret_key": offsite.secret_key}
    if repository.startswith("sftp:"):
        return {"ssh_key": _ssh_key(offsite)}
    raise Failed(
        f"COPIES_REPOSITORY={repository} is no place that offsite backups can go to.",
        "Give one as restic writes it: s3:https://HOST/BUCKET or sftp:USER@HOST:/PATH, or none. "
        f"See {_DOCS}",
    )


def _ssh_key(offsite: OffsiteSettings) -> str:
    """The text of the key that opens the sftp host. Raises Failed."""
    file = Path(offsite.ssh_key)
    command = f"ssh-keygen -t ed25519 -N '' -f {file if offsite.ssh_key else '~/.ssh/copies'}"
    if not offsite.ssh_key or not (ROOT / file).is_file():
        raise Failed(
            "Offsite backups are to go to an sftp host, and there is no private key for it"
            + (f" at {file}." if offsite.ssh_key else "."),
            f"Name it: export COPIES_SSH_KEY=~/.ssh/copies. To make one: {command}; then copy "
            "its public half there: ssh-copy-id",
        )
    if output_of("ssh-keygen", "-y", "-P", "", "-f", str(ROOT / file)) is None:
        raise Failed(
            f"{file} is no private key, or has a passphrase that the droplet could not type.",
            f"Make one without: {command}",
        )
    return (ROOT / file).read_text()


def _password(offsite: OffsiteSettings, host: Host | None) -> str:
    """The password: the one on this machine, else the droplet's, else a new one."""
    file = ROOT / offsite.password_file
    if file.exists():
        if password := file.read_text().strip():
            return password
        raise Failed(
            f"{file} is empty, and should hold the password of the offsite backups.",
            "Put the password there; if there was none yet, remove the file.",
        )
    password = _on_droplet(host) or secrets.token_hex(24)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.new")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as written:
        written.write(f"{password}\n")
    part.replace(file)
    terminal.line(
        f"The password of the offsite backups is in {offsite.password_file}. Keep it somewhere "
        "else, too: without it they cannot be read, not even by you."
    )
    return password


def _on_droplet(host: Host | None) -> str:
    if not host:
        return ""
    try:
        return host.ask("cat /etc/digits/copies/password 2>/dev/null || true").strip()
    except Unreachable as error:
        raise Failed(
            "Whether the droplet has the password of the offsite backups could not be checked: "
            f"{error.what}.",
            *error.then,
        ) from error
