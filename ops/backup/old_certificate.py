"""The certificate of a droplet that is replaced, for the next one.

Let's Encrypt gives five for the same address a week, and a droplet may be replaced more often. It
travels through this process's memory: its key is on no disk but the droplets'.
"""

from __future__ import annotations

from ops.console import terminal
from ops.ssh.connection import Host
from ops.ssh.errors import Unreachable

_PACK = (
    "[ ! -d /var/lib/digits/certificate ] ||"
    " tar --create --gzip --directory /var/lib/digits certificate | base64 --wrap 0"
)


def of(host: Host) -> str:
    """What the droplet has of it, packed; nothing if it has none, or does not answer."""
    try:
        return host.ask(_PACK).strip()
    except Unreachable as error:
        terminal.note(
            f"The certificate cannot be kept: {error.what}. The next droplet gets another."
        )
        return ""
