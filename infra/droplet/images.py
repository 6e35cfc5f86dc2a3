"""The app's images: get the one that is wanted, and remove those that nobody needs any more."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass

from droplet import history
from droplet.console import Stop
from droplet.disk import DiskFull
from droplet.docker import APP, Image
from droplet.host import Host

DISK_NEEDED = 2000  # MB
PULLED = "/opt/digits/pulled"  # names and ids of what releases have pulled, one a line


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
    prune(host, {here.id} if here else set())
    need_room(host, disk_needed, "a release")
    host.console.say(f"Pulling {source.name}")
    _note(host, source.name)
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
    _note(host, image.id)
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


def prune(host: Host, kept: set[str]) -> None:
    """Remove the images that releases pulled or put into service, but for those that are needed.

    Needed are those of the way back, those in use, the last one that was pulled, and `kept` (ids).
    """
    found, pulled = history.read(host), host.disk.read(PULLED).split()
    last = [one for one in pulled if one.startswith("sha256:")][-1:]
    in_use = {one.image for one in host.docker.containers(APP)}
    keep = {*kept, *history.to_keep(found), *in_use, *last}
    ours = {*pulled, *(one.id for one in found)}
    for image in host.docker.images():
        names = {*image.names, image.id}
        if names & ours and not names & keep:
            host.docker.remove_image(image)
    here = {name for image in host.docker.images() for name in (*image.names, image.id)}
    if here and not set(pulled) <= here:  # Docker names none while it does not answer
        with suppress(DiskFull):  # then the next release does it
            _write(host, [one for one in pulled if one in here])


def repository(name: str) -> str:
    """A name without its tag or digest; empty for an image's id."""
    if name.startswith("sha256:"):
        return ""
    plain = name.partition("@")[0]
    head, slash, last = plain.rpartition("/")
    return f"{head}{slash}{last.partition(':')[0]}"


def _note(host: Host, image: str) -> None:
    """Remember what is pulled, by its name before and by its id after: a kill leaves the name."""
    _write(host, [*host.disk.read(PULLED).split(), image])


def _write(host: Host, pulled: list[str]) -> None:
    host.disk.write(PULLED, "".join(f"{one}\n" for one in dict.fromkeys(pulled)))


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
