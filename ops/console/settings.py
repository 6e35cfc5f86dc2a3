"""Every setting that a person may give, read once, at the start of a verb.

They come from the environment, and from the file .env (env_file.py) where the environment has none.
They are grouped by subject. A verb has all of them and passes each group only to the code that
needs it. `make settings` prints the list; .env.example shows those that .env may hold.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.console import env_file, shell_environment
from ops.console.errors import Failed

ROOT = Path(__file__).resolve().parents[2]


def _setting(
    name: str,
    means: str,
    default: str = "",
    *,
    secret: bool = False,
    kind: str = "",
    stays: bool = True,
) -> str:
    """A field that is read from the environment variable `name`.

    kind: what it is cleaned as: "path", "token", "domain", "networks", "number", several "lines",
    or "options" of a program, which stay as they are; else one line of text.
    stays: whether .env may hold it; what is for one command or for one run of the pipeline may not
    stay set.
    """
    about = {"name": name, "means": means, "secret": secret, "kind": kind, "stays": stays}
    return field(default=default, metadata=about)


def _for_one_command(
    name: str, means: str, default: str = "", *, secret: bool = False, kind: str = ""
) -> str:
    """The same, of a setting that may not stay set."""
    return _setting(name, means, default, secret=secret, kind=kind, stays=False)


@dataclass(frozen=True)
class AccountSettings:
    """The account at DigitalOcean."""

    token: str = _setting("DIGITALOCEAN_TOKEN", "the API token", secret=True, kind="token")
    api_url: str = _setting(
        "DIGITALOCEAN_API_URL", "another API than this", "https://api.digitalocean.com"
    )
    on_github: str = _for_one_command("GITHUB_ACTIONS", "in the pipeline: true, set by GitHub")
    github_actor: str = _for_one_command("GITHUB_ACTOR", "in the pipeline: who started the run")


@dataclass(frozen=True)
class Selection:
    """Which deployment, and which of its droplets."""

    name: str = _setting("TF_VAR_name", "the deployment's name, and its droplet's tag", "digits")
    droplet_ip: str = _setting(
        "DROPLET_IP", "talk to this address, and do not ask the API for the droplet's"
    )
    droplet: str = _for_one_command("DROPLET", "ssh, logs, psql: this droplet, such as digits-2")
    without: str = _for_one_command(
        "WITHOUT", "release, rollback: turn off this droplet, which does not answer"
    )
    droplet_id: str = _for_one_command(
        "DROPLET_ID", "adopt: the number of the droplet, where several carry the tag"
    )


@dataclass(frozen=True)
class TerraformSettings:
    """The droplet, and how Terraform makes it."""

    region: str = _setting(
        "TF_VAR_region",
        "where the droplet is: fra1, nyc3, sgp1 ...; another one replaces it",
        "fra1",
    )
    size: str = _setting(
        "TF_VAR_size",
        "the droplet's size: s-1vcpu-1gb costs $6 a month, s-1vcpu-2gb $12, s-2vcpu-4gb $24",
        "s-1vcpu-1gb",
    )
    image: str = _setting(
        "TF_VAR_image", "the operating system that a new droplet starts with", "debian-13-x64"
    )
    public_key_path: str = _setting(
        "TF_VAR_ssh_public_key_path",
        "the public half of the SSH key that may log in to the droplet",
        "~/.ssh/id_ed25519.pub",
        kind="path",
    )
    folder: str = _setting(
        "TERRAFORM_DIR", "where Terraform's files are", "infra/terraform", kind="path"
    )

    @property
    def path(self) -> Path:
        """The folder of Terraform's root."""
        return ROOT / self.folder

    @property
    def public_key_file(self) -> Path:
        """The file with the public half of the SSH key for the droplet."""
        # Terraform, too, reads it from where its own files are.
        return self.path / Path(self.public_key_path).expanduser()

    @property
    def public_key(self) -> str:
        """That key; "" if it cannot be read, which the doctor reports."""
        try:
            return self.public_key_file.read_text().strip()
        except (OSError, UnicodeDecodeError):
            return ""


