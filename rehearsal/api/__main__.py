"""python -m rehearsal.api FOLDER TOKEN-FILE: serve until told to stop.

The folder holds the state and the journal; the file holds the token that clients must send. It
listens at a free port of this machine's own address: whoever reaches it can start machines here.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from waitress.server import create_server

from rehearsal import places
from rehearsal.droplet.containers import Containers
from rehearsal.droplet.driver import DockerDriver
from rehearsal.engines import DockerEngines

from .cloud import Cloud
from .server import make_app
from .store import LOG, Store

if TYPE_CHECKING:
    from types import FrameType


def main(folder: Path, token_file: Path) -> None:
    """Serve until told to stop."""
    folder.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    LOG.setLevel(logging.INFO)

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    containers = Containers(places.PROJECT)
    store = Store(folder / "state.json")
    cloud = Cloud(store, DockerDriver(containers), DockerEngines(containers))
    app = make_app(cloud, token_file.read_text().strip(), folder / "requests.jsonl")
    server = create_server(app, host="127.0.0.1", port=0, threads=8, ident="rehearsal")
    port: int = server.effective_port  # type: ignore[union-attr]
    print(f"Local stand-in for DigitalOcean, ready: http://127.0.0.1:{port}", flush=True)
    try:
        server.run()  # returns on SystemExit
    finally:
        server.close()
        cloud.close()
        print("Local stand-in for DigitalOcean, stopped.", flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
