"""Ansible: the playbook that sets the server up, its inventory, and what stands for its content."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from ops import deployment, say
from ops.errors import Failed
from ops.settings import ROOT, Settings
from ops.ssh import options

FOLDER = ROOT / "infra/ansible"


def play(settings: Settings, *failure: str) -> None:
    """Bring the server to what infra/ansible says. Raises Failed with these lines."""
    here = str(Path(sys.executable).parent)
    environment = settings.environment() | {
        "ANSIBLE_CONFIG": str(FOLDER / "ansible.cfg"),
        # Its programs, and the Python that its inventory runs with, are this environment's.
        "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    done = subprocess.run(["ansible-playbook", FOLDER / "site.yml"], env=environment, check=False)
    if done.returncode != 0:
        raise Failed(*failure)


def fingerprint() -> str:
    """What stands for everything that Ansible puts on the droplet, which keeps it.

    A release that finds it unchanged need not run Ansible.
    """
    files = [ROOT / "docker-compose.yml", FOLDER / "site.yml"]
    files += [file for file in (FOLDER / "roles").rglob("*") if file.is_file()]
    whole = hashlib.sha256()
    for file in sorted(files):
        name = file.relative_to(ROOT).as_posix()
        whole.update(f"{hashlib.sha256(file.read_bytes()).hexdigest()} {name}\n".encode())
    return whole.hexdigest()


def inventory(settings: Settings) -> dict[str, object]:
    """The inventory in Ansible's JSON form. Raises CloudError and StateError."""
    found = deployment.find(settings)
    hosts = {found.name: {"ansible_host": found.ip}} if found and found.ip else {}
    return {
        "droplet": {
            "hosts": list(hosts),
            "vars": {
                "ansible_ssh_common_args": shlex.join(options(settings)),
                "app_fingerprint": fingerprint(),
                "site_address": deployment.site_of(settings, found) if found else "",
            },
        },
        "_meta": {"hostvars": hosts},
    }


def print_inventory() -> int:
    """What infra/ansible/inventory.py does; its exit status."""
    try:
        print(json.dumps(inventory(Settings.read()), indent=2))
    except Failed as error:
        say.failure(error)
        return 1
    return 0
