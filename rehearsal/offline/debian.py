"""Debian's base images, made with mmdebstrap; and how this machine reaches Debian's packages.

A stand-in reaches them in the same way.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import tempfile
from pathlib import Path

from ops.console.errors import Failed
from rehearsal.commands import need_packages, output

# The host's own keyring knows the key of the next release from the last point release of the
# one before; older ones need an update.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_APT_SETTINGS = re.compile(r"Acquire::(https?::Proxy|Check-Valid-Until|Check-Date|ForceIPv4)")
_CERTIFICATES = Path("/usr/local/share/ca-certificates")
# As in Docker Hub's slim images: nothing that is only recommended, and no documentation.
_SLIM = (
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false"',
    '--aptopt=APT::Install-Recommends "false"',
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-include=/usr/share/locale/locale.alias",
)
_IMAGE = (
    'CMD ["bash"]',
    "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV LANG=C.UTF-8",
)


def make(suite: str, image: str, labels: dict[str, str]) -> None:
    """Make an image of a Debian release. Raises Failed."""
    # Without root, mmdebstrap asks newuidmap for a range of user ids.
    need_packages({"mmdebstrap": "mmdebstrap"} | ({"newuidmap": "uidmap"} if os.geteuid() else {}))
    if not KEYRING.exists():
        raise Failed(
            "The Debian archive keyring is missing, so packages could not be verified.",
            "Install it: sudo apt-get install debian-archive-keyring",
        )
    with tempfile.TemporaryDirectory() as folder:
        sources, settings = apt_files(Path(folder), suite)
        rootfs = Path(folder, "rootfs.tar")
        output(
            "mmdebstrap", "--quiet", "--variant=minbase", f"--keyring={KEYRING}",
            "--include=ca-certificates", f"--aptopt={settings}", *_SLIM, *_hooks(settings),
            suite, rootfs, sources,
        )  # fmt: skip
        changes = [*_IMAGE, *(f'LABEL {name}="{value}"' for name, value in labels.items())]
        output("docker", "import", *(w for c in changes for w in ("--change", c)), rootfs, image)


def _hooks(settings: Path) -> list[str]:
    """What mmdebstrap does before it packs: apt works in the image as it does on this machine."""
    local = "/usr/local/share/ca-certificates"
    # "$1" is the new system's root, for mmdebstrap's shell.
    steps = [f'mkdir -p "$1{local}"', f"upload {settings} /etc/apt/apt.conf.d/90this-machine"]
    steps += [f"upload {shlex.quote(str(file))} {local}/{file.name}" for file in certificates()]
    steps.append('chroot "$1" update-ca-certificates >/dev/null')
    return [f"--customize-hook={step}" for step in steps]


def _apt_site(suite: str) -> str:
    """The address that this machine's apt uses for the first suite that fits; "" if none does.

    apt itself reads its sources, so that the one-line and the deb822 format are one to us.
    """
    listed = output(
        "apt-get", "indextargets", "Created-By: Packages",
        "--format", "$(SITE) $(RELEASE) $(COMPONENT)",
    )  # fmt: skip
    for site, release, component in map(str.split, listed.splitlines()):
        if component != "main" or not re.search(suite, release):
            continue
        if site.startswith("mirror+file:"):  # a cloud image's list of mirrors: the first of them
            mirrors = Path(site.removeprefix("mirror+file:")).read_text().splitlines()
            used = [line.split()[0] for line in mirrors if line.strip() and line[0] != "#"]
            return used[0].rstrip("/")
        return site.rstrip("/")
    return ""


def apt_files(folder: Path, suite: str, more: str = "") -> tuple[Path, Path]:
    """The sources and settings with which another apt on this machine reaches a Debian release."""
    sources, settings = folder / "sources.list", folder / "apt.conf"
    sources.write_text("".join(f"{line}\n" for line in _sources(suite)))
    # Proxies, and what the dates of a frozen mirror need.
    own = filter(_APT_SETTINGS.match, output("apt-config", "dump").splitlines())
    settings.write_text("".join(f"{line}\n" for line in own) + more)
    return sources, settings


def _sources(suite: str) -> list[str]:
    """One-line apt sources for a Debian release, on the mirrors that this machine uses.

    Raises Failed where there is no Debian mirror to be found.
    """
    system = platform.freedesktop_os_release()
    own = system.get("VERSION_CODENAME", "none") if system["ID"] == "debian" else "none"
    main = _apt_site(f"^({own}|stable)$") if shutil.which("apt-get") else ""
    if not main:
        raise Failed(
            "This machine's apt names no Debian mirror, if there is an apt at all.",
            "Stand-ins for images are made from Debian packages, so they need a Debian machine.",
            "Make Docker Hub reachable, so that real ones are pulled (try: docker pull debian).",
        )
    sources = [f"deb {main} {suite} main", f"deb {main} {suite}-updates main"]
    if security := _apt_site("-security$"):
        sources.append(f"deb {security} {suite}-security main")
    return sources


def certificates() -> list[Path]:
    """The CA certificates that were added to this machine by hand."""
    return sorted(_CERTIFICATES.rglob("*.crt"))
