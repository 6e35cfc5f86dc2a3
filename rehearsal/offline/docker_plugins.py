"""`docker compose` (v2) and `docker buildx` where the distribution has neither: Debian 12.

The plugins are single static programs, so those of Debian 13's packages serve; apt fetches and
verifies them, in an apt of its own beside the machine's.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from ops import say
from ops.errors import Failed
from ops.programs import need, output_of
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


def install() -> None:
    """See to it that both are there. Raises Failed."""
    need("docker")
    missing = [name for name in ("compose", "buildx") if not _version(name)]
    if not missing:
        say.line("images: docker compose and docker buildx are there")
        return
    say.line(f"images: fetching Debian 13's docker plugins: {' '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        for name, package in zip(missing, _packages(Path(folder), missing), strict=True):
            _install(name, package, Path(folder))


def _version(plugin: str) -> str | None:
    """The first line of what a plugin says of itself; None if it does not run."""
    said = output_of("docker", plugin, "version")
    return said.splitlines()[0] if said else None


def _packages(folder: Path, plugins: list[str]) -> list[Path]:
    """The Debian packages of these plugins, fetched."""
    for name in ("lists/partial", "cache/archives/partial", "none", "debs"):
        (folder / name).mkdir(parents=True)
    sources = [
        line.replace("deb ", f"deb [signed-by={_KEYRING}] ", 1) for line in debian_sources("trixie")
    ]
    (folder / "sources.list").write_text("\n".join(sources) + "\n")
    settings = "".join(f"{line}\n" for line in apt_settings())
    (folder / "apt.conf").write_text(settings + _APT.format(folder=folder))
    ours = {"APT_CONFIG": str(folder / "apt.conf")}
    output("apt-get", "update", "-qq", env=ours)
    packages: list[Path] = []
    for name in plugins:
        download = f"cd {folder / 'debs'} && apt-get download -qq docker-{name}"
        output("sh", "-c", download, env=ours)
        packages += (folder / "debs").glob(f"docker-{name}_*.deb")
    return packages


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
    say.line(f"images: docker {plugin}: {version} in {place.parent}")
