"""Programs of Debian 13 on an older Debian, by an apt beside the machine's own.

`docker compose` (v2) and `docker buildx`, of which Debian 12 has neither; and restic, for the
tests. They are single programs that run anywhere.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import need, output_of
from rehearsal.commands import output

from .debian import KEYRING, apt_files

# Only Debian 13, nothing installed, nothing of the machine's own lists touched.
_APT = """\
Dir::State::lists "{folder}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "{folder}/none";
Dir::Etc::trusted "{keyring}";
Dir::Etc::trustedparts "{folder}/none";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
APT::Sandbox::User "root";
"""
# Where the machine is no Debian: with Debian's own apt, in its image.
_IMAGE = "debian:trixie-slim"
_INSTALL = "apt-get -qq update && apt-get -qq install --no-install-recommends restic >/dev/null"


def restic(to: Path) -> None:
    """Fetch the restic that droplets have, as this file. Raises Failed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if platform.freedesktop_os_release()["ID"] == "debian":
            _unpack(folder, "restic")
        else:
            install = f"{_INSTALL} && cp --parents /usr/bin/restic /to"
            mount = f"{folder}:/to"
            output("docker", "run", "--rm", "--volume", mount, _IMAGE, "sh", "-c", install)
        shutil.copy(folder / "usr/bin/restic", to)
    terminal.line(f"restic: Debian 13's, in {to}")


def docker_plugins() -> None:
    """See to it that both are there. Raises Failed."""
    need("docker")
    missing = [name for name in ("compose", "buildx") if not output_of("docker", name, "version")]
    if not missing:
        terminal.line("images: docker compose and docker buildx are there")
        return
    terminal.line(f"images: fetching Debian 13's docker plugins: {' '.join(missing)}")
    home = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    place = (Path("/usr/local/lib/docker") if os.geteuid() == 0 else home) / "cli-plugins"
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _unpack(folder, *(f"docker-{plugin}" for plugin in missing))
        for plugin in missing:
            shutil.copy(folder / f"usr/libexec/docker/cli-plugins/docker-{plugin}", place)
            if not output_of("docker", plugin, "version"):
                raise Failed(
                    f"docker {plugin} still does not run: it is in {place}, but docker does not "
                    "take it.",
                    f"See what it says: docker {plugin} version",
                )
            terminal.line(f"images: docker {plugin} is in {place}")


def _unpack(folder: Path, *packages: str) -> None:
    """Fetch and verify these packages, and unpack them into this folder. Raises Failed."""
    for part in ("lists/partial", "cache/archives/partial", "none", "debs"):
        (folder / part).mkdir(parents=True)
    _, settings = apt_files(folder, "trixie", _APT.format(folder=folder, keyring=KEYRING))
    ours = {"APT_CONFIG": str(settings)}
    output("apt-get", "update", "-qq", env=ours)
    download = f"cd {folder / 'debs'} && apt-get download -qq {' '.join(packages)}"
    output("sh", "-c", download, env=ours)
    for file in (folder / "debs").iterdir():
        output("dpkg-deb", "--extract", file, folder)