@dataclass(frozen=True)
class Consent:
    """What a person agreed to beforehand, in place of the question or the refusal."""

    confirm: str = _for_one_command(
        "CONFIRM", "the answer to the question of destroy, restore, patch or pipeline"
    )
    replace: str = _for_one_command("REPLACE", "yes: deploy may let Terraform replace the droplet")
    backup: str = _for_one_command("BACKUP", "no: continue without a last backup")
    drop_copies: str = _for_one_command(
        "DROP_COPIES", "yes: deploy may remove the Space with all backups in it"
    )


@dataclass(frozen=True)
class BackupSettings:
    """Backups on this machine."""

    folder: str = _setting(
        "BACKUP_FOLDER",
        "where dumps are kept, in a folder of the deployment's name",
        "backups",
        kind="path",
    )
    bring: str = _setting(
        "BRING_BACKUP", "no: other verbs do not copy the droplet's newest dump to this machine"
    )
    file: str = _for_one_command("FILE", "restore: the dump to put back", kind="path")
    restore: str = _for_one_command(
        "RESTORE",
        "deploy, for a new droplet: newest, none or a dump, instead of asking",
        kind="path",
    )


@dataclass(frozen=True)
class OffsiteSettings:
    """Offsite backups (docs/backups-and-restore.md)."""

    bucket: str = _setting(
        "TF_VAR_backup_bucket",
        "a Space that deploy makes, for hourly offsite backups: $5 a month",
    )
    bucket_region: str = _setting(
        "TF_VAR_backup_bucket_region", "where that Space is; else in the droplet's region"
    )
    spaces_endpoint: str = _setting(
        "SPACES_ENDPOINT_URL",
        "another place of Spaces",
        "https://{{.Region}}.digitaloceanspaces.com",
    )
    repository: str = _setting(
        "COPIES_REPOSITORY",
        "where offsite backups go: s3:https://HOST/BUCKET, sftp:USER@HOST:/PATH; none: nowhere",
    )
    access_key: str = _setting("COPIES_ACCESS_KEY_ID", "the key of that s3", secret=True)
    secret_key: str = _setting("COPIES_SECRET_ACCESS_KEY", "the secret half of it", secret=True)
    ssh_key: str = _setting("COPIES_SSH_KEY", "the private key of that sftp host", kind="path")
    password_file: str = _setting(
        "COPIES_PASSWORD_FILE",
        "the password of the offsite backups",
        "infra/ansible/copies_password",
        kind="path",
    )


@dataclass(frozen=True)
class ScaleSettings:
    """How large it is: droplets, processes, the database (docs/scaling.md)."""

    droplets: str = _setting(
        "TF_VAR_droplets",
        "how many droplets; each costs its size's price, and several need a load balancer and the "
        "managed database",
        "1",
    )
    balancer_nodes: str = _setting(
        "TF_VAR_balancer_nodes",
        "how many nodes that load balancer has: $12 a month each",
        "1",
    )
    managed_database: str = _setting(
        "TF_VAR_managed_database",
        "true: DigitalOcean's managed PostgreSQL, from $15 a month",
        "false",
    )
    old_address_open: str = _for_one_command(
        "TF_VAR_old_address_open",
        "true: the first droplet's address stays open beside the load balancer's; deploy sets it "
        "while one droplet becomes several",
        "false",
    )
    database_size: str = _setting(
        "TF_VAR_database_size",
        "its size: db-s-1vcpu-1gb costs $15 a month, db-s-1vcpu-2gb $30, db-s-2vcpu-4gb $60, "
        "db-s-4vcpu-8gb $120",
        "db-s-1vcpu-1gb",
    )
    database_nodes: str = _setting(
        "TF_VAR_database_nodes", "how many machines it has, each at that price", "1"
    )
    app_processes: str = _setting(
        "TF_VAR_app_processes",
        "how many processes the app has; else one for each processor that there is memory for",
    )
    droplet_backups: str = _setting(
        "TF_VAR_backups",
        "DigitalOcean's own backups of the droplet: weekly for 20% of its price, daily for 30%",
        "off",
    )

    @property
    def count(self) -> int:
        """How many droplets."""
        return number(self.droplets)

    @property
    def several(self) -> bool:
        """Whether there is more than one droplet, and so a load balancer."""
        return self.count > 1

    @property
    def is_managed(self) -> bool:
        """Whether the managed database is asked for, in the words that Terraform takes for yes."""
        return self.managed_database in ("true", "1")


