"""The time, as DigitalOcean writes it, and the log that goes by it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime


def now() -> str:
    """This second, in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def log(message: str) -> None:
    """Say what went on behind the API."""
    # One write a line: several threads write at once.
    sys.stderr.write(f"{now()} {message}\n")
