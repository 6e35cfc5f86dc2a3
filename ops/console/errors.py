"""What can go wrong, as a person needs it: what happened, what it means, what to do next."""

from __future__ import annotations


class Failed(Exception):
    """A verb cannot go on.

    `what` says what happened; each further text is a line below it, the last one the one thing
    to do next.
    """

    exit_status = 1

    def __init__(self, what: str, *then: str) -> None:
        super().__init__(what)
        self.what = what
        self.then = then

    def lines(self) -> list[str]:
        """All that is to be read, line by line."""
        return [line for text in (self.what, *self.then) for line in text.splitlines()]


class AlreadyPrinted(Failed):
    """What failed has printed why: nothing is added."""

    def __init__(self) -> None:
        super().__init__("")


class Differs(AlreadyPrinted):
    """What was compared is not the same: no failure, and not nothing."""

    exit_status = 2
