"""How a verb of the Makefile has to be typed, for messages that name the next one."""

from __future__ import annotations

import os


def make(verb: str) -> str:
    """The command; the Makefile's ending for a rehearsal included."""
    return f"make {verb}{os.environ.get('VERB_SUFFIX', '')}"
