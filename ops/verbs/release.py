"""make release: build the image and put it into service, without a dropped request.

Of several droplets one after the other (ops/deployment/fleet.py).

The order of events on the droplet is that of `digits release` (infra/droplet/release.py); here is
what happens before.
"""

from __future__ import annotations

import os
import shlex

from ops.backup import local_backup
from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import output_of, who_releases
from ops.console.settings import Settings
from ops.deployment import fleet
from ops.deployment.fleet import Member
from ops.provision import ansible
from ops.release import docker, registry
from ops.release.docker import Build
from ops.ssh import digits_command
from ops.ssh.connection import Droplet

# Whether the droplet has the image, and what it calls it. Docker may keep images in another way
# here than there: then their id here is the digest there. If the droplet lacks the image, the port
# that it comes through must be free.
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


def run(settings: Settings, _arguments: list[str]) -> None:
    """Bring the server up to date if it is not, build, and release. Raises Failed."""
    if not settings.image:
        docker.need_engine()
        docker.need_buildx()
    there = fleet.need_all(settings, fleet.members(settings))
    fleet.note_strangers(settings)
    for one in there:
        set_up_what_changed(settings, one.droplet)
    if settings.image:
        fleet.one_by_one(
            settings, there, lambda one: _put_into_service(settings, one.droplet, one is there[0])
        )
    else:
        terminal.phase("Docker: build the image")
        registry.forget_names()
        _release_what_is_here(settings, there)
    local_backup.bring_newest(settings, there[0].droplet)


def set_up_what_changed(settings: Settings, droplet: Droplet) -> None:
    """Let Ansible bring the server up to date, if it is not. Raises Failed."""
    # A droplet that does not let us in is no droplet that lacks the files.
    there = droplet.must("cat /opt/digits/fingerprint 2>/dev/null || echo none").strip()
    if there == ansible.fingerprint():
        return
    terminal.phase("Ansible: the server, which is not as infra/ansible says")
    ansible.play(
        settings,
        "The server is not as infra/ansible says; what Ansible could not do is above. Nothing "
        "was released.",
        "Mend it, then run the same command again.",
        keep=True,
    )


def _release_what_is_here(settings: Settings, there: list[Member]) -> None:
    # Named for this release alone as long as it runs; digits:dev until the next build.
    own = f"digits:release-{os.getpid()}"
    # For the droplet's kind of machine, whatever this one is: linux/amd64.
    asked = "docker version --format '{{.Server.Os}}/{{.Server.Arch}}'"
    platform = there[0].droplet.must(asked).strip()
    try:
        key = docker.build(settings, Build((own, "digits:dev"), platform))
        fleet.one_by_one(
            settings,
            there,
            lambda one: _hand_over(settings, one.droplet, own, key, one is there[0]),
        )
    finally:
        output_of("docker", "image", "rm", own)


def _hand_over(settings: Settings, droplet: Droplet, own: str, key: str, is_first: bool) -> None:
    """Let a droplet have the image that is `own` here, through its own connection, and serve it.

    By digest: the same image has the same name, and no other image can be in its place.
    """
    if image := _on_the_droplet(settings, droplet, key):
        # What the droplet has cannot be pulled, and need not be.
        terminal.line("The droplet has the image already.")
        _put_into_service(settings.but(image=image, no_pull="yes"), droplet, is_first)
        return
    with registry.registry() as here:
        tunnel = f"127.0.0.1:{settings.registry_port}"
        settings = settings.but(image=f"{tunnel}/{here.offer(own, key)}")
        more = ["-o", "ExitOnForwardFailure=yes", "-R", f"{tunnel}:{here.address}"]
        _put_into_service(settings, droplet, is_first, more, (here.held_open_by,))


def _on_the_droplet(settings: Settings, droplet: Droplet, key: str) -> str:
    """What the droplet calls the image with this id; "" if it would pull it from here.

    Raises Failed if it could not.
    """
    script = _IS_IT_THERE.format(port=settings.registry_port, key=shlex.quote(key))
    found, _, rest = droplet.must(script).strip().partition(" ")
    if found == "taken":
        if running := digits_command.ask(droplet, "releases").get("running"):
            raise Failed(
                f"{running} is running.",
                f"Wait until it is done ({settings.verb('releases')} shows it), then run this one "
                "again.",
            )
        raise Failed(
            f"Port {settings.registry_port} of the droplet, which it would pull the image "
            "through, is taken.",
            "A connection that was cut off keeps it for some minutes. If it stays: "
            f"{settings.verb('release REGISTRY_PORT=5051')}",
        )
    return rest if found == "there" else ""


def _put_into_service(
    settings: Settings,
    droplet: Droplet,
    is_first: bool,
    more: list[str] | None = None,
    keep_open: tuple[int, ...] = (),
) -> None:
    """Let the droplet release it, and show what it prints."""
    terminal.phase(f"Release {settings.image}")
    here = output_of("git", "describe", "--always", "--dirty")
    commit = settings.commit or here or "unknown"
    given = {
        "HEALTHY_WITHIN": settings.healthy_within,
        "NO_PULL": settings.no_pull,
        "REGISTRY_USER": settings.registry_user,
        "WAIT": settings.wait,
        "PUSHED_AT": settings.pushed_at,
        # Several have one database, and one dump of it will do.
        "BACKED_UP": "" if is_first else "yes",
    }
    words = ["release", settings.image, commit, who_releases(settings.released_by)]
    try:
        answer = droplet.run(
            digits_command.line(*words, settings=given),
            # Over stdin: what is in a command line is there for everybody to read.
            stdin=f"{settings.registry_password}\n".encode(),
            more=more,
            keep_open=keep_open,
        )
    except KeyboardInterrupt:
        # ssh has ended, too; the droplet notices.
        terminal.note(
            "Interrupted: the droplet takes back what it had begun. See what serves: "
            f"{settings.verb('status')}"
        )
        raise
    digits_command.check(droplet, answer)
