"""The app, served on this machine for a test or a benchmark."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

APP = Path(__file__).resolve().parents[1] / "app"
PATIENCE = 300  # seconds


@dataclass(frozen=True)
class Served:
    """A running app: where it answers, its process, and seconds from start to healthy."""

    url: str
    pid: int
    seconds_to_healthy: float


@contextmanager
def served(
    database_url: str,
    port: int | None = None,
    log: Path | None = None,
    command: Sequence[str] = (sys.executable, "serve.py"),
) -> Iterator[Served]:
    """Serve the app, on a free port if none is given, until the block ends.

    What it prints goes to `log`, if one is given; `command` starts it another way.
    """
    if port is None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    started = time.monotonic()
    with log.open("wb") if log else nullcontext() as output:
        app = subprocess.Popen(
            [*command, "--address", "127.0.0.1", "--port", str(port)],
            cwd=APP,
            env=os.environ | {"DATABASE_URL": database_url},
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _healthy(url):
            if app.poll() is not None:
                raise RuntimeError("the app ended; what it printed is above")
            if time.monotonic() - started > PATIENCE:
                raise TimeoutError(f"the app did not get healthy in {PATIENCE} s")
            time.sleep(0.05)
        yield Served(url, app.pid, time.monotonic() - started)
    finally:
        app.terminate()
        app.wait(60)


def _healthy(url: str) -> bool:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("GET", "/_stcore/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
