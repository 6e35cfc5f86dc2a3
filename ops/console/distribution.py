"""How a missing program is installed on this machine: with its distribution's own packages."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping

_PAGES = {
    "terraform": "https://developer.hashicorp.com/terraform/install",
    "docker": "https://docs.docker.com/engine/install/",
    "compose": "https://docs.docker.com/engine/install/",  # Docker's own packages, with plugins
    "buildx": "https://docs.docker.com/engine/install/",
    "ssh": "https://www.openssh.com",
    "ssh-keygen": "https://www.openssh.com",
    "git": "https://git-scm.com/downloads",
    "npm": "https://docs.npmjs.com/downloading-and-installing-node-js-and-npm",
}
_OF_DOCKER = ("docker", "compose", "buildx")
# The package of each program, for each distribution's ID in /etc/os-release.
_DEBIAN = {
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "git": "git",
    "npm": "npm",
    "docker": "docker.io",
    "compose": "docker-compose",
    "buildx": "docker-buildx",
}
# Debian 12's docker-compose is version 1.29, which is no plugin of Docker's, and it has no buildx.
# Its docker.io would have to be removed again for Docker's own packages, so it is not named either.
_DEBIAN_12 = {name: it for name, it in _DEBIAN.items() if name not in _OF_DOCKER}
_FEDORA = _DEBIAN | {
    "ssh": "openssh-clients",
    "ssh-keygen": "openssh",
    "npm": "nodejs-npm",
    "docker": "moby-engine",
}
_RHEL = {name: it for name, it in _FEDORA.items() if name not in _OF_DOCKER}
_ARCH = _DEBIAN | {"ssh": "openssh", "ssh-keygen": "openssh", "docker": "docker"}
_ALPINE = _DEBIAN | {
    "ssh-keygen": "openssh-keygen",
    "docker": "docker",
    "compose": "docker-cli-compose",
    "buildx": "docker-cli-buildx",
}
_SUSE = _DEBIAN | {"ssh": "openssh-clients", "ssh-keygen": "openssh-common", "docker": "docker"}
_PACKAGES: dict[str, tuple[str, Mapping[str, str]]] = {
    # From 13 on, docker.io only recommends the command docker, which minimal systems then lack.
    "debian": ("sudo apt-get install", _DEBIAN | {"docker": "docker.io docker-cli"}),
    "ubuntu": ("sudo apt-get install", _DEBIAN | {"compose": "docker-compose-v2"}),
    "fedora": ("sudo dnf install", _FEDORA),
    "rhel": ("sudo dnf install", _RHEL),
    "arch": ("sudo pacman -S", _ARCH),
    "alpine": ("sudo apk add", _ALPINE),
    "suse": ("sudo zypper install", _SUSE),
}
# Where Docker itself came from Docker's own repository, its plugins come from there, too.
_DOCKERS_OWN = {"compose": "docker-compose-plugin", "buildx": "docker-buildx-plugin"}


def is_windows_linux() -> bool:
    """Whether this Linux runs in Windows (WSL)."""
    return "microsoft" in platform.uname().release.lower()


def how_to_get(*programs: str) -> str:
    """The command that installs these programs here, or the pages that explain it."""
    if sys.platform == "darwin" and {*programs} & {*_OF_DOCKER}:
        return "https://docs.docker.com/desktop/setup/install/mac-install/"
    command, packages = _here()
    if {*programs} <= {*packages}:
        return " ".join([command, *dict.fromkeys(packages[program] for program in programs)])
    return " ".join(dict.fromkeys(_PAGES[program] for program in programs))


def package(program: str) -> str:
    """The package of a program here, or, where that is not known, Debian's."""
    return _here()[1].get(program, _DEBIAN[program])


def _here() -> tuple[str, Mapping[str, str]]:
    """How this distribution installs, and its package of each program."""
    try:
        says = platform.freedesktop_os_release()
    except OSError:  # macOS
        return "", {}
    for name in (says["ID"], *says.get("ID_LIKE", "").split()):
        if name not in _PACKAGES:
            continue
        command, packages = _PACKAGES[name]
        if name == "debian" and says.get("VERSION_ID", "") in ("11", "12"):
            packages = _DEBIAN_12
        return command, {**packages, **(_DOCKERS_OWN if _is_dockers_own() else {})}
    return "", {}


def _is_dockers_own() -> bool:
    """Whether the docker here is a package of Docker's own repository."""
    for asks in (("dpkg-query", "--status"), ("rpm", "--query")):
        if shutil.which(asks[0]):
            command = [*asks, "docker-ce-cli"]
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return True
    return False
