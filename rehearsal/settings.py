"""The settings that point the tools at the rehearsal: what a real deployment sets, too."""

from __future__ import annotations

import os
import re

from ops.console.errors import Failed
from ops.console.settings import ROOT
from rehearsal import places
from rehearsal.offline import provider_package

# What is exported for the real deployment. These would lead a rehearsal there, or give it secrets.
NOT_FOR_A_REHEARSAL = (
    *("TF_WORKSPACE", "TF_DATA_DIR"),  # into another folder's state
    *("DROPLET_IP", "DEPLOY_KEY", "DROPLET_HOST_KEY"),
    *("COPIES_ACCESS_KEY_ID", "COPIES_SECRET_ACCESS_KEY"),
    *("GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
)
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
    return {
        # The API: where it is, and the token it knows.
        "DIGITALOCEAN_TOKEN": places.TOKEN.read_text().strip(),
        "DIGITALOCEAN_API_URL": places.API_URL.read_text().strip(),
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
        # The certificate authority. Never the real one: it would be asked for nothing.
        **_authority(),
        **_spaces(),
        # The build, where PyTorch's index does not answer.
        **({"PIP_CONF": str(places.PIP_CONF)} if places.PIP_CONF.exists() else {}),
    }


def _spaces() -> dict[str, str]:
    if not places.SPACES_URL.exists():
        return {}
    return {"SPACES_ENDPOINT_URL": places.SPACES_URL.read_text().strip()}


def _authority() -> dict[str, str]:
    if not places.AUTHORITY_URL.exists():
        return {"ACME": "off"}
    return {
        "ACME_SERVER": places.AUTHORITY_URL.read_text().strip(),
        "ACME_ROOT": str(places.AUTHORITY_ROOT),
    }


def environment() -> dict[str, str]:
    """This process's environment, pointed at the rehearsal. Raises Failed."""
    mine = {k: v for k, v in os.environ.items() if k not in NOT_FOR_A_REHEARSAL}
    return {"VERB_SUFFIX": " TARGET=rehearsal"} | mine | settings()
