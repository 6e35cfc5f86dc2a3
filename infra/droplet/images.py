"""The app's images: get the one that is wanted, and remove those that nobody needs any more."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from droplet import history
from droplet.console import Stop
from droplet.docker import APP, Image
from droplet.history import Release
from droplet.host import Host

DISK_NEEDED = 2000  # MB


@dataclass(frozen=True)
class Source:
    """Where an image comes from: its name, whether to pull it, and the login of its registry."""

    name: str
    pull: bool = True
    user: str = ""
    password: str = ""


def is_immutable(name: str) -> bool:
    """Whether a name can only ever mean one image: a digest, or an image's id."""
    return "@sha256:" in name or name.startswith("sha256:")


def fetch(host: Host, source: Source, disk_needed: int = DISK_NEEDED) -> Image:
    """The image, pulled if it has to be. Raises Stop."""
    here = host.docker.image(source.name)
    if here and (is_immutable(source.name) or not source.pull):
        return here
    # What an earlier release could not put into service gives its room to this one.
    prune(host, {here.id} if here else set(), repository(source.name))
    need_room(host, disk_needed, "a release")
    host.console.say(f"Pulling {source.name}")
    if why := _pull(host, source):
        host.console.warn(why)
        raise Stop(
            f"{source.name} could not be pulled; Docker's reason is above.",
            "Check its name, that the registry answers, and the droplet's disk "
            f"({host.console.make('status')}); then release again.",
        )
    image = host.docker.image(source.name)
    if not image:
        raise Stop(f"{source.name} was pulled and is not here.", "Release again.")
    return image


def check_platform(host: Host, image: Image, name: str) -> None:
    """Raises Stop if the image is made for another kind of machine."""
    needed = host.docker.platform()
    if image.platform != needed:
        raise Stop(
            f"{name} is made for {image.platform}, and the droplet is {needed}: it would not "
            "start.",
            f"Build it for the droplet: {host.console.make('release')} does, or docker build "
            f"--platform {needed}",
        )


def need_room(host: Host, megabytes: int, what: str) -> None:
    """Raises Stop if less than that is free on Docker's disk."""
    free = host.disk.free_mb("/var/lib/docker")
    if free < megabytes:
        raise Stop(
            f"Only {free} MB are free on the droplet's disk, and {what} needs {megabytes}.",
            f"See what takes it: {host.console.make('ssh')}, then: docker system df; du -xsh "
            "/var/*",
        )


def prune(host: Host, kept: set[str], tried: str = "") -> None:
    """Remove the app's images but for those of the way back, those in use, and the ids in `kept`.

    The app's are those in a repository that a release came from; `tried` is one more of these.
    """
    found = history.read(host)
    keep = kept | history.to_keep(found) | {one.image for one in host.docker.containers(APP)}
    ours = {repository(name) for one in found for name in (one.name, one.id)} | {tried} - {""}
    for image in host.docker.images():
        names = {*image.names, image.id}
        is_ours = any(repository(name) in ours for name in image.names) or _was_live(image, found)
        if is_ours and image.id not in keep and not names & keep:
            host.docker.remove_image(image)


def repository(name: str) -> str:
    """A name without its tag or digest; empty for an image's id."""
    if name.startswith("sha256:"):
        return ""
    plain = name.partition("@")[0]
    head, slash, last = plain.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _was_live(image: Image, found: list[Release]) -> bool:
    return any(one.id == image.id for one in found)


def _pull(host: Host, source: Source) -> str:
    """Why it could not be pulled, or nothing. A login is kept in memory, and removed."""
    began = host.clock.seconds()

    def tick(megabytes: int) -> None:
        host.console.say(f"  {host.clock.seconds() - began:.0f} s, {megabytes} MB received")

    if not source.user:
        return host.docker.pull(source.name, None, tick)
    registry = source.name.partition("/")[0]
    login = host.docker.log_in(registry, source.user, source.password)
    try:
        if not login:
            raise Stop(
                f"{registry} does not let {source.user} in.",
                "Check REGISTRY_USER and REGISTRY_PASSWORD, and that the token may read packages.",
            )
        return host.docker.pull(source.name, login, tick)
    finally:
        if login:
            shutil.rmtree(login, ignore_errors=True)
