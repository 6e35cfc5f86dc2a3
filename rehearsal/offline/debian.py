"""Debian's base images, made from Debian packages with mmdebstrap."""

from __future__ import annotations

import shlex
import tempfile
from pathlib import Path

from ops.console.errors import Failed
from rehearsal.commands import need_packages, output

from .machine import apt_settings, certificates, debian_sources

# The host's own keyring knows the key of the next release from the last point release of the
# one before; older ones need an update.
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
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
    need_packages({"mmdebstrap": "mmdebstrap"})
    if not _KEYRING.exists():
        raise Failed(
            "The Debian archive keyring is missing, so packages could not be verified.",
            "Install it: sudo apt-get install debian-archive-keyring",
        )
    with tempfile.TemporaryDirectory() as folder:
        sources, settings = Path(folder, "sources.list"), Path(folder, "apt.conf")
        rootfs = Path(folder, "rootfs.tar")
        sources.write_text("\n".join(debian_sources(suite)) + "\n")
        settings.write_text("".join(f"{line}\n" for line in apt_settings()))
        output(
            "mmdebstrap", "--quiet", "--variant=minbase", f"--keyring={_KEYRING}",
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
