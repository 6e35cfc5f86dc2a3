"""Copy an image from one droplet to another, by way of this machine.

A rollback needs it: a droplet that was recreated never had the earlier versions.
"""

from __future__ import annotations

import shlex
import tempfile

from ops.console import terminal
from ops.console.errors import AlreadyPrinted
from ops.ssh.connection import Host

_IS_THERE = "docker image inspect {} >/dev/null 2>&1 && echo there || echo lacking"


def copy_image(key: str, source: Host, target: Host) -> None:
    """Copy the image with this id to `target`, unless it is there. Raises Failed."""
    quoted = shlex.quote(key)
    if target.must(_IS_THERE.format(quoted)).strip() != "lacking":
        return
    terminal.line(
        f"{target.name} never had that version: copying it from {source.name}, which takes some "
        "minutes over a slow line."
    )
    with tempfile.TemporaryFile() as packed:
        sent = source.run(f"docker save {quoted} | gzip --fast", stdout=packed)
        packed.seek(0)
        if sent.status != 0:
            raise AlreadyPrinted
        target.show("gunzip | docker load", stdin=packed)
