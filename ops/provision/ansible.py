"""Ansible: the playbook that sets the server up, its inventory, and what stands for its content."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from ops.cloud.api import Droplet
from ops.console import shell_environment, terminal
from ops.console.errors import Failed
from ops.console.settings import ROOT, Settings, SiteSettings
from ops.database import migration
from ops.deployment import lookup, processes
from ops.provision import package
from ops.ssh.connection import NO_TUNNELS, Host, options

FOLDER = ROOT / "infra/ansible"
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*\.[a-z][a-z0-9-]*[a-z0-9]")


def play(
    settings: Settings,
    *failure: str,
    keep: bool = False,
    certificate: str = "",
    backups: dict[str, str] | None = None,
    database: dict[str, str] | None = None,
) -> None:
    """Bring the server to what infra/ansible says. Raises Failed with these lines.

    With `keep`, the site stays as the deployment was set: its domain, its authority. A new droplet
    begins with `certificate`, that of the one before. `backups` is where offsite
    backups go (ops.backup.offsite); without it, that stays as it is. `database` has the credentials
    of the managed one (ops.database.migration).
    """
    # Not in a command line, which everybody may read.
    env = environment(settings) | {"KEPT_CERTIFICATE": certificate, "COPIES": ""} | (backups or {})
    env |= {"MANAGED_DATABASE": ""} | (database or {})
    more = ["--extra-vars", json.dumps({"web_keep_settings": True})] if keep else []
    command: list[str | Path] = ["ansible-playbook", *more, FOLDER / "site.yml"]
    done = subprocess.run(command, env=env, check=False)
    if done.returncode != 0:
        raise Failed(*failure)


def set_up_if_changed(settings: Settings, host: Host) -> None:
    """Let Ansible bring the server up to date, if it is not. Raises Failed."""
    # A failed SSH login does not mean that the files are missing.
    there = host.must("cat /opt/digits/fingerprint 2>/dev/null || echo none").strip()
    if there == fingerprint():
        return
    terminal.phase("Ansible: the server, which is not as infra/ansible says")
    play(
        settings,
        "The server is not as infra/ansible says; what Ansible could not do is above. Nothing "
        "was released.",
        "Fix it, then run the same command again.",
        keep=True,
    )


def patch(settings: Settings, notice: int) -> bool:
    """Upgrade and reboot droplet after droplet; whether all of it was done.

    `notice`: the seconds that a load balancer needs to notice that one is drained; 0 without one.
    """
    env = ["--extra-vars", json.dumps({"patch_notice": notice})]
    command: list[str | Path] = ["ansible-playbook", *env, FOLDER / "patch.yml"]
    return subprocess.run(command, env=environment(settings), check=False).returncode == 0


def version(settings: Settings) -> str:
    """Its version. Raises Failed if it does not start."""
    done = subprocess.run(
        ["ansible-playbook", "--version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        env=environment(settings),
    )
    if done.returncode == 0:
        return done.stdout.partition("[")[2].partition("]")[0]
    printed = done.stderr.strip().splitlines() or ["it prints nothing"]
    raise Failed(
        f"Ansible does not start here: {printed[-1]}",
        "Make its Python environment again: rm -r .venv/ops"
        if shell_environment.is_utf_8()
        else "Make a UTF-8 locale: sudo localedef -i en_US -f UTF-8 en_US.UTF-8",
    )


def environment(settings: Settings) -> dict[str, str]:
    """What Ansible runs in: the settings, its configuration, and this Python."""
    here = str(Path(sys.executable).parent)
    return settings.environment() | {
        "ANSIBLE_CONFIG": str(FOLDER / "ansible.cfg"),
        # Its programs, and the Python that its inventory runs with, are this environment's.
        "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}",
    }


def fingerprint() -> str:
    """What stands for everything that Ansible puts on the droplet, which keeps it.

    A release that finds it unchanged need not run Ansible.
    """
    files = [ROOT / "docker-compose.yml", FOLDER / "site.yml"]
    for folder in (FOLDER / "roles", package.FILES):
        files += [file for file in folder.rglob("*") if file.is_file()]
    files += package.SOURCE.glob("*.py")
    files += (ROOT / "infra/postgres").glob("*.sql")
    whole = hashlib.sha256()
    for file in sorted(files):
        name = file.relative_to(ROOT).as_posix()
        whole.update(f"{hashlib.sha256(file.read_bytes()).hexdigest()} {name}\n".encode())
    return whole.hexdigest()


def site(settings: SiteSettings) -> dict[str, str]:
    """How the site is reached: its domain, and who certifies its address. Raises Failed."""
    if settings.acme not in ("on", "off"):
        raise Failed(f"ACME={settings.acme} is neither on nor off.", "Give one: ACME=off")
    if settings.domain and not _DOMAIN.fullmatch(settings.domain):
        raise Failed(
            f"TF_VAR_domain={settings.domain} is no name that a certificate could be for.",
            "Give one such as digits.example.org, without http:// and in small letters.",
        )
    root = ""
    if settings.acme_root:
        try:
            root = (ROOT / settings.acme_root).read_text()
        except OSError as error:
            raise Failed(
                f"The authority's root certificate cannot be read: {error}.",
                "Name its file: ACME_ROOT=...",
            ) from error
    return {
        "site_domain": settings.domain,
        "web_acme": settings.acme,
        "web_acme_server": settings.acme_server,
        "web_acme_root": root,
    }


def inventory(settings: Settings) -> dict[str, object]:
    """The inventory in Ansible's JSON form. Raises CloudError and StateError."""
    deployment = lookup.find(settings)
    first = deployment.first
    there = _that_are_on(deployment.droplets)
    hosts: dict[str, dict[str, object]] = {
        one.name: {"ansible_host": one.ip or ""} for one in there if one.ip
    }
    count = processes.wanted(settings.scale, first.processors, first.memory_mb) if first else 1
    variables: dict[str, object] = {
        "ansible_ssh_common_args": shlex.join([*NO_TUNNELS, *options(settings.ssh)]),
        "app_fingerprint": fingerprint(),
        "app_processes": count,
        "command_file": str(package.command()),
        "database_connections": migration.connections(settings.scale, count, len(there)),
        "files_archive": str(package.files()),
        "site_address": deployment.public_ip if first else "",
        **site(settings.site),
    }
    if first and deployment.balancer:
        # No authority certifies the address of a balancer.
        variables |= {"web_balanced": True, "web_acme": "off"}
    if len(there) > 1:
        # The droplets share a database, so only the first one backs it up.
        variables["app_backs_up"] = there[0].name
    if first and first.name in hosts and settings.scale.old_address_open == "true":
        # It keeps its certificate as long as visitors come to its own address, too.
        own = {"web_acme": settings.site.acme, "site_address": deployment.own_address}
        hosts[first.name] |= own
    return {
        "droplet": {"hosts": list(hosts), "vars": variables},
        "_meta": {"hostvars": hosts},
    }


def _that_are_on(there: list[Droplet]) -> list[Droplet]:
    """The droplets, of several without those that are turned off: they wait for `make deploy`."""
    return [one for one in there if one.status != "off" or len(there) == 1]


def print_inventory() -> int:
    """What infra/ansible/inventory.py does; its exit status."""
    try:
        print(json.dumps(inventory(Settings.read()), indent=2))
    except Failed as error:
        terminal.failure(error)
        return 1
    return 0
