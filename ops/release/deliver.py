"""An image into service on a droplet: built here or pulled, then released there.

The order of events on the droplet is that of `digits release` (infra/droplet/release.py).
"""

from __future__ import annotations

import os
import shlex

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.programs import output_of, who_releases
from ops.console.settings import BuildSettings, ReleaseSettings
from ops.deployment import fleet
from ops.release import docker, registry
from ops.release.image import Image, commit_here
from ops.ssh import digits_command
from ops.ssh.connection import Host

# Whether the droplet has the image, and what it calls it. Docker may keep images in another way
# here than there: then their id here is the digest there. If the droplet lacks the image, the port
# that it is pulled through must be free.
_IS_IT_THERE = """set -eu
port={port}
format='{{{{range .RepoDigests}}}}{{{{.}}}} {{{{end}}}}{{{{.Id}}}}'
names=$(docker image inspect --format "$format" {key} 127.0.0.1:$port/digits@{key} 2>/dev/null |
  head -n 1) || true
if [ -n "$names" ]; then
  echo "there ${{names%% *}}"
elif [ -z "$(ss -Hltn "sport = :$port")" ]; then
  echo lacking
else
  echo taken
fi
"""


def release(settings: ReleaseSettings, there: list[Host], image: Image) -> None:
    """Put an image into service on each droplet. Raises Failed."""
    fleet.one_by_one(
        there,
        lambda host: _put_into_service(settings, host, image, is_first=host is there[0]),
        settings.released_by,
    )


def build_and_release(build: BuildSettings, settings: ReleaseSettings, there: list[Host]) -> None:
    """Build the image on this machine and put it into service on each. Raises Failed."""
    terminal.phase("Docker: build the image")
    registry.forget_names()
    # Named for this release alone as long as it runs; digits:dev until the next build.
    own = f"digits:release-{os.getpid()}"
    # For the droplet's kind of machine, whatever this one is: linux/amd64.
    asked = "docker version --format '{{.Server.Os}}/{{.Server.Arch}}'"
    platform = there[0].must(asked).strip()
    try:
        key = docker.build(build, (own, "digits:dev"), platform)
        fleet.one_by_one(
            there,
            lambda host: _push_and_release(settings, host, own, key, is_first=host is there[0]),
            settings.released_by,
        )
    finally:
        output_of("docker", "image", "rm", own)


def _push_and_release(
    settings: ReleaseSettings, host: Host, own: str, key: str, *, is_first: bool
) -> None:
    """Let a droplet pull the image that is `own` here, through its own connection, and release it.

    By digest: the same image has the same name, and no other image can be in its place.
    """
    if reference := _on_the_droplet(settings, host, key):
        terminal.line("The droplet has the image already.")
        image = Image(reference, settings.commit or commit_here(), is_on_the_droplet=True)
        _put_into_service(settings, host, image, is_first=is_first)
        return
    with registry.registry() as address:
        tunnel = f"127.0.0.1:{settings.registry_port}"
        offered = registry.offer(address, own, key)
        image = Image(f"{tunnel}/{offered}", settings.commit or commit_here())
        more = ["-o", "ExitOnForwardFailure=yes", "-R", f"{tunnel}:{address}"]
        _put_into_service(settings, host, image, is_first=is_first, more=more)


def _on_the_droplet(settings: ReleaseSettings, host: Host, key: str) -> str:
    """What the droplet calls the image with this id; "" if it would pull it from here.

    Raises Failed if it could not.
    """
    script = _IS_IT_THERE.format(port=settings.registry_port, key=shlex.quote(key))
    found, _, rest = host.must(script).strip().partition(" ")
    if found == "taken":
        if running := digits_command.ask(host, "releases").get("running"):
            raise Failed(
                f"{running} is running.",
                f"Wait until it is done ({make('releases')} shows it), then run this one again.",
            )
        raise Failed(
            f"Port {settings.registry_port} of the droplet, which it would pull the image "
            "through, is taken.",
            "A connection that was cut off keeps it for some minutes. If it stays: "
            f"{make('release REGISTRY_PORT=5051')}",
        )
    return rest if found == "there" else ""


def _put_into_service(
    settings: ReleaseSettings,
    host: Host,
    image: Image,
    *,
    is_first: bool,
    more: list[str] | None = None,
) -> None:
    """Let the droplet release it, and show what it prints."""
    terminal.phase(f"Release {image.reference}")
    given = {
        "HEALTHY_WITHIN": settings.healthy_within,
        "NO_PULL": "yes" if image.is_on_the_droplet else "",
        "REGISTRY_USER": settings.registry_user,
        "WAIT": settings.wait,
        "PUSHED_AT": settings.pushed_at,
        # The droplets share a database, so only the first one dumps it.
        "BACKED_UP": "" if is_first else "yes",
    }
    words = ["release", image.reference, image.commit, who_releases(settings.released_by)]
    try:
        answer = host.run(
            digits_command.line(*words, settings=given),
            # Over stdin: every user there can read command lines.
            stdin=f"{settings.registry_password}\n".encode(),
            more=more,
        )
    except KeyboardInterrupt:
        # ssh has ended, too; the droplet notices.
        terminal.note(
            f"Interrupted: the droplet undoes unfinished work. See what is live: {make('status')}"
        )
        raise
    digits_command.check(host, answer)
