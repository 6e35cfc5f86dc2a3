"""Load the network, then serve the page: `python serve.py --address 0.0.0.0 --port 8501`.

So the first visitor does not wait for PyTorch, and an app whose weights cannot be loaded
does not start at all.
"""

from __future__ import annotations

import argparse
import gc
import sys
from pathlib import Path

import streamlit as st
import uvicorn
from starlette.middleware import Middleware

from digits import recogniser
from gate import MESSAGE_BYTES, Gate, Socket


def main() -> None:
    """Serve until a signal ends the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8501)
    options = parser.parse_args()

    # At every run of the page Streamlit looks, with pandas, for tables in what the canvas is given.
    # There are none, and no pandas: let it know without a search of the disk.
    sys.modules["pandas"] = None  # type: ignore[assignment]

    recogniser.load()
    # Take what is loaded by now, mostly PyTorch, out of the garbage collector's sight: none of it
    # is ever garbage. A full collection is then short, and comes sooner, since Python puts it off
    # until the new objects are a quarter of all that it looks at.
    gc.freeze()
    page = Path(__file__).with_name("streamlit_app.py")
    print(f"Serving the page at {options.address}, port {options.port}.", flush=True)
    uvicorn.run(
        st.App(page, middleware=[Middleware(Gate)]),
        host=options.address,
        port=options.port,
        ws=Socket,
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,  # a small compressed message could unpack to a huge one
        log_level="warning",  # "info" would write a line for every visit
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
