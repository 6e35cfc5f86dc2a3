"""python -m rehearsal.offline: prepares what stands in for what cannot be reached."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from ops.console import terminal
from ops.console.errors import AlreadyPrinted

from . import build, debian_13, provider_package
from .base_images import BaseImages


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal.offline",
        description="What stands in for Docker Hub, PyTorch's index and Terraform's registry "
        "where they do not answer. Whatever answers is used itself.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    images = verbs.add_parser("images", help="the base images: all, or those named")
    images.add_argument("names", nargs="*", metavar="IMAGE")
    provider = verbs.add_parser("provider", help="Terraform's provider, into a folder")
    provider.add_argument("folder", type=Path)
    verbs.add_parser("plugins", help="docker compose and buildx for Debian 12")
    verbs.add_parser("restic", help="Debian 13's restic, for the tests: .venv/restic")
    around = verbs.add_parser("with", help="a command, with what a build of the image needs")
    around.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    return parser.parse_args()


def _run_with_stand_ins(command: list[str]) -> None:
    """Run it; what was started for it ends with it. Raises AlreadyPrinted if it fails."""
    with build.prepared() as settings:
        # Ctrl-C is for the command, too; its end is ours.
        done = subprocess.run(command, env=os.environ | settings, check=False)
    if done.returncode != 0:
        raise AlreadyPrinted


def _run(arguments: argparse.Namespace) -> None:
    match arguments.verb:
        case "images" if arguments.names:
            images = BaseImages()
            for name in arguments.names:
                images.provide(name)
        case "images":
            BaseImages().provide_all()
        case "provider":
            provider_package.install(arguments.folder)
        case "plugins":
            debian_13.docker_plugins()
        case "restic":
            debian_13.restic(Path(".venv/restic"))
        case "with":
            _run_with_stand_ins(arguments.command)


def main() -> int:
    """Run one; the exit status."""
    arguments = _arguments()
    return terminal.status_of(lambda: _run(arguments))


if __name__ == "__main__":
    sys.exit(main())
