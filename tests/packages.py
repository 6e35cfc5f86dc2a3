"""A package index of the tests' own, as it was on one day and as it is on the next."""

from __future__ import annotations

import http.server
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path


def wheel(day: Path, name: str, version: str, *needs: str) -> None:
    """Put a package of one empty module on the index of a day."""
    folder = day / name
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    required = "".join(f"Requires-Dist: {what}\n" for what in needs)
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", "")
        file.writestr(f"{info}/METADATA", about)
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; a folder's listing is what an index of packages is."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """A package index on this machine; its address."""
    handler = partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer((host, 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def two_days(folder: Path) -> None:
    """Make the indexes "one" and "two", and "cpu", which has torch's build without CUDA."""
    for day in ("one", "two"):
        wheel(folder / day, "asked", "1.0", "needed>=1")
        wheel(folder / day, "needed", "1.0")
        wheel(folder / day, "torch", "1.0", "nvidia-thing==1.0")
        wheel(folder / day, "nvidia_thing", "1.0")
        (folder / day / "nvidia-thing").symlink_to("nvidia_thing")
    wheel(folder / "one", "streamlit", "1.0", "pandas>=1", "pyarrow")
    wheel(folder / "two", "needed", "1.1")
    wheel(folder / "cpu", "torch", "1.0+cpu")
