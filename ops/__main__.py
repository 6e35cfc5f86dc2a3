"""`python -m ops VERB`: run one verb."""

from __future__ import annotations

import importlib
import pkgutil
import signal
import sys
from types import FrameType

from ops import verbs
from ops.console import terminal
from ops.console.settings import Settings


def names() -> list[str]:
    """Every verb, as it is typed."""
    return [found.name.replace("_", "-") for found in pkgutil.iter_modules(verbs.__path__)]


def _end(number: int, _frame: FrameType | None) -> None:
    # As an exception, so that unfinished work is cleaned up.
    raise SystemExit(128 + number)


def main(words: list[str]) -> int:
    """Run the verb that the words begin with; the exit status."""
    if not words or words[0] not in names():
        terminal.note(f"usage: python -m ops VERB, one of: {' '.join(names())}")
        return 2
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    module = importlib.import_module(f"ops.verbs.{words[0].replace('-', '_')}")
    return terminal.status_of(lambda: module.run(Settings.read(), words[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
