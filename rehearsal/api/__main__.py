"""Runs the stand-in: see python -m rehearsal.api --help."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from waitress.server import create_server

from rehearsal.droplet.driver import DockerDriver
from rehearsal.engines.driver import DockerEngines

from .clock import LOG
from .cloud import Cloud
from .server import make_app
from .store import Store

if TYPE_CHECKING:
    from types import FrameType


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal.api",
        description="A local stand-in for the DigitalOcean API. It costs nothing, needs no "
        "account, and reaches nothing outside this machine.",
    )
    parser.add_argument(
        "--state-dir", type=Path, required=True, help="where it keeps its state and its journal"
    )
    parser.add_argument("--host", default="127.0.0.1", help="loopback address to listen at")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument(
        "--token-file", type=Path, required=True, help="file with the token that clients must send"
    )
    return parser.parse_args()


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(1)


def _token(file: Path) -> str:
    try:
        token = file.read_text().strip()
    except OSError as error:
        _fail(f"The token cannot be read: {error}. Give a file that holds one, as --token-file.")
    if not token:
        _fail(f"{file} is empty, so no client could log in. Put any word into it.")
    return token


def main() -> None:
    """Serve until told to stop."""
    arguments = _arguments()
    if not (arguments.host == "localhost" or arguments.host.startswith("127.")):
        _fail(
            f"{arguments.host} is not a loopback address. Whoever reaches this server can start "
            "machines here, so it listens only to this one: leave --host out."
        )
    token = _token(arguments.token_file)
    arguments.state_dir.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    LOG.setLevel(logging.INFO)

    store = Store(arguments.state_dir / "state.json")
    cloud = Cloud(store, DockerDriver(hub=True), DockerEngines())
    app = make_app(cloud, token, arguments.state_dir / "requests.jsonl")
    try:
        server = create_server(
            app, host=arguments.host, port=arguments.port, threads=8, ident="rehearsal"
        )
    except OSError as error:
        _fail(
            f"Port {arguments.port} cannot be used: {error.strerror}. Something else listens "
            "there; give another --port, or 0 for any free one."
        )

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    port: int = server.effective_port  # type: ignore[union-attr]
    print(
        f"Local stand-in for DigitalOcean, ready: http://{arguments.host}:{port}",
        flush=True,
    )
    try:
        server.run()  # returns on SystemExit
    finally:
        server.close()
        cloud.close()
        print("Local stand-in for DigitalOcean, stopped.", flush=True)


if __name__ == "__main__":
    main()
