"""Other programs: what they print, or the failure in their own words; and Debian's packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import ROOT

Found = TypeVar("Found")


class CommandFailed(Failed):
    """A command failed; as a text it is all that there is to read."""

    def __str__(self) -> str:
        return "\n".join(self.lines())


def output(
    *command: str | Path, stdin: str | bytes = "", env: Mapping[str, str] | None = None
) -> str:
    """What a command prints; `env` comes on top of this process's. Raises Failed if it fails."""
    try:
        done = subprocess.run(
            command,
            input=stdin.encode() if isinstance(stdin, str) else stdin,
            capture_output=True,
            check=False,
            env=os.environ | (env or {}),
        )
    except FileNotFoundError as error:
        raise CommandFailed(
            f"{command[0]} is not installed, and this needs it.",
            f"Get it: sudo apt-get install {command[0]}",
        ) from error
    if done.returncode != 0:
        printed = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise CommandFailed(
            f"{' '.join(map(str, command[:2]))} failed. What it printed:",
            printed,
            "Fix it, then run the same command again.",
        )
    return done.stdout.decode().strip()


def wait_for(look: Callable[[], Found | None], seconds: float) -> Found | None:
    """What a look finds, as soon as it finds something; nothing if it does not in time."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def named_in(file: str, pattern: str) -> str:
    """What a file of the project names; its place there is the pattern's group. Raises Failed."""
    if found := re.search(pattern, (ROOT / file).read_text()):
        return found[1]
    raise Failed(f"{file} has nothing like {pattern}, which the rehearsal needs.", "Name it there.")


def page(url: str) -> bytes:
    """The page there; nothing if it does not answer. What answers is never stood in for."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - ours
            return bytes(answer.read()) or b"empty"
    except (OSError, ValueError):
        return b""


def need_packages(packages: Mapping[str, str]) -> None:
    """Debian packages, by a command of each: root gets them installed. Raises Failed."""
    # Debian leaves the folders of root's programs out of other users' PATH.
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    missing = [
        package
        for command, its in packages.items()
        if not shutil.which(command, path=path)
        for package in its.split()
    ]
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Failed(
            f"Not installed, and this needs it: {names}.",
            f"Install it: sudo apt-get install {names}",
        )
    terminal.line(f"Installing Debian packages: {names} ...")
    output("apt-get", "update", "-qq")
    install = ("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)
    output(*install, env={"DEBIAN_FRONTEND": "noninteractive"})
