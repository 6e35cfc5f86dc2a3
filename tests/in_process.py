"""One verb of ops, run in this process: the same text and exit status as `python -m ops VERB`.

A new Python takes longer to start than most verbs take to run. Each call imports the project's own
copy of ops, so a test may change a module of that copy, and nothing of one call reaches the next.
For ops, time passes faster: what it waits for is the stand-in API, which needs no real seconds.
"""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO, Any

_FASTER = 20
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    folder: Path, words: list[str], environment: Mapping[str, str], stdin: int
) -> subprocess.CompletedProcess[str]:
    """Run a verb of the copy in `folder`; both of its outputs are one text."""
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        with ExitStack() as stack:
            stack.enter_context(_streams(stdin, output.fileno()))
            stack.enter_context(_surroundings(folder, environment))
            stack.enter_context(_modules_of(folder))
            status = _status_of(words)
        output.seek(0)
        return subprocess.CompletedProcess(["ops", *words], status, output.read())


def _status_of(words: list[str]) -> int:
    try:
        status: int = importlib.import_module("ops.__main__").main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - what Python itself would print and answer
        traceback.print_exc()
        return 1
    return status


@contextmanager
def _streams(stdin: int, output: int) -> Iterator[None]:
    """Let this process, and what it starts, read from and write to these."""
    source = os.open(os.devnull, os.O_RDONLY) if stdin == subprocess.DEVNULL else os.dup(stdin)
    kept = [os.dup(number) for number in range(3)]
    streams = (sys.stdin, sys.stdout, sys.stderr)
    for number, target in enumerate((source, output, output)):
        os.dup2(target, number)
    sys.stdin, sys.stdout, sys.stderr = _text(0), _text(1), _text(2)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdin, sys.stdout, sys.stderr = streams
        for number, target in enumerate(kept):
            os.dup2(target, number)
            os.close(target)
        os.close(source)


def _text(number: int) -> IO[Any]:
    """The text stream of a descriptor, as a new Python has it."""
    if number == 0:
        return open(0, errors="replace", closefd=False)
    return open(number, "w", buffering=1, closefd=False)


@contextmanager
def _surroundings(folder: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Let this process have another environment, folder, Python and handlers of signals."""
    kept = dict(os.environ)
    here = Path.cwd()
    mask = os.umask(0o022)
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    python, sys.executable = sys.executable, str(folder / ".venv/ops/bin/python")
    temporary, tempfile.tempdir = tempfile.tempdir, None
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(kept)
        tempfile.tempdir = temporary
        sys.executable = python
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.umask(mask)


class _FastTime(ModuleType):
    """The module time, whose sleep takes a part of the seconds that its clock then shows."""

    def __init__(self) -> None:
        super().__init__("time")
        self.__dict__.update(time.__dict__)
        self._slept = 0.0
        self.__dict__.update(sleep=self._sleep, monotonic=self._monotonic)

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds / _FASTER)
        self._slept += seconds

    def _monotonic(self) -> float:
        return time.monotonic() + self._slept


@contextmanager
def _modules_of(folder: Path) -> Iterator[None]:
    """Import ops from this folder, and forget it afterwards."""

    def take() -> dict[str, Any]:
        names = [name for name in sys.modules if name.partition(".")[0] == "ops"]
        return {name: sys.modules.pop(name) for name in names}

    kept, writes = take(), sys.dont_write_bytecode
    # A module that a test has just changed must not be taken for the one before.
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    sys.modules["time"] = _FastTime()
    try:
        yield
    finally:
        sys.modules["time"] = time
        take()
        sys.modules.update(kept)
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = writes
