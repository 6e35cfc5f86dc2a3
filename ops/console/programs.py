"""Other programs: whether they are there, and what they print."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping

from ops.console.distribution import how_to_get
from ops.console.errors import Failed


def need(name: str) -> str:
    """Where a program is. Raises Failed if it is not installed."""
    if path := shutil.which(name):
        return path
    raise Failed(f"{name} is not installed, and this needs it.", f"Get it: {how_to_get(name)}")


def output_of(*command: str, seconds: float = 20) -> str | None:
    """What a command prints; None if it fails, takes too long or is not there."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def shown(command: list[str], env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a command and let it be read; its exit status, and all that it printed."""
    lines = []
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=env,
    )
    for line in process.stdout or ():
        sys.stdout.write(line)
        sys.stdout.flush()
        lines.append(line)
    return process.wait(), "".join(lines)


def who_releases(given: str) -> str:
    """The name that goes into the list of releases: the given one, else git's or this user's."""
    if given:
        return given
    name = output_of("git", "config", "user.name") or output_of("id", "--user", "--name") or ""
    # The list has tabs between its fields, and a line for each release.
    return f"{' '.join(name.split())}@{output_of('hostname')}"
