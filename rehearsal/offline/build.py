"""What a build of the app's image needs on a machine that cannot reach the registries.

The base images, and, where PyTorch's index does not answer, a pip.conf that leads a pip in a
container to where this machine's pip finds torch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.console import terminal
from ops.console.settings import Settings
from ops.release.docker import need_engine
from ops.release.registry import IMAGE as REGISTRY

from . import base_images, pip_conf
from .base_images import BaseImages
from .reachable import page


def pip_settings(folder: Path) -> dict[str, str]:
    """The setting that names the pip.conf, which is in this folder and holds for this process.

    There is none where PyTorch's index answers. Raises Failed.
    """
    file = folder / "pip.conf"
    if page(f"{Settings.read().build.torch_index}/torch/"):
        file.unlink(missing_ok=True)
        return {}
    terminal.line(
        "PyTorch's index does not answer; torch comes from where this machine's pip has it."
    )
    file.write_text(pip_conf.for_containers(pip_conf.serve_wheels()))
    return {"PIP_CONF": str(file)}


@contextmanager
def prepared() -> Iterator[dict[str, str]]:
    """Everything for `make up` and a build, and its settings, until the block ends.

    Raises Failed.
    """
    need_engine()
    images = BaseImages()
    for image in (base_images.python(), base_images.postgres(), REGISTRY):
        images.provide(image)
    with tempfile.TemporaryDirectory() as folder:
        yield pip_settings(Path(folder))
