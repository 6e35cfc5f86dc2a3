"""Load the network, then serve the page: `python serve.py`, with the options of `streamlit run`.

So the first visitor does not wait for PyTorch, and an app whose weights cannot be loaded
does not start at all.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from streamlit.web import cli

from digits import prediction_log, recogniser  # noqa: F401 - the log, before the freeze

if __name__ == "__main__":
    recogniser.load()
    # Streamlit collects garbage after every run of the page, and each time it would look
    # through all of PyTorch's objects: nine tenths of the answer's time. Nothing
    # loaded so far ever becomes garbage, so it need not be looked at.
    gc.collect()
    gc.freeze()
    page = Path(__file__).with_name("streamlit_app.py")
    sys.argv = ["streamlit", "run", str(page), *sys.argv[1:]]
    sys.exit(cli.main())
