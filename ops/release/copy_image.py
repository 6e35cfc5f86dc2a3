"""An image that one of several droplets has goes to another one, by way of this machine.

For a rollback: a droplet that was made anew never had the versions before.
"""

from __future__ import annotations

import shlex
import tempfile

from ops.console import terminal
from ops.console.errors import SaidAlready
from ops.deployment.fleet import Member

_IS_THERE = "docker image inspect {} >/dev/null 2>&1 && echo there || echo lacking"


def image(key: str, there: Member, lacking: Member) -> None:
    """Let `lacking` have the image with this id, which is `there`. Raises Failed."""
    quoted = shlex.quote(key)
    if lacking.droplet.must(_IS_THERE.format(quoted)).strip() != "lacking":
        return
    terminal.line(
        f"{lacking.name} never had that version: bringing it from {there.name}, which takes some "
        "minutes over a slow line."
    )
    with tempfile.TemporaryFile() as packed:
        sent = there.droplet.run(f"docker save {quoted} | gzip --fast", stdout=packed)
        packed.seek(0)
        if sent.status != 0:
            raise SaidAlready
        lacking.droplet.show("gunzip | docker load", stdin=packed)
