"""Which of the internet's registries answer: those that do are never stood in for."""

from __future__ import annotations

import urllib.request

_SECONDS = 5


def page(url: str) -> bytes:
    """The page, or nothing if it does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - ours
            return bytes(answer.read()) or b"empty"
    except (OSError, ValueError):
        return b""
