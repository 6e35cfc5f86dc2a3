"""The settings that point the tools at the rehearsal: what a real deployment sets, too."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ops.console.errors import Failed
from ops.console.settings import ROOT, Settings
from rehearsal import places
from rehearsal.offline import provider_package

# What a rehearsal takes of the environment that it is started in, beside its own settings. Whatever
# else is exported may be the real deployment's: it could lead there, or be a secret. For the same
# reason it does not read .env.
_OF_THE_MACHINE = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "HOSTNAME", "PWD", "OLDPWD", "SHLVL", "_"),
    *("TERM", "COLORTERM", "COLUMNS", "LINES", "NO_COLOR", "LANG", "LANGUAGE", r"LC_\w+", "TZ"),
    *("TMPDIR", r"XDG_\w+", r"PYTHON\w+", r"PYENV_\w+", "LD_LIBRARY_PATH", "BASHOPTS", "SHELLOPTS"),
    *(r"MAKE\w*", "MFLAGS", "CI", "DEBIAN_FRONTEND", r"GIT_\w+", "CHROMIUM"),
    *(r"DOCKER_\w+", r"BUILD(X|KIT)_\w+", r"PIP_\w+", r"UV_\w+", r"STAND_IN\w*"),
    *("TF_CLI_CONFIG_FILE", "TF_PLUGIN_CACHE_DIR", "TF_LOG"),
    *(r"(?i:(http|https|all|no)_proxy)", r"SSL_CERT_\w+", r"\w+_CA_BUNDLE"),
)
_SETTINGS = (
    *("TARGET", "VERB_SUFFIX", r"TF_VAR_\w+", "DROPLET", "DROPLET_ID", "WITHOUT"),
    *("CONFIRM", "REPLACE", "BACKUP", "DROP_COPIES", "BRING_BACKUP", "FILE", "RESTORE"),
    *("COPIES_REPOSITORY", "COPIES_SSH_KEY", "ACME", "SSH_OPTIONS", "SSH_ACCEPT_NEW", "GH_REPO"),
    *("APP_FOLDER", "TORCH_INDEX", "SOURCE_URL", "PIP_CONF", "IMAGE", "COMMIT", "NO_PULL"),
    *(r"REGISTRY_\w+", "HEALTHY_WITHIN", "WAIT", "PUSHED_AT", "RELEASE", "RELEASED_BY"),
    *("VERSION", "DROP", "URL", "FOLLOW"),
)
_TAKEN = re.compile("|".join((*_OF_THE_MACHINE, *_SETTINGS)))
# What the programs that reach an account read, beside our own settings.
_OF_PROGRAMS = re.compile(r"(ANSIBLE|AWS|DIGITALOCEAN|GH|GITHUB|RCLONE|RESTIC|SPACES|TF)_\w+")
_ON_THIS_MACHINE = re.compile(r"none|sftp:([^@/]+@)?(127\.0\.0\.1|localhost):.*")


def refuse_what_leads_outside() -> None:
    """Raises Failed for a setting by which a rehearsal would change something real."""
    place = os.environ.get("COPIES_REPOSITORY", "")
    if place and not _ON_THIS_MACHINE.fullmatch(place):
        raise Failed(
            f"COPIES_REPOSITORY={place} is not on this machine. A rehearsal would put its backups "
            "beside those of the real deployment.",
            "Rehearse without: the same command with COPIES_REPOSITORY=none",
        )


def settings() -> dict[str, str]:
    """Every one, for the rehearsal that stands. Raises Failed if none does."""
    if not places.API_URL.exists():
        raise Failed(
            "There is no rehearsal to point at.", "Start it: scripts/in rehearsal -m rehearsal up"
        )
    acme, root = _text(places.AUTHORITY_URL), places.AUTHORITY_ROOT
    return {
        "ENV_FILE": "",
        # The API: where it is, and the token it knows.
        "DIGITALOCEAN_TOKEN": _text(places.TOKEN),
        "DIGITALOCEAN_API_URL": _text(places.API_URL),
        # Terraform: a folder of its own, with its own state, lock file and provider.
        "TERRAFORM_DIR": str(places.TERRAFORM),
        "TF_VAR_ssh_public_key_path": f"{places.SSH_KEY}.pub",
        **provider_package.settings(places.PROVIDER),
        # Ansible and ssh: the key that opens the droplet, and where its host key is remembered.
        "ANSIBLE_CONFIG": str(ROOT / "infra/ansible/ansible.cfg"),
        "ANSIBLE_PRIVATE_KEY_FILE": str(places.SSH_KEY),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(places.SSH_SOCKETS),
        "SSH_KNOWN_HOSTS": str(places.STATE / "known_hosts"),
        "DEPLOY_KEY_FILE": str(places.STATE / "deploy_key"),
        # GitHub's tool gh is logged in nowhere here. The token is the one above, which opens
        # nothing outside.
        "GH_CONFIG_DIR": str(places.STATE / "gh"),
        "PIPELINE_TOKEN": "mine",
        # What was rehearsed is no backup of the real deployment.
        "BACKUP_FOLDER": "backups/rehearsal",
        "COPIES_PASSWORD_FILE": str(places.STATE / "copies_password"),
        "SPACES_ENDPOINT_URL": _text(places.SPACES_URL),
        # The certificate authority. Never the real one: it would be asked for nothing.
        **({"ACME_SERVER": acme, "ACME_ROOT": str(root)} if acme else {"ACME": "off"}),
        # The build, where PyTorch's index does not answer.
        **({"PIP_CONF": str(places.PIP_CONF)} if places.PIP_CONF.exists() else {}),
    }


def _text(file: Path) -> str:
    """What is in a file; "" if it is not there yet."""
    return file.read_text().strip() if file.exists() else ""


def not_for_a_rehearsal() -> list[str]:
    """What a shell that is pointed at the rehearsal has to forget."""
    ours = {one.metadata["name"] for one, _ in Settings().every()}
    return [
        name
        for name in sorted(os.environ)
        if not _TAKEN.fullmatch(name) and (name in ours or _OF_PROGRAMS.fullmatch(name))
    ]


def environment() -> dict[str, str]:
    """This process's environment, pointed at the rehearsal. Raises Failed."""
    taken = {name: value for name, value in os.environ.items() if _TAKEN.fullmatch(name)}
    return {"VERB_SUFFIX": " TARGET=rehearsal"} | taken | settings()
