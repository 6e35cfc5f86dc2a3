"""Start and end the rehearsal: images, keys, containers, and its own process with the API.

What it built (images, Python environments) stays, so that the next one starts fast.
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from ops.console import terminal
from ops.console.distribution import package
from ops.console.errors import Failed
from ops.console.programs import need
from ops.console.settings import ROOT, Settings
from ops.release import registry
from ops.release.docker import need_compose, need_engine
from rehearsal import places, terraform_root
from rehearsal.commands import need_packages, output, wait_for
from rehearsal.droplet.containers import Containers
from rehearsal.engines import authority
from rehearsal.offline import debian_13, docker_hub, provider_package
from rehearsal.offline.base_images import BaseImages

_LOG = places.STATE / "api.log"
_PID = places.STATE / "api.pid"
_MODULE = "rehearsal.api"
_SECONDS_TO_START = 60
_SECONDS_TO_STOP = 20


def up() -> None:
    """Start it, unless it stands. Raises Failed."""
    _check()
    containers = Containers(places.PROJECT)
    if _url() is None:
        terminal.phase("Rehearsal: start a local DigitalOcean (no account, no money)")
        places.STATE.mkdir(mode=0o700, exist_ok=True)
        BaseImages().provide_all()
        provider_package.install(places.PROVIDER)
        _make_keys()
        docker_hub.start_if_needed(containers)
        _start()
    terraform_root.make(places.TERRAFORM)
    # The answer to "what am I talking to?" is in every log.
    log = os.path.relpath(_LOG, ROOT)
    terminal.line(
        f"Rehearsal: the local DigitalOcean at {_url()} stands in for the real one; log: {log}"
    )
    acme = authority.start(containers)
    terminal.line(f"Rehearsal: pebble at {acme} stands in for Let's Encrypt.")
    _name_the_other_stand_ins()


def _check() -> None:
    if platform.system() != "Linux":
        raise Failed(
            "The rehearsal needs Linux: its droplet is a container with systemd inside.",
            "On macOS or Windows, use the dev container: docs/dev-container.md",
        )
    need_packages({"docker": package("docker"), "ssh-keygen": "openssh-client"})
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


def down() -> None:
    """Remove every trace. Raises Failed."""
    need_engine()
    _close_ssh()
    stop()
    registry.forget_volume()
    Containers(places.PROJECT).remove_all()
    shutil.rmtree(places.STATE, ignore_errors=True)
    terminal.done("The rehearsal is over: no container, network, volume or process of it is left.")


def _close_ssh() -> None:
    """End the connections that Ansible kept open for its next task."""
    for control in places.SSH_SOCKETS.glob("*") if places.SSH_SOCKETS.is_dir() else ():
        if control.is_socket():
            close = ["ssh", "-F", "none", "-o", f"ControlPath={control}", "-O", "exit", "droplet"]
            subprocess.run(close, capture_output=True, check=False)


def _url() -> str | None:
    """Where the API answers; None if it does not."""
    if _pid() is None or not places.API_URL.exists():
        return None
    there = places.API_URL.read_text().strip()
    address = urlsplit(there)
    try:
        socket.create_connection((address.hostname or "", address.port or 80), 5).close()
    except OSError:
        return None
    return there


def _start() -> None:
    """Start it, and wait until the API is ready. Raises Failed."""
    stop()  # one that was started and then not waited for
    places.API_URL.unlink(missing_ok=True)
    with _LOG.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, f"{places.STATE}/"], cwd=ROOT,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    _PID.write_text(f"{process.pid}\n")
    wait_for(lambda: _url() or process.poll() is not None, _SECONDS_TO_START)
    if _url() is None:
        raise Failed(
            "The local DigitalOcean did not start. What it printed:",
            _LOG.read_text().strip(),
            "Clear away what is left and try again: scripts/in rehearsal -m rehearsal down",
        )


def stop() -> None:
    """End it, if it runs: it finishes what is under way."""
    if pid := _pid():
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: _pid() is None, _SECONDS_TO_STOP)


def _pid() -> int | None:
    """The number of its process; None if that is gone, or the number is another's now."""
    try:
        pid = int(_PID.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_text()
    except (OSError, ValueError):
        return None
    return pid if _MODULE in command else None
