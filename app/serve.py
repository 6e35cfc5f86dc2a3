"""Load the network, then serve the page: `python serve.py --address 0.0.0.0 --port 8501`.

So the first visitor does not wait for PyTorch, and an app whose weights cannot be loaded
does not start at all.
"""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

import streamlit as st
import uvicorn
from starlette.middleware import Middleware

from digits import recogniser
from gate import MESSAGE_BYTES, Gate, Socket


def main() -> None:
    """Serve until the process is told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8501)
    options = parser.parse_args()

    recogniser.load()
    # PyTorch's objects stay for good. Python puts off a full collection until what is new
    # outgrows a quarter of what is old; without these it comes early, and costs little.
    gc.freeze()
    page = Path(__file__).with_name("streamlit_app.py")
    print(f"Serving the page at {options.address}, port {options.port}.", flush=True)
    uvicorn.run(
        st.App(page, middleware=[Middleware(Gate)]),
        host=options.address,
        port=options.port,
        ws=Socket,
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,  # a small message could be a huge one, compressed
        log_level="warning",  # below it, every visit is a line
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
