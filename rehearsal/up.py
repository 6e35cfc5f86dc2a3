"""Start the local DigitalOcean: images, keys, API. The second call changes nothing."""

from __future__ import annotations

import os
import platform
import secrets
from pathlib import Path

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import need
from ops.console.settings import ROOT, Settings
from ops.release.docker import need_compose, need_engine
from rehearsal import places, services, terraform_root
from rehearsal.commands import need_packages, output
from rehearsal.droplet.containers import Containers
from rehearsal.engines import authority
from rehearsal.offline import debian_13, docker_hub, provider_package
from rehearsal.offline.base_images import BaseImages


def up() -> None:
    """Start it, unless it stands. Raises Failed."""
    _check()
    containers = Containers(places.PROJECT)
    if services.url() is None:
        terminal.phase("Rehearsal: start a local DigitalOcean (no account, no money)")
        places.STATE.mkdir(mode=0o700, exist_ok=True)
        BaseImages().provide_all()
        provider_package.install(places.PROVIDER)
        _make_keys()
        docker_hub.start_if_needed(containers)
        services.start()
    terraform_root.make(places.TERRAFORM)
    # The answer to "what am I talking to?" is in every log.
    log = os.path.relpath(services.LOG, ROOT)
    terminal.line(
        f"Rehearsal: the local DigitalOcean at {services.url()} stands in for the real one; "
        f"log: {log}"
    )
    acme = authority.start(containers)
    terminal.line(f"Rehearsal: pebble at {acme} stands in for Let's Encrypt.")
    _name_the_other_stand_ins()


def _check() -> None:
    if platform.system() != "Linux":
        raise Failed(
            "The rehearsal needs Linux: its droplet is a container with systemd inside.",
            "On macOS or Windows use a Linux virtual machine, or deploy for real: make deploy",
        )
    need_packages({"docker": "docker.io", "iptables": "iptables", "ssh-keygen": "openssh-client"})
    need_engine()
    try:
        need_compose()
    except Failed:
        if not Path("/etc/debian_version").exists():
            raise
        # Debian 12 has no compose for today's docker; Debian 13's serves.
        debian_13.docker_plugins()
    need("terraform")
    _check_for_another()


def _check_for_another() -> None:
    """Raises Failed where Docker has the rehearsal of another clone."""
    show = f'{{{{.Names}}}}\t{{{{.Label "{places.CLONE}"}}}}'
    ours = ("--filter", f"label={places.LABEL}", "--format", show)
    found = [line.partition("\t") for line in output("docker", "ps", "--all", *ours).splitlines()]
    clone = next((clone for _, _, clone in found if clone), "")
    if not found or (places.STATE.exists() and clone in ("", str(ROOT))):
        return
    whose = f"the clone in {clone}" if clone else "a clone that was deleted"
    raise Failed(
        f"This machine has a rehearsal already, of {whose}:",
        f"{', '.join(name for name, _, _ in found)}.",
        "There is room for one. End that one there, with make destroy TARGET=rehearsal; or, if "
        "nobody uses it, from here: scripts/in rehearsal -m rehearsal down",
    )


def _name_the_other_stand_ins() -> None:
    settings = Settings.read()
    if settings.offsite.bucket:
        terminal.line("Rehearsal: moto stands in for DigitalOcean's Spaces.")
    if settings.scale.several or settings.scale.is_managed:
        terminal.line(
            "Rehearsal: haproxy and PostgreSQL in containers stand in for DigitalOcean's load "
            "balancer and managed database."
        )


def _make_keys() -> None:
    """The token that the API knows, and the key that opens the droplet."""
    if not places.TOKEN.exists():
        places.TOKEN.touch(mode=0o600)
        places.TOKEN.write_text(f"rehearsal_{secrets.token_hex(16)}\n")
    if not places.SSH_KEY.exists():
        comment = ("-C", "digits rehearsal")
        output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", *comment, "-f", places.SSH_KEY)
