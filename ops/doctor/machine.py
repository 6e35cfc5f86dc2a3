"""This machine: its programs, and the key that opens the droplet."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from ops.console.distribution import how_to_get
from ops.console.errors import Failed
from ops.console.programs import need, output_of
from ops.doctor.findings import Patient, Skipped
from ops.provision import ansible
from ops.release import docker
from ops.terraform.run import refused_variables

_OPENING = re.compile(r"(ssh-|ecdsa-|sk-)\S+ +[A-Za-z0-9+/=]+")  # of a public key
_NAME_IT = "export ANSIBLE_PRIVATE_KEY_FILE=..."


def _numbers(version: str) -> tuple[int, ...]:
    """A version to compare: (1, 11, 4)."""
    return tuple(map(int, re.findall(r"\d+", version)[:3]))


def terraform(patient: Patient) -> str:
    """Terraform, as new as versions.tf asks for."""
    need("terraform")
    get_it = f"Get it: {how_to_get('terraform')}"
    try:
        printed = output_of("terraform", "version", "-json") or ""
        version = str(json.loads(printed)["terraform_version"])
    except (ValueError, LookupError):
        raise Failed("terraform does not say its version", get_it) from None
    text = (patient.settings.terraform.path / "versions.tf").read_text()
    needed = re.search(r'required_version = ">= ([0-9.]+)"', text)
    if needed and _numbers(version) < _numbers(needed[1]):
        raise Failed(f"terraform is {version}; {needed[1]} or newer is needed", get_it)
    return f"{version} ({needed[1]} or newer is needed)" if needed else version


def docker_engine(_patient: Patient) -> str:
    """Docker, with an engine that answers."""
    return f"engine {docker.need_engine()}"


def compose(_patient: Patient) -> str:
    """Docker's compose plugin."""
    if not shutil.which("docker"):
        raise Skipped("needs docker")
    return docker.need_compose()


def buildx(_patient: Patient) -> str:
    """Docker's buildx plugin."""
    if not shutil.which("docker"):
        raise Skipped("needs docker")
    return docker.need_buildx()


def can_run_ansible(patient: Patient) -> str:
    """Ansible starts, which it does in no other locale than one of UTF-8."""
    return ansible.version(patient.settings)


def settings(patient: Patient) -> str:
    """What is set will do, for Terraform, for Ansible and for the build."""
    if not shutil.which("terraform"):
        raise Skipped("needs terraform")
    if refused := refused_variables(patient.settings.terraform):
        raise Failed(
            f"Terraform refuses {', '.join(f'TF_VAR_{name}' for name in refused)}.",
            *(f"TF_VAR_{name}: {why}" for name, why in refused.items()),
        )
    ansible.site(patient.settings.site)
    docker.need_recipe(patient.settings.build, patient.settings.release.image)
    return "every one that is set will do"


def ssh_key(patient: Patient) -> str:
    """The key pair that opens the droplet: both halves, and that ssh will try it."""
    settings = patient.settings
    public = Path(settings.terraform.public_key_path).expanduser()
    where = settings.terraform.public_key_file
    key = _public_key(public, where)
    private = settings.ssh.key or where.with_suffix("")
    if not private.exists():
        if key in (output_of("ssh-add", "-L") or ""):
            return f"{public}; ssh-agent has its private half"
        raise Failed(
            f"{public} has no private half: there is no {private}",
            f"Name the private key that belongs to it: {_NAME_IT}",
        )
    _readable_by_you_alone(private)
    return f"{public}; {_fits(private, key, named=settings.ssh.key is not None)}"


def _public_key(public: Path, where: Path) -> str:
    """The key itself (base64) of a file that holds a public one. Raises Failed."""
    try:
        text = where.read_text().strip()
    except FileNotFoundError:
        raise Failed(
            f"There is no SSH key at {public}, and the droplet is entered with one.",
            "Make it: ssh-keygen -t ed25519   (or name another: "
            "export TF_VAR_ssh_public_key_path=...)",
        ) from None
    except (OSError, UnicodeDecodeError):
        text = ""
    if not _OPENING.match(text):
        raise Failed(
            f"{public} does not hold a public key.",
            "Name the file that ends in .pub: export TF_VAR_ssh_public_key_path=...",
        )
    return text.split()[1]


def _readable_by_you_alone(private: Path) -> None:
    if not os.access(private, os.R_OK):
        raise Failed(f"You may not read the private key {private}", f'sudo chown "$USER" {private}')
    if private.stat().st_mode & 0o077:
        raise Failed(
            f"Others may read the private key {private}, so ssh refuses to use it",
            f"chmod 600 {private}",
        )


def _fits(private: Path, key: str, *, named: bool) -> str:
    """Whether it is the other half of the public key, and ssh will try it. Raises Failed."""
    # With a passphrase on it, only the owner can tell what is inside.
    inside = output_of("ssh-keygen", "-y", "-P", "", "-f", str(private))
    if inside is not None and inside.split()[1] != key:
        raise Failed(
            f"{private} is the private half of another key",
            f"Name the one that belongs to it: {_NAME_IT}",
        )
    in_agent = key in (output_of("ssh-add", "-L") or "")
    tried = output_of("ssh", "-G", "-F", "none", "droplet") or ""
    names = {
        Path(line.split(maxsplit=1)[1]).expanduser()
        for line in tried.splitlines()
        if line.startswith("identityfile ")
    }
    if names and not (named or in_agent or private in names):
        raise Failed(
            f"ssh does not try {private} by itself", f"export ANSIBLE_PRIVATE_KEY_FILE={private}"
        )
    if inside is None and not in_agent:
        return f"its private half has a passphrase, which `ssh-add {private}` asks for once"
    return "its private half fits"
