"""The certificate authority on the droplets' network: pebble, which stands in for Let's Encrypt."""

from __future__ import annotations

import ssl
import urllib.request
from contextlib import suppress
from pathlib import Path

from ops.console.errors import Failed
from ops.console.settings import ROOT
from rehearsal import places
from rehearsal.commands import output, wait_for
from rehearsal.droplet.containers import AUTHORITY, Containers
from rehearsal.offline.base_images import ENGINES

_SECONDS_TO_START = 20


def start(containers: Containers) -> str:
    """Start it, unless it runs; where it answers. Raises Failed."""
    name, address = f"{containers.project}-authority", containers.host(AUTHORITY)
    clone = ("--label", f"{places.CLONE}={ROOT}")
    command = ("digits-rehearsal-authority", address)
    containers.serve(name, ENGINES, AUTHORITY, *clone, command=command)
    url = f"https://{address}:14000/dir"
    # It signs with a root that is new at every start.
    _write(places.AUTHORITY_ROOT, _roots(name, address))
    _write(places.AUTHORITY_URL, f"{url}\n")
    return url


def _write(file: Path, text: str) -> None:
    """In one step: a verb may be reading it."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def _roots(name: str, address: str) -> str:
    """Its own certificate, and the root that it signs with. Raises Failed."""

    def look() -> str | None:
        with suppress(OSError, Failed):
            own = output("docker", "exec", name, "cat", "/etc/pebble/certificate.pem")
            trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=own))
            # A proxy has no business between two programs of one machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusting)
            with opener.open(f"https://{address}:15000/roots/0", timeout=5) as answer:
                return f"{own}\n{answer.read().decode()}"
        return None

    if found := wait_for(look, _SECONDS_TO_START):
        return found
    raise Failed(
        "The rehearsal's certificate authority does not answer. It printed:",
        output("docker", "logs", "--tail", "20", name),
        "Clear away what is left and try again: scripts/in rehearsal -m rehearsal down",
    )
