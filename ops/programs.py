"""Other programs: whether they are there, and what they print."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ops.errors import Failed

GET = {
    "terraform": "https://developer.hashicorp.com/terraform/install",
    "ssh": "sudo apt-get install openssh-client",
    "ssh-keygen": "sudo apt-get install openssh-client",
    "git": "sudo apt-get install git",
    "npm": "sudo apt-get install npm",
    "docker": "sudo apt-get install docker.io, or https://docs.docker.com/engine/install/",
}


def need(name: str) -> str:
    """Where a program is. Raises Failed if it is not installed."""
    if path := shutil.which(name):
        return path
    raise Failed(f"{name} is not installed, and this needs it.", f"Get it: {GET[name]}")


def output_of(
    *command: str, seconds: float = 20, env: Mapping[str, str] | None = None
) -> str | None:
    """What a command prints; None if it fails, takes too long or is not there."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env=env,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def finish(command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> int:
    """Run a program that must come to its own end, such as Terraform; its exit status.

    Ctrl-C reaches it, too. subprocess.run would kill it a quarter of a second later, with a
    droplet made that it has not noted. Of a SIGTERM (SystemExit) it has to be told.
    """
    process = subprocess.Popen(command, env=env)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise
    except SystemExit:
        process.terminate()
        process.wait()
        raise


def who_releases(given: str) -> str:
    """The name that goes into the list of releases: the given one, else git's or this user's."""
    if given:
        return given
    name = output_of("git", "config", "user.name") or output_of("id", "--user", "--name")
    return f"{name}@{output_of('hostname')}"