def number(text: str) -> int:
    """A setting that is a number; what is none Terraform refuses, and it counts as one."""
    return int(text) if text.isdecimal() else 1


@dataclass(frozen=True)
class AlertSettings:
    """Alerts (docs/alerts.md)."""

    email: str = _setting(
        "TF_VAR_alert_email",
        "who gets an alert when the page is down or something has failed: free, or $1 a month if "
        "the account has another uptime check",
    )


@dataclass(frozen=True)
class SiteSettings:
    """How the page is reached (docs/https-and-domains.md)."""

    domain: str = _setting(
        "TF_VAR_domain", "a name that leads to the site's address, beside it", kind="domain"
    )
    acme: str = _setting("ACME", "off: deploy without a certificate, over HTTP", "on")
    acme_server: str = _setting(
        "ACME_SERVER",
        "another certificate authority than this",
        "https://acme-v02.api.letsencrypt.org/directory",
    )
    acme_root: str = _setting(
        "ACME_ROOT",
        "the file with its root certificate, where browsers do not know it",
        kind="path",
    )


@dataclass(frozen=True)
class SshSettings:
    """How ssh reaches a droplet (docs/access.md)."""

    addresses: str = _setting(
        "TF_VAR_allowed_ssh_addresses",
        "who may use ssh: addresses or networks, with commas; everybody by default",
        '["0.0.0.0/0", "::/0"]',
        kind="networks",
    )
    private_key: str = _setting(
        "ANSIBLE_PRIVATE_KEY_FILE",
        "the private key for the droplet; no other is offered",
        kind="path",
    )
    known_hosts: str = _setting(
        "SSH_KNOWN_HOSTS", "the file of pinned host keys", "infra/ansible/known_hosts", kind="path"
    )
    accept_new: str = _setting(
        "SSH_ACCEPT_NEW", "no: a host key has to be pinned beforehand, as in the pipeline", "yes"
    )
    options: str = _setting(
        "SSH_OPTIONS", "more options for ssh, which reads no ~/.ssh/config", kind="options"
    )

    @property
    def key(self) -> Path | None:
        """The private key that was named, if one was."""
        return Path(self.private_key) if self.private_key else None

    @property
    def pinned(self) -> Path:
        """The file of host keys: pinned at the first connection and checked ever after."""
        return ROOT / self.known_hosts


@dataclass(frozen=True)
class BuildSettings:
    """How the image is built."""

    folder: str = _setting("APP_FOLDER", "build the image from this folder", "app", kind="path")
    torch_index: str = _setting(
        "TORCH_INDEX", "the index of PyTorch's CPU builds", "https://download.pytorch.org/whl/cpu"
    )
    source_url: str = _setting("SOURCE_URL", "where this code is published: the page links to it")
    pip_conf: str = _setting(
        "PIP_CONF", "a pip.conf for the build, where pip needs one to reach packages", kind="path"
    )


@dataclass(frozen=True)
class ReleaseSettings:
    """Which image a release puts into service, and how."""

    image: str = _for_one_command("IMAGE", "release this image instead of building one")
    commit: str = _for_one_command("COMMIT", "the commit that IMAGE was built from; else git's")
    no_pull: str = _for_one_command("NO_PULL", "yes: IMAGE is on the droplet already")
    registry_port: str = _setting(
        "REGISTRY_PORT", "the droplet's port that it pulls the image through", "5050", kind="number"
    )
    registry_user: str = _setting("REGISTRY_USER", "who may pull an IMAGE that is not public")
    registry_password: str = _setting(
        "REGISTRY_PASSWORD", "their password; the droplet keeps neither", secret=True
    )
    healthy_within: str = _setting(
        "HEALTHY_WITHIN", "seconds that a new version has to get healthy in", "120", kind="number"
    )
    wait: str = _for_one_command(
        "WAIT", "seconds to wait for another release that is running", "0", kind="number"
    )
    pushed_at: str = _for_one_command(
        "PUSHED_AT", "seconds since 1970: no release if there was a rollback since then"
    )
    release: str = _for_one_command("RELEASE", "rollback: this ID or image of the list of releases")
    released_by: str = _setting("RELEASED_BY", "the name in the list of releases; else git's")


