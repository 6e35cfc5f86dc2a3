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

from ops import deployment, inherited, moving, package, processes, say
from ops.cloud import Droplet
from ops.errors import Failed
from ops.settings import ROOT, Settings
from ops.ssh import NO_TUNNELS, options

FOLDER = ROOT / "infra/ansible"
_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*\.[a-z][a-z0-9-]*[a-z0-9]")


def play(
    settings: Settings,
    *failure: str,
    keep: bool = False,
    certificate: str = "",
    copies: dict[str, str] | None = None,
    database: dict[str, str] | None = None,
) -> None:
    """Bring the server to what infra/ansible says. Raises Failed with these lines.

    With `keep`, the site stays as the deployment was set: its domain, its authority. A new droplet
    begins with `certificate`, that of the one before. `copies` says where copies go (ops.copies);
    without it, they go where they went. `database` is the way into the managed one (ops.moving).
    """
    # Not in a command line, which everybody may read.
    told = environment(settings) | {"KEPT_CERTIFICATE": certificate, "COPIES": ""} | (copies or {})
    told |= {"MANAGED_DATABASE": ""} | (database or {})
    more = ["--extra-vars", json.dumps({"web_keep_settings": True})] if keep else []
    command: list[str | Path] = ["ansible-playbook", *more, FOLDER / "site.yml"]
    done = subprocess.run(command, env=told, check=False)
    if done.returncode != 0:
        raise Failed(*failure)


def patch(settings: Settings, notice: int) -> bool:
    """Upgrade and reboot droplet after droplet; whether all of it was done.

    `notice`: the seconds that a load balancer needs to notice that one is drained; 0 without one.
    """
    told = ["--extra-vars", json.dumps({"patch_notice": notice})]
    command: list[str | Path] = ["ansible-playbook", *told, FOLDER / "patch.yml"]
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
        if inherited.is_utf_8()
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
    files += [file for file in (FOLDER / "roles").rglob("*") if file.is_file()]
    files += package.SOURCE.glob("*.py")
    files += (ROOT / "infra/postgres").glob("*.sql")
    whole = hashlib.sha256()
    for file in sorted(files):
        name = file.relative_to(ROOT).as_posix()
        whole.update(f"{hashlib.sha256(file.read_bytes()).hexdigest()} {name}\n".encode())
    return whole.hexdigest()


def site(settings: Settings) -> dict[str, str]:
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
    found = deployment.find(settings)
    there = _that_are_on(deployment.members(settings, found)) if found else []
    hosts: dict[str, dict[str, object]] = {
        one.name: {"ansible_host": one.ip or ""} for one in there if one.ip
    }
    count = processes.wanted(settings, found.processors, found.memory_mb) if found else 1
    # No authority certifies the address of a balancer.
    balanced: dict[str, object] = {"web_balanced": True, "web_acme": "off"}
    if found and found.name in hosts and settings.old_address_open == "true":
        # It keeps its certificate as long as visitors come to its own address, too.
        old = {"web_acme": settings.acme, "site_address": deployment.own_site(settings, found)}
        hosts[found.name] |= old
    return {
        "droplet": {
            "hosts": list(hosts),
            "vars": {
                "ansible_ssh_common_args": shlex.join([*NO_TUNNELS, *options(settings)]),
                "app_fingerprint": fingerprint(),
                "app_processes": count,
                "command_file": str(package.build()),
                "database_connections": moving.connections(settings, count, len(there)),
                "site_address": deployment.site_of(settings, found) if found else "",
                **site(settings),
                **(balanced if found and deployment.balancer(settings, found) else {}),
                **_one_database(there),
            },
        },
        "_meta": {"hostvars": hosts},
    }


def _that_are_on(there: list[Droplet]) -> list[Droplet]:
    """Of several without those that are turned off: these wait for `make deploy`."""
    return [one for one in there if one.status != "off" or len(there) == 1]


def _one_database(there: list[Droplet]) -> dict[str, object]:
    """Where several log into one database, the first droplet alone copies it."""
    return {"app_backs_up": there[0].name} if len(there) > 1 else {}


def print_inventory() -> int:
    """What infra/ansible/inventory.py does; its exit status."""
    try:
        print(json.dumps(inventory(Settings.read()), indent=2))
    except Failed as error:
        say.failure(error)
        return 1
    return 0
