"""How many processes the app has: one for each processor that there is memory for.

One process uses one processor, whatever the droplet has (docs/scaling.md).
"""

from __future__ import annotations

from ops.console.errors import Failed
from ops.console.settings import ScaleSettings

PROCESS_MB = 400  # what one may hold
REST_MB = 512  # the system, nginx and the database
MOST = 16


def wanted(scale: ScaleSettings, processors: int, memory_mb: int) -> int:
    """How many the app gets on a droplet of this size. Raises Failed if they have no room on it."""
    if scale.app_processes:
        return _set(scale, memory_mb)
    # A release starts one more at a time, at least.
    return max(1, min(processors, _fit(memory_mb) - 1, MOST))


def description(scale: ScaleSettings, processors: int, memory_mb: int) -> str:
    """What there is to say of it; nothing for one process on one processor. Raises Failed."""
    count = wanted(scale, processors, memory_mb)
    if count == 1 and processors == 1:
        return ""
    what = f"the app gets {count} process{'es' if count > 1 else ''}"
    if scale.app_processes or count == processors:
        return what
    if count == MOST:
        return f"{what}, which is the most"
    return f"{what}, since there is no memory for {processors}"


def _fit(memory_mb: int) -> int:
    return (memory_mb - REST_MB) // PROCESS_MB


def _set(scale: ScaleSettings, memory_mb: int) -> int:
    """The number that was set. Raises Failed."""
    text = scale.app_processes
    if not text.isdecimal() or not 1 <= int(text) <= MOST:
        raise Failed(
            f"TF_VAR_app_processes={text} is no number of processes that the app could have.",
            f"Give one from 1 to {MOST}, or none: then there is one for each processor.",
        )
    count, fit = int(text), max(1, _fit(memory_mb))
    if count > fit:
        raise Failed(
            f"TF_VAR_app_processes={text} is more than {memory_mb} MB of memory hold: "
            f"{fit} process{'es' if fit > 1 else ''} of {PROCESS_MB} MB beside all else.",
            f"export TF_VAR_app_processes={fit}, or give it more memory: export TF_VAR_size=...",
        )
    return count
