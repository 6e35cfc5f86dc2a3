"""python -m rehearsal.offline VERB: prepares what stands in for what cannot be reached.

images [IMAGE...]  the base images: all, or those named
provider FOLDER    Terraform's provider, into a folder
plugins            docker compose and buildx for Debian 12
restic             Debian 13's restic, for the tests: .venv/restic
with COMMAND...    a command, with what a build of the image needs

Whatever answers is used itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ops.console import terminal
from ops.console.errors import AlreadyPrinted, Failed

from . import base_images, debian_13, provider_package
from .base_images import BaseImages


def _run_with_stand_ins(command: list[str]) -> None:
    """Run it; what was started for it ends with it. Raises AlreadyPrinted if it fails."""
    with base_images.for_a_build() as settings:
        # Ctrl-C is for the command, too; its end is ours.
        done = subprocess.run(command, env=os.environ | settings, check=False)
    if done.returncode != 0:
        raise AlreadyPrinted


def _run(arguments: list[str]) -> None:
    match arguments:
        case ["images"]:
            BaseImages().provide_all()
        case ["images", *names]:
            images = BaseImages()
            for name in names:
                images.provide(name)
        case ["provider", folder]:
            provider_package.install(Path(folder))
        case ["plugins"]:
            debian_13.docker_plugins()
        case ["restic"]:
            debian_13.restic(Path(".venv/restic"))
        case ["with", *command]:
            _run_with_stand_ins(command)
        case _:
            raise Failed(str(__doc__))


if __name__ == "__main__":
    sys.exit(terminal.status_of(lambda: _run(sys.argv[1:])))
