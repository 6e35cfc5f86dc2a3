"""Load balancers as containers with haproxy."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from rehearsal.commands import output
from rehearsal.droplet.containers import Containers
from rehearsal.droplet.docker import DropletError, docker, put, run

from . import haproxy

_COMMAND = ("haproxy", "-W", "-db", "-f", haproxy.CONFIGURATION)
_TRIES = 10
_ASK = ("socat", "-", f"UNIX:{haproxy.SOCKET}")


class Balancers:
    """Makes, changes and removes them."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers
        self._certificates: dict[str, str] = {}

    def balance(self, balancer: dict[str, Any], members: dict[str, str]) -> str:
        """Send visitors to these droplets; the address that visitors come to."""
        name = self._containers.name("balancer", balancer["id"])
        if not self._containers.exists(name):
            self._containers.create_engine(name, command=_COMMAND)
        runs = self._containers.running(name)
        known = self._ask(name, "show servers state") if runs else ""
        text = haproxy.configuration(balancer, members)
        files = {
            haproxy.CONFIGURATION: text,
            haproxy.STATE: haproxy.state(balancer, members, known),
        }
        if any(rule["entry_protocol"] == "https" for rule in balancer["forwarding_rules"]):
            files[haproxy.CERTIFICATE] = self._certificate(balancer["id"])
        put(name, files, mode=0o644)
        if runs:
            docker("exec", name, "haproxy", "-c", "-q", "-f", haproxy.CONFIGURATION)
            self._take_over(name, text)
        else:
            docker("start", name)
        return self._containers.address(name)

    def _certificate(self, key: str) -> str:
        """A certificate and its key. No authority stands behind it: nobody here resolves a name."""
        if key not in self._certificates:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "pem")
                output(
                    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-noenc", "-days", "90", "-subj", "/CN=balancer",
                    "-keyout", file, "-out", f"{file}.crt",
                )  # fmt: skip
                both = file.read_text() + Path(f"{file}.crt").read_text()
            self._certificates[key] = both
        return self._certificates[key]

    def _take_over(self, name: str, text: str) -> None:
        """Let it take over the ports from itself; open connections stay with the old process."""
        for _ in range(_TRIES):
            # One that comes while it is still busy with the one before is lost.
            docker("kill", "--signal", "USR2", name)
            for _ in range(10):
                if haproxy.runs_on(self._ask(name, "show info"), text):
                    return
                time.sleep(0.2)
        raise DropletError(f"the balancer {name} does not take its new configuration")

    @staticmethod
    def _ask(name: str, what: str) -> str:
        """What haproxy answers; nothing, if it does not."""
        answer = run("exec", "--interactive", name, *_ASK, stdin=f"{what}\n".encode())
        return answer.stdout.decode()

    def unbalance(self, balancer_id: str) -> None:
        """Remove it; nothing happens if there is none."""
        self._containers.remove(self._containers.name("balancer", balancer_id))
