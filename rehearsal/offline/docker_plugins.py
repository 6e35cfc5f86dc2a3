"""`docker compose` (v2) and `docker buildx` where the distribution has neither: Debian 12.

The plugins are single static programs, so those of Debian 13's packages serve; apt fetches and
verifies them, in an apt of its own beside the machine's.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import need, output_of
from rehearsal.commands import output

from .debian_13 import packages


def install() -> None:
    """See to it that both are there. Raises Failed."""
    need("docker")
    missing = [name for name in ("compose", "buildx") if not _version(name)]
    if not missing:
        terminal.line("images: docker compose and docker buildx are there")
        return
    terminal.line(f"images: fetching Debian 13's docker plugins: {' '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        fetched = packages(Path(folder), [f"docker-{name}" for name in missing])
        for name, package in zip(missing, fetched, strict=True):
            _install(name, package, Path(folder))


def _version(plugin: str) -> str | None:
    """The first line of what a plugin says of itself; None if it does not run."""
    printed = output_of("docker", plugin, "version")
    return printed.splitlines()[0] if printed else None


def _install(plugin: str, package: Path, folder: Path) -> None:
    output("dpkg-deb", "--extract", package, folder / plugin)
    program = folder / plugin / f"usr/libexec/docker/cli-plugins/docker-{plugin}"
    there = Path("/usr/local/lib/docker")
    if os.geteuid() != 0:
        there = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    place = there / "cli-plugins" / program.name
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(program, place)
    place.chmod(0o755)
    version = _version(plugin)
    if not version:
        raise Failed(
            f"docker {plugin} still does not run: {place} is there, but docker does not take it.",
            f"See what it says: docker {plugin} version",
        )
    terminal.line(f"images: docker {plugin}: {version} in {place.parent}")
