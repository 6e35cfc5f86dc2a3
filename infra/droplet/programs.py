"""Run a program. It is killed when this process ends, however that happens."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# util-linux; the kernel then kills the program together with this process.
WITH_US = ("setpriv", "--pdeathsig", "KILL")


@dataclass(frozen=True)
class Result:
    """How a program ended, and what it printed."""

    status: int
    out: str
    error: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.status == 0


def run(
    *command: str,
    stdin: str | IO[bytes] = "",
    stdout: IO[bytes] | None = None,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    umask: int = -1,
    folder: Path | None = None,
) -> Result:
    """Run a program to its end; after `timeout` seconds it is killed, with status 124.

    With `stdout`, what it prints goes there and not into the result. A `umask` of -1 is this
    process's own. It runs in `folder`.
    """
    text = stdin.encode() if isinstance(stdin, str) else None
    try:
        done = subprocess.run(
            [*WITH_US, *command],
            **({"input": text} if text is not None else {"stdin": stdin}),
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
            cwd=folder,
            env={**os.environ, **(env or {})},
            umask=umask,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        return Result(124, _text(late.stdout), _text(late.stderr))
    except FileNotFoundError:
        return Result(127, "", f"{command[0]} is not installed")
    return Result(done.returncode, _text(done.stdout), _text(done.stderr))


def start(command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a program that reads and writes while this process goes on."""
    return subprocess.Popen(
        [*WITH_US, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )


def _text(printed: object) -> str:
    return printed.decode(errors="replace") if isinstance(printed, bytes) else ""