@dataclass(frozen=True)
class UpgradeSettings:
    """What upgrade-database is to do."""

    version: str = _for_one_command(
        "VERSION", "upgrade-database: this PostgreSQL (18, 18.1); else the newest minor version"
    )
    drop: str = _for_one_command(
        "DROP", "upgrade-database: yes removes what is kept of the old database"
    )


@dataclass(frozen=True)
class ViewSettings:
    """What look and logs show."""

    url: str = _for_one_command("URL", "look: this address, and ask no API for the droplet's")
    follow: str = _for_one_command(
        "FOLLOW", "logs: empty for no more than there is", "--follow", kind="options"
    )


@dataclass(frozen=True)
class PipelineSettings:
    """The pipeline's credentials."""

    key_file: str = _setting(
        "DEPLOY_KEY_FILE",
        "the pipeline's private key on this laptop",
        "infra/ansible/deploy_key",
        kind="path",
    )
    token: str = _setting(
        "PIPELINE_TOKEN",
        "pipeline: a token that may only read droplets and reserved IPs; or mine, for your own",
        secret=True,
        kind="token",
    )
    deploy_key: str = _for_one_command(
        "DEPLOY_KEY", "in the pipeline: its private key", secret=True, kind="lines"
    )
    host_key: str = _for_one_command(
        "DROPLET_HOST_KEY", "in the pipeline: the droplet's host key", kind="lines"
    )
    summary: str = _for_one_command(
        "GITHUB_STEP_SUMMARY", "in the pipeline: GitHub's file for a summary", kind="path"
    )
    repository: str = _setting(
        "GH_REPO", "pipeline: owner/name on GitHub; else where the git remote origin is"
    )

    @property
    def private_key(self) -> Path:
        """The private half of the pipeline's own key."""
        return ROOT / self.key_file

    @property
    def public_key(self) -> Path:
        """The public half of it."""
        return self.private_key.with_name(f"{self.private_key.name}.pub")


@dataclass(frozen=True)
class LocalSettings:
    """The app on this machine."""

    port: str = _setting("PORT", "run: where the page listens", "8501")
    app_port: str = _setting("APP_PORT", "up: where the page listens", "8501")
    app_image: str = _setting("APP_IMAGE", "up: the name of the app's image", "digits:dev")
    site_domain: str = _setting(
        "SITE_DOMAIN", "up: a name that leads to the page, beside localhost"
    )
    connections: str = _setting(
        "DATABASE_CONNECTIONS", "up: how many the app has to the database, at most", "8"
    )
    postgres_image: str = _setting(
        "POSTGRES_IMAGE",
        "up: another PostgreSQL; from 18 on at another path, and in a new volume "
        "(docs/upgrading-postgresql.md)",
        "postgres:17-trixie",
    )
    postgres_path: str = _setting(
        "POSTGRES_PATH",
        "up: where that one keeps its data in its container",
        "/var/lib/postgresql/data",
    )
    postgres_volume: str = _setting(
        "POSTGRES_VOLUME", "up: Docker's volume for that data", "digits_postgres"
    )
    database_url: str = _setting(
        "DATABASE_URL", "run: another database than the embedded PostgreSQL", secret=True
    )
    run_data: str = _setting(
        "RUN_DATA", "run: where that one keeps its data", ".run/postgres", kind="path"
    )


