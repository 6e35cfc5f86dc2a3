"""The command `digits` on the droplet (infra/droplet): shown to a person, or asked for values."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import IO, Any

from ops.console.errors import AlreadyPrinted, Failed
from ops.console.make import make
from ops.ssh.connection import Answer, Host

_NOT_THERE = 127  # the shell's status for a command that does not exist


def line(*words: str, settings: Mapping[str, str] | None = None) -> str:
    """`digits` with these words, as the droplet's shell reads it; settings are its environment."""
    given = [f"{name}={value}" for name, value in (settings or {}).items()]
    return shlex.join([*(["env", *given] if given else []), "digits", *words])


def show(
    host: Host,
    *words: str,
    stdin: IO[bytes] | bytes | None = None,
    settings: Mapping[str, str] | None = None,
) -> None:
    """Run it and let it be read. Raises Failed."""
    check(host, host.run(line(*words, settings=settings), stdin=stdin))


def check(host: Host, answer: Answer) -> None:
    """Raises Failed if the command failed; most failures have printed why."""
    if answer.status == _NOT_THERE:
        raise Failed(
            f"The droplet at {host.ip} does not have the command `digits` yet.",
            f"Set it up: {make('deploy')}",
        )
    if answer.status != 0:
        raise AlreadyPrinted


def ask(host: Host, *words: str, before: str = "") -> dict[str, Any]:
    """The values that it gives with --json; none where it is not installed yet.

    `before` is shell that runs before it. Raises AlreadyPrinted.
    """
    installed = "command -v digits >/dev/null || { echo '{}'; exit; }"
    printed = host.must(f"{before}\n{installed}\n{line(*words, '--json')}", stdin=b"")
    values = values_of(printed)
    if values is None:
        raise Failed(
            f"The droplet at {host.ip} answered what is no JSON: {printed.strip()[:200]!r}.",
            f"Set it up again: {make('deploy')}",
        )
    return values


def live(host: Host, before: str = "") -> dict[str, Any]:
    """The release that is live there, as in infra/droplet/history.py; empty without one."""
    return _newest(ask(host, "releases", before=before))


def live_of(printed: str) -> dict[str, Any]:
    """The same, of what `digits releases --json` printed."""
    return _newest(values_of(printed) or {})


def values_of(printed: str) -> dict[str, Any] | None:
    """The values in what a command printed with --json; None if it printed something else."""
    try:
        values = json.loads((printed.strip().splitlines() or ["{}"])[-1])
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def _newest(values: dict[str, Any]) -> dict[str, Any]:
    found = values.get("releases") or [{}]
    release: dict[str, Any] = found[-1]
    return release
