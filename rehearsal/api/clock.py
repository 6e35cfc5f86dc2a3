"""The time, as DigitalOcean writes it, and the log that goes by it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime


def now() -> str:
    """This second, in UTC."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


LOG = logging.getLogger("rehearsal.api")


def log(message: str) -> None:
    """Log what went on behind the API."""
    LOG.info("%s %s", now(), message)
