"""How long each phase of a verb took the last time, on this machine (.phase-times)."""

from __future__ import annotations

import atexit
import json
import os
import re
import sys
import time
from contextlib import suppress
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / ".phase-times"
_running: tuple[str, float] | None = None  # the phase, and when it began


def begin(title: str) -> int | None:
    """Begin a phase, which ends the one before; the seconds that it took last time."""
    global _running  # noqa: PLW0603 - a process has one phase at a time
    if _running is None:
        atexit.register(end)
    end()
    # Without what differs each time: an image, an address.
    words = [word for word in title.split() if not re.search(r"[\d/@]", word)]
    name = " ".join([*sys.argv[1:2], *words, os.environ.get("VERB_SUFFIX", "").strip()])
    _running = (name, time.monotonic())
    return _read().get(name)


def end() -> None:
    """End the phase that runs, and note how long it took."""
    global _running  # noqa: PLW0603
    if _running:
        name, began = _running
        _running = None
        with suppress(OSError):  # a folder that cannot be written has no times
            FILE.write_text(json.dumps(_read() | {name: round(time.monotonic() - began)}))


def _read() -> dict[str, int]:
    try:
        times: dict[str, int] = json.loads(FILE.read_text())
    except (OSError, ValueError):
        return {}
    return times
