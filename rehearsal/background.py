"""A process of the rehearsal's that outlives the verb which started it."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.console.errors import Failed
from ops.console.settings import ROOT


@dataclass(frozen=True)
class Background:
    """Where it keeps what: its output, its number, and the address that it says is ready."""

    name: str
    log: Path
    pid: Path
    url: Path

    def start(self, command: Sequence[str], seconds: float) -> str:
        """Start it, and wait so long until it is ready; its address. Raises Failed."""
        with self.log.open("w") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        self.pid.write_text(f"{process.pid}\n")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            if ready := re.search(r"ready: (\S+)", self.log.read_text()):
                self.url.write_text(f"{ready[1]}\n")
                return ready[1]
            time.sleep(0.1)
        raise Failed(
            f"{self.name} did not start. What it said:",
            self.log.read_text().strip(),
            "Clear away what is left and try again: scripts/in rehearsal -m rehearsal down",
        )

    def number(self, module: bytes) -> int | None:
        """The number of its process; None if that is gone, or the number is another's now."""
        try:
            pid = int(self.pid.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if module in command else None
