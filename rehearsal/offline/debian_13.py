"""Packages of Debian 13 on any Debian: fetched and verified by an apt beside the machine's own."""

from __future__ import annotations

import platform
import shutil
import tempfile
from pathlib import Path

from ops.console import terminal
from rehearsal.commands import output

from .machine import apt_settings, debian_sources

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Only Debian 13, nothing installed, nothing of the machine's own lists touched.
_APT = """\
Dir::State::lists "{folder}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/sources.list";
Dir::Etc::sourceparts "{folder}/none";
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
            [package] = packages(folder, ["restic"])
            output("dpkg-deb", "--extract", package, folder)
        else:
            install = f"{_INSTALL} && cp --parents /usr/bin/restic /to"
            mount = f"{folder}:/to"
            output("docker", "run", "--rm", "--volume", mount, _IMAGE, "sh", "-c", install)
        shutil.copy(folder / "usr/bin/restic", to)
    terminal.line(f"restic: Debian 13's, in {to}")


def packages(folder: Path, names: list[str]) -> list[Path]:
    """Fetch these packages of Debian 13; their files. Raises Failed."""
    for part in ("lists/partial", "cache/archives/partial", "none", "debs"):
        (folder / part).mkdir(parents=True)
    sources = [
        line.replace("deb ", f"deb [signed-by={_KEYRING}] ", 1) for line in debian_sources("trixie")
    ]
    (folder / "sources.list").write_text("\n".join(sources) + "\n")
    settings = "".join(f"{line}\n" for line in apt_settings())
    (folder / "apt.conf").write_text(settings + _APT.format(folder=folder))
    ours = {"APT_CONFIG": str(folder / "apt.conf")}
    output("apt-get", "update", "-qq", env=ours)
    files: list[Path] = []
    for name in names:
        download = f"cd {folder / 'debs'} && apt-get download -qq {name}"
        output("sh", "-c", download, env=ours)
        files += (folder / "debs").glob(f"{name}_*.deb")
    return files
