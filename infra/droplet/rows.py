"""The rows of a dump, as text: only what matches a strict pattern is taken from it.

No SQL of a dump is executed. A row that is taken holds no backslash, so psql reads no command.
"""

from __future__ import annotations

import re
from typing import IO

from droplet.postgres import COLUMNS

_BEGIN = f"COPY public.predictions ({COLUMNS}) FROM stdin;\n".encode()
# Any time that PostgreSQL can hold: whoever may store predictions may store these, too.
_TIME = (
    rb"(?:-?infinity|"
    rb"\d{4,6}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?[+-]\d\d(?::\d\d){0,2}(?: BC)?)"
)
_ROW = re.compile(_TIME + rb"\t\d\t\d\n")
_AFTER = re.compile(rb"(--.*|\\unrestrict \w+)?\n")
_LONGEST_LINE = 1000  # bytes; a row has fewer


class Foreign(Exception):
    """The text is not that of predictions alone; the message has the reason."""


def take(text: IO[bytes], into: IO[bytes]) -> bool:
    """Copy the rows out of pg_restore's text; False where it ends early. Raises Foreign."""
    for line in iter(lambda: text.readline(_LONGEST_LINE), b""):
        if line == _BEGIN:
            return _take_rows(text, into)
        if line.startswith((b"COPY ", b"INSERT ")):
            raise Foreign("Its table predictions is not this one: its columns are others.")
    return False


def _take_rows(text: IO[bytes], into: IO[bytes]) -> bool:
    for number, line in enumerate(iter(lambda: text.readline(_LONGEST_LINE), b""), start=1):
        if line == b"\\.\n":
            return _take_nothing(text)
        if not _ROW.fullmatch(line):
            raise Foreign(
                f"Its row {number} is not an answer: a time, the predicted digit, the right digit."
            )
        into.write(line)
    return False


def _take_nothing(text: IO[bytes]) -> bool:
    """See that nothing follows the rows."""
    for line in iter(lambda: text.readline(_LONGEST_LINE), b""):
        if not _AFTER.fullmatch(line):
            raise Foreign("It holds more than the rows of predictions.")
    return True
