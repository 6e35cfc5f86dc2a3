"""Where the hourly copies of the log go: settings, keys and password, as the droplet needs them.

The copies are restic's, made by the droplet itself (infra/ansible/roles/copies). Without the
password nobody reads them, so it is kept here, too: the droplet is what they are made for losing.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from ops.cloud import prices
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import output_of
from ops.console.settings import ROOT, Settings
from ops.deployment import lookup
from ops.ssh.connection import Droplet
from ops.ssh.errors import Unreachable
from ops.terraform.run import Terraform
from ops.terraform.state import BUCKET, resources

NONE = "none"
MAKER = "digitalocean_spaces_key.maker"
BUCKET_AND_KEYS = (
    "digitalocean_spaces_key.droplet",
    "digitalocean_spaces_bucket.copies",
    MAKER,
)
_DOCS = "docs/backups.md"


@dataclass(frozen=True)
class Place:
    """A repository of copies, and what opens it; the repository `none` stands for no more."""

    repository: str
    access_key: str = ""
    secret_key: str = ""
    ssh_key: str = ""
    password: str = ""

    def for_ansible(self, name: str) -> str:
        """What roles/copies is told, for copies of the deployment `name`. Holds secrets."""
        given = {"repository": self.repository, "name": name}
        if self.repository != NONE:
            given |= {
                "access_key": self.access_key,
                "secret_key": self.secret_key,
                "ssh_key": self.ssh_key,
                "password": self.password,
            }
        return json.dumps(given)


def check(settings: Settings) -> str:
    """Where copies will go, "" for nowhere new. Raises Failed if the settings do not do."""
    place = _set(settings)
    if settings.backup_bucket and place:
        raise Failed(
            "Both TF_VAR_backup_bucket and COPIES_REPOSITORY say where copies go.",
            "Keep one of them: unset COPIES_REPOSITORY",
        )
    if settings.backup_bucket:
        return bucket_repository(settings)
    return place.repository if place else ""


def say_where(settings: Settings, goes_to: str) -> None:
    """Say it, and its price before it is paid."""
    if goes_to == NONE:
        terminal.line("Copies of what is logged go nowhere any more: COPIES_REPOSITORY=none.")
    elif goes_to:
        terminal.line(f"Hourly copies of what is logged: {goes_to}")
    if settings.backup_bucket:
        terminal.line(
            f"A Space costs ${prices.SPACE:g} a month, whatever is in it up to 250 GB: the "
            "price list is at https://www.digitalocean.com/pricing/spaces-object-storage"
        )


def bucket_repository(settings: Settings) -> str:
    """Where restic finds the Space that Terraform makes."""
    region = bucket_region(settings)
    endpoint = settings.spaces_endpoint.replace("{{.Region}}", region).rstrip("/")
    return f"s3:{endpoint}/{settings.backup_bucket}"


def bucket_region(settings: Settings) -> str:
    """Where that Space is: in the droplet's region, if no other is set."""
    return settings.bucket_region or settings.terraform_variable("region")


def guard(settings: Settings, terraform: Terraform) -> None:
    """Refuse to remove a Space with its copies because its name is not set, unless it is meant.

    Raises Failed.
    """
    made = next((one.name for one in resources(settings) if one.kind == BUCKET), "")
    if made in ("", settings.backup_bucket):
        return
    if settings.drop_copies != "yes":
        raise Failed(
            f"Copies go to the Space {made}, and TF_VAR_backup_bucket does not name it: it would "
            "be removed, and with it all copies in it. Nothing was changed.",
            f"To keep it: export TF_VAR_backup_bucket={made}. If you mean it: the same command "
            "with DROP_COPIES=yes",
        )
    terminal.line(f"Removing the Space {made} with all copies in it, as DROP_COPIES=yes wants it.")
    if not terraform.destroy(only=BUCKET_AND_KEYS):
        raise Failed(
            "The Space could not be removed; Terraform's reason is above.",
            "Mend it, then run the same command again.",
        )


def told(settings: Settings, ip: str | None, bucket_key: dict[str, str]) -> dict[str, str]:
    """What Ansible gets in its environment: never in a command line, which everybody may read.

    `ip` is a droplet's that may have the password already; None for one that was just made.
    `bucket_key` is Terraform's to the Space. Raises Failed.
    """
    if not (repository := check(settings)):
        return {}
    name = lookup.name(settings)
    if repository == NONE:
        return {"COPIES": Place(NONE).for_ansible(name)}
    place = _set(settings) or Place(repository, **bucket_key)
    place = replace(place, password=_password(settings, ip))
    return {"COPIES": place.for_ansible(name)}


def _set(settings: Settings) -> Place | None:
    """The place that COPIES_... name. Raises Failed."""
    repository = settings.copies_repository
    if repository in ("", NONE):
        return Place(NONE) if repository else None
    if repository.startswith("s3:"):
        if not (settings.copies_access_key and settings.copies_secret_key):
            raise Failed(
                f"Copies are to go to {repository}, and there is no key for it.",
                "export COPIES_ACCESS_KEY_ID=... COPIES_SECRET_ACCESS_KEY=...",
            )
        return Place(repository, settings.copies_access_key, settings.copies_secret_key)
    if repository.startswith("sftp:"):
        return Place(repository, ssh_key=_ssh_key(settings))
    raise Failed(
        f"COPIES_REPOSITORY={repository} is no place that copies can go to.",
        "Give one as restic writes it: s3:https://HOST/BUCKET or sftp:USER@HOST:/PATH, or none. "
        f"See {_DOCS}",
    )


def _ssh_key(settings: Settings) -> str:
    """The text of the key that opens the sftp host. Raises Failed."""
    file = Path(settings.copies_ssh_key)
    make = f"ssh-keygen -t ed25519 -N '' -f {file if settings.copies_ssh_key else '~/.ssh/copies'}"
    if not settings.copies_ssh_key or not (ROOT / file).is_file():
        raise Failed(
            "Copies are to go to an sftp host, and there is no private key for it"
            + (f" at {file}." if settings.copies_ssh_key else "."),
            f"Name it: export COPIES_SSH_KEY=~/.ssh/copies. To make one: {make}; then let its "
            "public half in there: ssh-copy-id",
        )
    if output_of("ssh-keygen", "-y", "-P", "", "-f", str(ROOT / file)) is None:
        raise Failed(
            f"{file} is no private key, or has a passphrase that the droplet could not type.",
            f"Make one without: {make}",
        )
    return (ROOT / file).read_text()


def _password(settings: Settings, ip: str | None) -> str:
    """The password of the copies: the one that is here, else the droplet's, else a new one."""
    file = ROOT / settings.copies_password_file
    if file.exists():
        if password := file.read_text().strip():
            return password
        raise Failed(
            f"{file} is empty, and should hold the password of the copies.",
            "Put the password there; if there was none yet, remove the file.",
        )
    password = _on_droplet(settings, ip) or secrets.token_hex(24)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.new")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as written:
        written.write(f"{password}\n")
    part.replace(file)
    terminal.line(
        f"The password of the copies is in {settings.copies_password_file}. Keep it somewhere "
        "else, too: without it nobody, you included, can read them."
    )
    return password


def _on_droplet(settings: Settings, ip: str | None) -> str:
    if not ip:
        return ""
    try:
        asked = "cat /etc/digits/copies/password 2>/dev/null || true"
        return Droplet(settings, ip).ask(asked).strip()
    except Unreachable as error:
        raise Failed(
            f"Whether the droplet has the password of the copies could not be asked: {error.what}.",
            *error.then,
        ) from error
