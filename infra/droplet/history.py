"""The list of releases: what was live, and what a rollback can return to.

/opt/digits/releases.jsonl has one JSON object a line, the oldest first. A release writes its line
before nginx is pointed at it; nginx's file names the number of the line that is live. So one
atomic write decides, and a line after that number is of a release that never became live.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from droplet.host import Host
from droplet.nginx import DAMAGED
from droplet.site import LOCAL

FILE = "/opt/digits/releases.jsonl"
KEEP = 3  # images that stay on the droplet
# What the bash version of these commands wrote.
_OLD_LIST, _OLD_SETTINGS = "/opt/digits/releases.log", "/opt/digits/release.env"


@dataclass(frozen=True)
class Release:
    """One release: an image that was put into service.

    `name` is what people call the image and `id` what Docker does. `ports` are those of its
    processes, one each.
    """

    number: int
    when: str
    name: str
    id: str
    commit: str
    by: str
    how: str = "release"  # or rollback
    ports: tuple[int, ...] = (8501,)
    database: str = LOCAL

    @property
    def short(self) -> str:
        """The first twelve digits of the image's id."""
        return self.id.removeprefix("sha256:")[:12]

    def at(self, when: str) -> Release:
        """The same release, at this time."""
        return replace(self, when=when)


def read(host: Host) -> list[Release]:
    """The releases that were live, the oldest first; the last one is live now."""
    number = host.nginx.route().number
    # Nothing was live yet, or the files of the bash version have not been replaced.
    if not number or not host.disk.exists(FILE):
        return _of_the_bash_version(host)
    if number == DAMAGED:  # the newest one is the best guess
        return _lines(host)
    return [one for one in _lines(host) if one.number <= number]


def live(host: Host) -> Release | None:
    """The release that is live; None before the first."""
    found = read(host)
    return found[-1] if found else None


def add(host: Host, release: Release) -> None:
    """Write a release down, after those that were live. Raises DiskFull."""
    _write(host, [*read(host), release])


def take_over(host: Host) -> None:
    """Replace the files of the bash version, and number its last release in nginx's file."""
    if not host.disk.exists(_OLD_LIST) or not host.docker.answers():  # it knows the images' ids
        return
    route, found = host.nginx.route(), _of_the_bash_version(host)
    # A recovery without Docker may have written the number already.
    if found and not (route.number and host.disk.exists(FILE)):
        _write(host, with_ids(host, found))
        host.nginx.write(replace(route, number=found[-1].number))
    for name in (_OLD_SETTINGS, "/opt/digits/tried", "/opt/digits/lock.holder", _OLD_LIST):
        host.disk.remove(name)


def with_ids(host: Host, found: list[Release]) -> list[Release]:
    """The same releases with the ids of their images.

    The oldest lines of the bash version have a name in place of the id. They keep it where Docker
    did not answer.
    """
    return [one if one.id.startswith("sha256:") else _with_id(host, one) for one in found]


def _with_id(host: Host, release: Release) -> Release:
    image = host.docker.image(release.id)
    return replace(release, id=image.id) if image else release


def way_back(found: list[Release]) -> list[Release]:
    """The releases that a rollback can still return through, the live one last.

    Read as a stack: a release is put on top; a rollback takes off what is above the one that it
    returned to.
    """
    stack: list[Release] = []
    for one in found:
        ids = [each.id for each in stack]
        if one.how == "rollback" and one.id in ids:
            del stack[len(ids) - ids[::-1].index(one.id) :]
        else:
            stack.append(one)
    return stack


def to_keep(found: list[Release]) -> set[str]:
    """The ids of the images that a rollback may go to."""
    kept: set[str] = set()
    for releases in (way_back(found), found):
        kept.update(list(dict.fromkeys(one.id for one in reversed(releases)))[:KEEP])
    return kept


def _write(host: Host, found: list[Release]) -> None:
    host.disk.write(FILE, "".join(f"{json.dumps(asdict(one))}\n" for one in found))


def _lines(host: Host) -> list[Release]:
    releases = []
    for line in host.disk.read(FILE).splitlines():
        data = json.loads(line)
        releases.append(Release(**{**data, "ports": tuple(data["ports"])}))
    return releases


def _of_the_bash_version(host: Host) -> list[Release]:
    """Lines of six fields with tabs between; the oldest ones have four."""
    settings = dict(line.partition("=")[::2] for line in host.disk.read(_OLD_SETTINGS).splitlines())
    found = []
    for number, line in enumerate(host.disk.read(_OLD_LIST).splitlines(), start=1):
        when, name, commit, by, *rest = [*line.split("\t"), "", "", ""][:6]
        image, how = (rest[0] or name), (rest[1] or "release")
        found.append(Release(number, when, name, image, commit, by, how))
    if found:
        ports = host.nginx.route().ports or (8501,)
        found[-1] = replace(found[-1], ports=ports, database=settings.get("DATABASE") or LOCAL)
    return found
