"""make run: the app on this machine, without Docker, until Ctrl-C.

Runs in the app's own environment, not in that of the other verbs: scripts/in app -m ops run.
"""

from __future__ import annotations

import http
import http.client
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing, suppress
from types import FrameType

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import ROOT, Settings
from ops.console.wait import until_fine
from ops.database import embedded

READY_SECONDS = 120  # a slow machine's first start has everything to compile
ENDS_IT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stop(Exception):
    """Ctrl-C, or a polite kill."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stop


def run(settings: Settings, _arguments: list[str]) -> None:
    """Start the database and the page, say when they are ready, and stop both. Raises Failed."""
    for number in ENDS_IT:
        signal.signal(number, _stop)
    page = None
    try:
        port = _free_port(settings.local.port)
        page = _start_page(port, embedded.url(settings.local))
        _wait_until_ready(page, port)
        terminal.line(f"Draw a digit at  http://localhost:{port}   (Ctrl-C stops it)")
        page.wait()
        raise _why_it_ended("stopped by itself", page.returncode)
    except Stop:
        terminal.line("\nStopping.")
    finally:
        # From here on nothing may interrupt; the database stops at interpreter exit.
        for number in ENDS_IT:
            signal.signal(number, signal.SIG_IGN)
        if page is not None:
            _end(page)


def _free_port(given: str) -> int:
    """The port as a number, once it is certain that nothing else listens there."""
    if not given.isascii() or not given.isdigit() or not 0 < int(given) < 65536:
        raise Failed(f"PORT={given} is not a port.", "Set it to a number from 1 to 65535.")
    with socket.socket() as probe:
        # As servers do: connections closed a moment ago do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(given)))
        except PermissionError:
            raise Failed(
                f"Port {given} is for the administrator only.", "Choose another: PORT=8502"
            ) from None
        except OSError:
            raise Failed(
                f"Port {given} is taken by another program (an earlier `make run`?).",
                "Stop that one, or choose another port:  PORT=8502 make run",
            ) from None
    return int(given)


def _start_page(port: int, database_url: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "serve.py", "--address", "127.0.0.1", "--port", str(port)],
        cwd=ROOT / "app",
        env=os.environ | {"DATABASE_URL": database_url},
        stdout=sys.stderr,  # its log; what is printed here is when it is ready
        start_new_session=True,  # Ctrl-C is for this process, which then stops both
    )


def _wait_until_ready(page: subprocess.Popen[bytes], port: int) -> None:
    def is_starting() -> bool:
        if page.poll() is not None:
            raise _why_it_ended("did not start", page.returncode)
        return not _is_healthy(port)

    if until_fine(is_starting, READY_SECONDS, "Starting the page", 0.1):
        raise Failed(
            f"The page did not answer within {READY_SECONDS} seconds; its messages are above.",
            "If the machine was only busy, run the same command again.",
        )


def _is_healthy(port: int) -> bool:
    """Whether the page answers, asked without a proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    return False


def _why_it_ended(what: str, status: int) -> Failed:
    """What the page's exit status means. A process that a signal ends prints nothing itself."""
    if status >= 0:
        return Failed(
            f"The page {what} (exit status {status}); its message is above.",
            "Fix it, then run the same command again.",
        )
    name = signal.Signals(-status).name
    if name == "SIGKILL":
        return Failed(
            f"The page {what}: it was killed (SIGKILL), mostly because the memory is full.",
            "It needs 600 MB. See how much is free:  free -m",
        )
    if name == "SIGILL":
        return Failed(
            f"The page {what}: this processor lacks an instruction that PyTorch uses (SIGILL).",
            "Run it on a newer machine, or deploy it:  make deploy",
        )
    return Failed(
        f"The page {what}: the signal {name} ended it, which is a fault in one of its libraries.",
        "Make their environment again:  rm -r .venv/app",
    )


def _end(page: subprocess.Popen[bytes]) -> None:
    if page.poll() is None:
        page.terminate()
        try:
            page.wait(timeout=10)
        except subprocess.TimeoutExpired:
            page.kill()
            page.wait()
