"""Starts it, on the droplets' network, and fetches the roots that it is to be trusted by."""

from __future__ import annotations

import ssl
import time
import urllib.request
from pathlib import Path

from ops.console.errors import Failed
from ops.console.programs import output_of
from ops.console.settings import ROOT
from rehearsal import places
from rehearsal.commands import output
from rehearsal.droplet.network import AUTHORITY_ADDRESS, Network
from rehearsal.offline.base_images import AUTHORITY

NAME = f"{places.PROJECT}-authority"
_SECONDS_TO_START = 20


def start() -> str:
    """Start it, unless it runs; where it answers. Raises Failed."""
    address = Network(places.PROJECT, places.LABEL).address(AUTHORITY_ADDRESS)
    if output_of("docker", "inspect", "--format", "{{.State.Running}}", NAME) != "true":
        output_of("docker", "rm", "--force", "--volumes", NAME)
        output(
            "docker", "run", "--detach", "--name", NAME, "--label", places.LABEL,
            "--label", f"{places.CLONE}={ROOT}", "--restart", "unless-stopped",
            "--network", places.PROJECT, "--ip", address, AUTHORITY, address,
        )  # fmt: skip
    url = f"https://{address}:14000/dir"
    started = output("docker", "inspect", "--format", "{{.State.StartedAt}}", NAME)
    note = places.AUTHORITY_STARTED
    if not note.exists() or note.read_text() != started:
        _write(places.AUTHORITY_ROOT, _roots(address))
        _write(places.AUTHORITY_URL, f"{url}\n")
        _write(note, started)
    return url


def _write(file: Path, text: str) -> None:
    """In one step: a verb may be reading it."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def _roots(address: str) -> str:
    """Its own certificate, and the root that it signs with, which is new at every start."""
    deadline = time.monotonic() + _SECONDS_TO_START
    while True:
        try:
            own = output("docker", "exec", NAME, "cat", "/etc/pebble/certificate.pem")
            trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=own))
            # A proxy has no business between two programs of one machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusting)
            with opener.open(f"https://{address}:15000/roots/0", timeout=5) as answer:
                return f"{own}\n{answer.read().decode()}"
        except (OSError, Failed) as error:
            if time.monotonic() > deadline:
                raise Failed(
                    f"The rehearsal's certificate authority does not answer: {error}",
                    output_of("docker", "logs", "--tail", "20", NAME) or "",
                    "Clear away what is left and try again: scripts/in rehearsal -m rehearsal down",
                ) from error
            time.sleep(0.2)
