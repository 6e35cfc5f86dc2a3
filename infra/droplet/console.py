"""What a command prints, how it fails, and how long Ctrl-C and a lost connection can end it."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


class Stop(Exception):
    """A command cannot go on: what happened, what it means, the one thing to do next."""

    status = 1

    def __init__(self, what: str, *then: str) -> None:
        super().__init__(what)
        self.what = what
        self.then = then


class Refused(Stop):
    """A file that was given is not accepted. It has an exit status of its own."""

    status = 3


class Left(BaseException):
    """The operator left: Ctrl-C, or the ssh connection is gone."""


class Console:
    """Standard output and standard error of a command.

    A print fails once the ssh connection is gone, and that ends the command (Left), until
    `protect` is called: from then on the command runs to its end.
    """

    def __init__(self, suffix: str | None = None) -> None:
        self.suffix = os.environ.get("VERB_SUFFIX", "") if suffix is None else suffix
        self._protected = False

    def make(self, verb: str) -> str:
        """A make verb as the operator types it: `make status TARGET=rehearsal`."""
        return f"make {verb}{self.suffix}"

    def say(self, text: str) -> None:
        """Print progress."""
        self._print(text, error=False)

    def warn(self, text: str) -> None:
        """Print to standard error."""
        self._print(text, error=True)

    def listen(self) -> None:
        """From here on Ctrl-C and a lost connection end the command."""
        self._protected = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._leave)

    def protect(self) -> None:
        """From here on nothing but an error ends the command."""
        self._protected = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def _leave(self, _number: int, _frame: FrameType | None) -> None:
        raise Left

    def _print(self, text: str, *, error: bool) -> None:
        stream = sys.stderr if error else sys.stdout
        try:
            print(text, file=stream, flush=True)
        except OSError:  # nobody reads it; Python would try it again when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if not self._protected:
                raise Left from None


def count(number: int, what: str = "answer") -> str:
    """A number and its noun: `1 answer`, `2 answers`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
