"""The time, and waiting."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The clock of the droplet."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def seconds(self) -> float:
        """Seconds of a clock that nobody sets, for measuring how long something takes."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def stamp(self) -> str:
        """The time in the form of the list of releases: 2026-11-28T12:00:00Z."""
        return self.stamp_of(self.now())

    def stamp_of(self, seconds: float) -> str:
        """Seconds since 1970, in the same form."""
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def minute(seconds: float) -> str:
    """Seconds since 1970, as people read it: 2026-11-28 12:00 UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
