"""python -m rehearsal.spaces ADDRESS STATE: serve until told to stop.

Buckets and what is in them are in this process's memory, and go with the rehearsal.
"""

from __future__ import annotations

import sys
from pathlib import Path

from waitress.server import create_server

from .server import ObjectStore


def main(address: str, state: str) -> None:
    """Serve at this address, on a free port. STATE is the file that the API keeps its keys in."""
    app = ObjectStore(Path(state))
    server = create_server(app, host=address, port=0, threads=4, ident="rehearsal")
    port: int = server.effective_port  # type: ignore[union-attr]
    print(f"Stand-in for Spaces, ready: http://{address}:{port}", flush=True)
    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
