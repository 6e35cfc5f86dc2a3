"""Waiting until something is as it should be."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ops.console import terminal

Problem = TypeVar("Problem")


def until_fine(
    problem: Callable[[], Problem], seconds: float, text: str, every: float = 1.0
) -> Problem | None:
    """Wait, for so many seconds at most, until there is no problem; the one that stayed, else None.

    `text` says what is waited for.
    """
    deadline = time.monotonic() + seconds
    with terminal.waiting(text):
        while found := problem():
            if time.monotonic() > deadline:
                return found
            time.sleep(every)
    return None
