"""What the verbs print on the terminal: headlines, closing lines, boxes, questions.

On a terminal with colours and, while something is waited for, a spinner; into a file or a
pipe, plain lines that can be searched.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getpass

import rich.box
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from ops.console import phase_times
from ops.console.errors import Failed

_began = time.monotonic()
_WIDE = 500  # columns of what is no terminal: no line is broken there
_out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDE)
_err = Console(highlight=False, soft_wrap=True, stderr=True)


def on_terminal() -> bool:
    """Whether the output is a terminal, so that a program may draw its progress."""
    return sys.stdout.isatty()


def in_colour() -> bool:
    """Whether what is printed may have colours."""
    return on_terminal() and not os.environ.get("NO_COLOR")


def seconds() -> int:
    """How long the verb has been running."""
    return round(time.monotonic() - _began)


def phase(title: str) -> None:
    """A headline, with the seconds since the verb began; on a terminal, what it took last time."""
    before = phase_times.begin(title) if on_terminal() else None
    last = f"; the last time it took {before} s" if before else ""
    _out.print(f"\n[bold]==> {escape(title)}[/]  ({seconds()} s{last})")


def line(text: str = "") -> None:
    """A plain line."""
    _out.print(escape(text), markup=True)


def raw(text: str) -> None:
    """What another program printed, as it is, its colours included."""
    sys.stdout.write(text)
    sys.stdout.flush()


def note(text: str) -> None:
    """A plain line beside what the verb prints: to the error output."""
    _err.print(escape(text), markup=True)


def done(text: str) -> None:
    """The closing line of a phase or a verb."""
    _out.print(f"[green]{escape(text)}[/]")


def failure(error: Failed) -> None:
    """An error: its first line in red, then what to do."""
    for number, text in enumerate(error.lines()):
        _err.print(f"[red]{escape(text)}[/]" if number == 0 else escape(text))


def status_of(action: Callable[[], object], interrupted: str = "") -> int:
    """Do something and return the exit status: the one place that prints what went wrong.

    `interrupted` is printed after Ctrl-C.
    """
    try:
        action()
    except Failed as error:
        failure(error)
        return error.exit_status
    except KeyboardInterrupt:
        if interrupted:
            note(interrupted)
        return 128 + signal.SIGINT
    return 0


def finding(status: str, name: str, text: str) -> None:
    """One of the doctor's: ok, warn, FAIL or skip, what was looked at, what was found."""
    colour = {"ok": "green", "FAIL": "red", "skip": "yellow", "warn": "yellow"}[status]
    _out.print(f"[{colour}]{status:<4}[/]  {name:<12}  {escape(text)}")


def box(*lines: str) -> None:
    """What a long verb ends with, so that it is found again in the scrollback."""
    panel = Panel.fit(escape("\n".join(lines)), box=rich.box.ASCII, border_style="green")
    line()
    _out.print(panel, soft_wrap=False)


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """A spinner while something is waited for; nothing where the output is no terminal."""
    if not on_terminal():
        yield
        return
    with _out.status(escape(text)):
        yield


def is_interactive() -> bool:
    """Whether a question would be answered."""
    return sys.stdin.isatty()


def ask_secret(question: str) -> str | None:
    """What the person types, which is not shown; None if there is no terminal to ask on."""
    return getpass(question).strip() if is_interactive() else None


def ask(question: str) -> str | None:
    """What the person types; None if there is no terminal to ask on."""
    if not is_interactive():
        return None
    _out.print(escape(question), end="")
    sys.stdout.flush()
    return sys.stdin.readline().strip()


def confirm(question: str, wanted: str, given: str) -> None:
    """Go on only for the answer `wanted`, `given` with CONFIRM or typed. Raises Failed."""
    answer = given or ask(f"{question} Type {wanted}: ")
    if answer is None:
        raise Failed(
            f"{question} There is no terminal to ask on, so nothing was changed.",
            f"If you mean it: the same command with CONFIRM={wanted}",
        )
    if answer != wanted:
        raise Failed(
            f'"{answer}" is not {wanted}, so nothing was changed.',
            f"Run the same command again, and answer {wanted}.",
        )
