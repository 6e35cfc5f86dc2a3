"""Load the network, then serve the page: `python serve.py`, with the options of `streamlit run`.

So the first visitor does not wait for PyTorch, and an app whose weights cannot be loaded
does not start at all.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from streamlit.web import cli

from digits import recogniser

if __name__ == "__main__":
    recogniser.load()
    # PyTorch's objects stay for good. Python puts off a full collection until what is new
    # outgrows a quarter of what is old; without these it comes early, and costs little.
    gc.freeze()
    page = Path(__file__).with_name("streamlit_app.py")
    sys.argv = ["streamlit", "run", str(page), *sys.argv[1:]]
    sys.exit(cli.main())
