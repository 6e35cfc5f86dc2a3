"""What a visitor sees: the prediction, and what the browser remembers of it.

A module beside the page, since Streamlit reads the page's own file again at every run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from digits.preprocessing import Unreadable
from digits.recogniser import Recognition

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Prediction:
    """What was made of the picture on the canvas, and when."""

    digest: str  # of the picture, to know it again
    made_at: datetime
    answer: Recognition | Unreadable
    explanation: str = ""  # HTML, if there is a digit


@dataclass(frozen=True)
class Shown:
    """What the visitor sees: which canvas and text input, and the prediction, if there is one.

    The browser keeps it in a hidden input and sends it with every message, because a session
    ends with its process, and after two minutes without a connection. The page stays open, and
    its next message comes to a new session. A press means what the visitor sees.
    """

    drawing: int
    field: int
    digit: int | None = None
    made_at: datetime | None = None
    digest: str = ""

    @staticmethod
    def read(text: str) -> Shown | None:
        """Return what `str` has written, or None if it is something else."""
        pattern = r"(\d{1,9})-(\d{1,9})(?:-(\d)-(\d{1,16})-([0-9a-f]{16}))?"
        found = re.fullmatch(pattern, text, re.ASCII)
        if found is None:
            return None
        drawing, field = int(found[1]), int(found[2])
        if found[3] is None:
            return Shown(drawing, field)
        made_at = EPOCH + timedelta(microseconds=int(found[4]))
        return Shown(drawing, field, int(found[3]), made_at, found[5])

    def __str__(self) -> str:
        """Write it as a short text that the gate lets through."""
        if self.made_at is None:
            return f"{self.drawing}-{self.field}"
        micros = (self.made_at - EPOCH) // timedelta(microseconds=1)
        return f"{self.drawing}-{self.field}-{self.digit}-{micros}-{self.digest}"
