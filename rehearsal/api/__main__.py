"""python -m rehearsal.api FOLDER: the rehearsal's own process, until told to stop.

The API listens at a free port of this machine's own address: whoever reaches it can start machines
here, so clients must send the token in FOLDER/token. Beside it, for the droplets, there are Spaces;
and where PyTorch's index does not answer, what a build needs in its place. All write into FOLDER
where they are, the API last.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from waitress.server import create_server

from rehearsal import places, spaces
from rehearsal.droplet.containers import HOST, Containers
from rehearsal.droplet.driver import DockerDriver
from rehearsal.engines import DockerEngines
from rehearsal.offline import pip_conf

from .cloud import Cloud
from .server import make_app
from .store import LOG, Store

if TYPE_CHECKING:
    from types import FrameType


def main(folder: Path) -> None:
    """Serve until told to stop."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    LOG.setLevel(logging.INFO)

    def stop(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    pip_conf.setting(folder)
    containers, store = Containers(places.PROJECT), Store(folder / "state.json")
    url = spaces.serve(containers.host(HOST), lambda: store.state["spaces_keys"])
    (folder / "spaces-url").write_text(f"{url}\n")
    cloud = Cloud(store, DockerDriver(containers), DockerEngines(containers))
    app = make_app(cloud, (folder / "token").read_text().strip(), folder / "requests.jsonl")
    server = create_server(app, host="127.0.0.1", port=0, threads=8, ident="rehearsal")
    port: int = server.effective_port  # type: ignore[union-attr]
    (folder / "api-url").write_text(f"http://127.0.0.1:{port}\n")
    try:
        server.run()  # returns on SystemExit
    finally:
        server.close()
        cloud.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
