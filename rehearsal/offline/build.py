"""What a build of the app's image needs on a machine that cannot reach the registries.

The base images, and, where PyTorch's index does not answer, a pip.conf that leads a pip in a
container to where this machine's pip finds torch.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.console import terminal
from ops.console.programs import output_of
from ops.console.settings import Settings
from ops.release.docker import need_engine
from ops.release.registry import IMAGE as REGISTRY

from . import base_images, pip_conf, wheel_server
from .base_images import BaseImages
from .reachable import torch_index_answers


@dataclass(frozen=True)
class Place:
    """Where what is prepared is kept: a folder, and a name and a label for the wheel server."""

    folder: Path
    server: str
    label: str


# The wheel servers of commands that run without a rehearsal.
_LABEL = "digits.offline=wheels"


def pip_settings(place: Place) -> dict[str, str]:
    """The setting that names the pip.conf; none where PyTorch's index answers. Raises Failed."""
    file = place.folder / "pip.conf"
    if torch_index_answers(Settings.read().build.torch_index):
        file.unlink(missing_ok=True)
        return {}
    terminal.line(
        "PyTorch's index does not answer; torch comes from where this machine's pip has it."
    )
    folders = pip_conf.wheel_folders()
    wheels = ""
    if folders:
        wheels = wheel_server.start(place.server, place.label, base_images.python(), folders)
    place.folder.mkdir(parents=True, exist_ok=True)
    file.write_text(pip_conf.for_containers(wheels))
    return {"PIP_CONF": str(file)}


@contextmanager
def prepared() -> Iterator[dict[str, str]]:
    """Everything for `make up` and a build, and its settings, until the block ends.

    Raises Failed.
    """
    need_engine()
    _end_those_left_over()
    images = BaseImages()
    for image in (base_images.python(), base_images.postgres(), REGISTRY):
        images.provide(image)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), f"digits-offline-wheels-{os.getpid()}", _LABEL)
        try:
            yield pip_settings(place)
        finally:
            wheel_server.stop(place.server)


def _end_those_left_over() -> None:
    """Wheel servers of programs that were killed."""
    listed = ("docker", "ps", "--all", "--filter", f"label={_LABEL}", "--format", "{{.Names}}")
    for name in (output_of(*listed) or "").split():
        pid = name.rpartition("-")[2]
        if not Path("/proc", pid).exists():
            wheel_server.stop(name)
