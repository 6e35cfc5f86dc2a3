"""How this machine reaches its packages, so that a stand-in reaches them in the same way."""

from __future__ import annotations

import json
import platform
import re
import shutil
from pathlib import Path

from ops.console.errors import Failed
from rehearsal.commands import output

# What another apt on this machine needs: proxies, the dates of a frozen mirror.
_APT_SETTINGS = re.compile(r"Acquire::(https?::Proxy|Check-Valid-Until|Check-Date|ForceIPv4)")
_CERTIFICATES = Path("/usr/local/share/ca-certificates")


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


def debian_sources(suite: str) -> list[str]:
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


def apt_settings() -> list[str]:
    """The lines of apt's configuration that another apt on this machine needs, too."""
    return [line for line in output("apt-config", "dump").splitlines() if _APT_SETTINGS.match(line)]


def certificates() -> list[Path]:
    """The CA certificates that were added to this machine by hand."""
    return sorted(_CERTIFICATES.rglob("*.crt"))


def docker_gateway() -> str:
    """The address at which containers on Docker's default bridge find this machine."""
    [bridge] = json.loads(output("docker", "network", "inspect", "bridge"))
    config = bridge["IPAM"]["Config"][0]
    # Docker leaves it out where nobody chose one; it is the first of the subnet then.
    first = config["Subnet"].rpartition(".")[0] + ".1"
    return str(config.get("Gateway") or first)
