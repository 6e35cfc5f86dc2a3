"""The time, as DigitalOcean writes it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """This second, in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
