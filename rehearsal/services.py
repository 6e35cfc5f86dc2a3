"""The processes that outlive the verb which started them: the API, and Spaces."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import ROOT, Settings
from rehearsal import places
from rehearsal.droplet.containers import HOST, Containers

_SECONDS_TO_START = 60
_SECONDS_TO_STOP = 20


@dataclass(frozen=True)
class Service:
    """A process: its module, its name for people, and the files that it has in .rehearsal/."""

    module: str
    name: str
    file: str

    def _path(self, suffix: str) -> Path:
        return places.STATE / f"{self.file}{suffix}"

    @property
    def log(self) -> Path:
        return self._path(".log")

    def url(self) -> str | None:
        """Where it answers; None if it does not."""
        file = self._path("-url")
        if not file.exists() or self._pid() is None:
            return None
        there = file.read_text().strip()
        address = urlsplit(there)
        try:
            socket.create_connection((address.hostname or "", address.port or 80), 5).close()
        except OSError:
            return None
        return there

    def was_started(self) -> bool:
        """Whether this rehearsal has one."""
        return self._path("-url").exists()

    def start(self, *arguments: str) -> str:
        """Start it on a free port, and wait until it is ready; its address. Raises Failed."""
        self.stop()  # one that was started and then not waited for
        with self.log.open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", self.module, *arguments], cwd=ROOT, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self._path(".pid").write_text(f"{process.pid}\n")
        deadline = time.monotonic() + _SECONDS_TO_START
        while time.monotonic() < deadline and process.poll() is None:
            if ready := re.search(r"ready: (\S+)", self.log.read_text()):
                self._path("-url").write_text(f"{ready[1]}\n")
                return ready[1]
            time.sleep(0.1)
        raise Failed(
            f"{self.name} did not start. What it printed:",
            self.log.read_text().strip(),
            "Clear away what is left and try again: scripts/in rehearsal -m rehearsal down",
        )

    def stop(self) -> None:
        """End it, if it runs: it finishes what is under way."""
        deadline = time.monotonic() + _SECONDS_TO_STOP
        if pid := self._pid():
            os.kill(pid, signal.SIGTERM)
        while self._pid() and time.monotonic() < deadline:
            time.sleep(0.1)

    def _pid(self) -> int | None:
        """The number of its process; None if that is gone, or the number is another's now."""
        try:
            pid = int(self._path(".pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_text()
        except (OSError, ValueError):
            return None
        return pid if self.module in command else None


API = Service("rehearsal.api", "The local DigitalOcean", "api")
SPACES = Service("rehearsal.spaces", "What stands in for Spaces", "spaces")


def start_api() -> str:
    """Start the API; its address. Raises Failed."""
    return API.start(str(places.API_STATE), str(places.TOKEN))


def start_spaces_if_wanted() -> None:
    """Start Spaces if a bucket is asked for, or was before. Raises Failed."""
    if not (Settings.read().offsite.bucket or SPACES.was_started()):
        return
    url = SPACES.url()
    if url is None:
        # Where the droplets reach this machine: the first address of their network.
        address = Containers(places.PROJECT).host(HOST)
        python = str(ROOT / ".venv/spaces/bin/python")
        url = SPACES.start(python, address, str(places.API_STATE / "state.json"))
    terminal.line(f"Rehearsal: moto at {url} stands in for DigitalOcean's Spaces.")