@dataclass(frozen=True)
class Settings:
    """What was set, as text; an empty text is the same as none."""

    account: AccountSettings = AccountSettings()
    selected: Selection = Selection()
    terraform: TerraformSettings = TerraformSettings()
    consent: Consent = Consent()
    backups: BackupSettings = BackupSettings()
    offsite: OffsiteSettings = OffsiteSettings()
    scale: ScaleSettings = ScaleSettings()
    alerts: AlertSettings = AlertSettings()
    site: SiteSettings = SiteSettings()
    ssh: SshSettings = SshSettings()
    build: BuildSettings = BuildSettings()
    release: ReleaseSettings = ReleaseSettings()
    upgrade: UpgradeSettings = UpgradeSettings()
    view: ViewSettings = ViewSettings()
    pipeline: PipelineSettings = PipelineSettings()
    local: LocalSettings = LocalSettings()

    @classmethod
    def read(cls) -> Settings:
        """The settings of this process's environment and of .env. Raises Failed.

        What .env sets is in the environment afterwards, which is cleaned.
        """
        env_file.load(
            ROOT, {one.metadata["name"]: one.metadata["stays"] for one, _ in cls().every()}
        )
        shell_environment.clean()
        return cls(**{part.name: _read(part.default) for part in dataclasses.fields(cls)})

    def every(self) -> Iterator[tuple[dataclasses.Field[str], str]]:
        """Each single setting, and its value."""
        for part in dataclasses.fields(self):
            group = getattr(self, part.name)
            yield from ((one, getattr(group, one.name)) for one in dataclasses.fields(group))

    def environment(self) -> dict[str, str]:
        """The environment for a program that reads the same settings, or some of them."""
        environment = dict(os.environ)
        for one, value in self.every():
            environment.pop(one.metadata["name"], None)
            if value != one.default:
                environment[one.metadata["name"]] = value
        return environment


def _read(group: Any) -> Any:  # noqa: ANN401 - any of the groups above
    """A group of settings with the values of the environment, which is cleaned. Raises Failed."""
    given = {}
    for one in dataclasses.fields(group):
        name = one.metadata["name"]
        if name not in os.environ:
            continue
        # The programs that a verb starts read some of them, too.
        value = os.environ[name] = _cleaned(one.metadata, os.environ[name])
        # Options may be empty on purpose; any other empty setting is none.
        if value or one.metadata["kind"] == "options":
            given[one.name] = value
    return dataclasses.replace(group, **given)


def _cleaned(about: Mapping[str, Any], given: str) -> str:
    """What was meant with the text of a setting. Raises Failed if no program could use it."""
    name, kind = about["name"], about["kind"]
    try:
        given.encode()
    except UnicodeEncodeError:
        raise Failed(
            f"{name} is not UTF-8 text: it was set in another encoding.",
            f"Type it again: export {name}=...",
        ) from None
    if kind == "options":
        return given
    value = given.replace("\r\n", "\n").strip()  # as a file from Windows or a copy has it
    if kind == "lines":
        return value
    for character in value:
        if not character.isprintable() or (kind == "token" and not character.isascii()):
            raise Failed(
                f"{name} holds the character {character!a}, which does not belong there.",
                f"Copy it again, without what stands around it: export {name}=...",
            )
    if value.startswith("-") and not about["secret"]:
        raise Failed(
            f"{name}={value} begins with a dash, so a program would take it for an option.",
            f"Give a value without the dash: {name}=...",
        )
    if kind == "number" and value and not (value.isascii() and value.isdecimal()):
        raise Failed(f"{name}={value} is no whole number.", f"Give one: {name}=120")
    if kind == "path" and value.startswith("~"):
        return _expanded(name, value)
    if kind == "domain":
        return value.lower().removesuffix(".")
    return _networks(value) if value and kind == "networks" else value


def _expanded(name: str, path: str) -> str:
    """A path that begins with ~, as a shell would write it. Raises Failed."""
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        raise Failed(
            f"{name} begins with {Path(path).parts[0]}, and this machine knows no such folder.",
            f"Give the whole path: export {name}=/...",
        ) from None


def _networks(text: str) -> str:
    """The list that Terraform wants, from addresses and networks in any list's form."""
    return json.dumps([_network(word) for word in re.findall(r"[^\s,;\"'\[\]]+", text)])


def _network(word: str) -> str:
    try:
        return str(ipaddress.ip_network(ipaddress.ip_address(word)))
    except ValueError:
        return word  # a network; if it is neither, Terraform refuses it
