"""The images that the project builds on and runs, where Docker Hub does not answer.

An image that is here is left alone; one that Docker Hub gives is pulled; any other is made
from Debian packages, and its labels say that it stands in. A stand-in is made again when
its recipe or this machine's settings change.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import output_of
from ops.release.docker import has_image, need_engine
from ops.release.registry import IMAGE as REGISTRY
from rehearsal.commands import named_in, output

from . import debian, pip_conf
from .debian import certificates

DROPLET = "digits-rehearsal-droplet:debian-13-x64"
# Behind load balancers and managed databases, and the certificate authority.
ENGINES = "digits-rehearsal-engines:debian-13"
# What a rehearsal pulls when it moves the database on, and the Debian release that has it.
NEXT_POSTGRES = "postgres:18-trixie"
_RELEASES = {NEXT_POSTGRES: "forky"}
# From this version on, the real image keeps its data elsewhere, in a folder for each version.
_POSTGRES_WITH_FOLDERS = 18
_HERE = Path(__file__).parent
# The rehearsal's own, which no registry has, and where their recipes are.
_OWN = {DROPLET: _HERE.parent / "droplet", ENGINES: _HERE.parent / "engines"}
_RECIPE = "digits.rehearsal.recipe"
_APT = Path("/etc/apt")
# Where apt fetches from, and how.
_APT_LINE = re.compile(r"deb|URIs|Suites|\s*Acquire::(https?::Proxy|Check-|ForceIPv4)")


def python() -> str:
    """The app's base image."""
    return named_in("app/Dockerfile", r"FROM (?:\S+ )?(python:\S+)")


def postgres() -> str:
    """The database's image."""
    return named_in("docker-compose.yml", r"image: (?:\$\{POSTGRES_IMAGE:-)?(postgres:[\w.-]+)")


def stands_in(image: str) -> bool:
    """Whether the image that has this name here is a stand-in."""
    return _label(image, "stand-in") == "true"


class BaseImages:
    """Provides images, and asks Docker Hub no second time once it did not answer."""

    def __init__(self) -> None:
        self._hub_answers = True

    def provide_all(self) -> None:
        """Every image of the project, the rehearsal's own too. Raises Failed."""
        need_engine()
        for image in (python(), postgres(), REGISTRY, DROPLET, ENGINES):
            self.provide(image)

    def provide(self, image: str) -> None:
        """See to it that this one is here. Raises Failed."""
        began = time.monotonic()
        recipe = _recipe(image)
        # A real image is right whatever the recipe says.
        real = has_image(image) and not stands_in(image) and image not in _OWN
        if real or _label(image, _RECIPE) == recipe:
            terminal.line(f"images: {image} is here{'' if real else ' (stand-in)'}")
            return
        if not self._pulled(image):
            self._build(image, recipe)
        terminal.line(f"images: {image} is ready after {time.monotonic() - began:.0f} s")

    def _pulled(self, image: str) -> bool:
        """Whether Docker Hub gave it."""
        if image in _OWN or not self._hub_answers:
            return False
        terminal.line(f"images: pulling {image}")
        try:
            output("docker", "pull", "--quiet", image)
        except Failed as error:
            self._hub_answers = False
            reason = error.lines()[1].rpartition(": ")[2]
            terminal.line(f"images: Docker Hub does not give it: {reason}")
            return False
        return True

    def _build(self, image: str, recipe: str) -> None:
        terminal.line(f"images: making a stand-in for {image} from Debian packages")
        labels = {
            "stand-in": "true",
            _RECIPE: recipe,
            "org.opencontainers.image.description": f"stand-in for {image}, from Debian packages",
        }
        name, _, version = image.partition(":")
        if name == "debian":
            debian.make(version.removesuffix("-slim"), image, labels)
            return
        folder = _folder(image)
        if not folder.is_dir():
            raise Failed(
                f"{image} is not here, Docker Hub does not give it, and nothing stands in for it.",
                f"Pull it where Docker Hub answers: docker pull {image}",
            )
        base = _base(image)
        self.provide(base)
        with tempfile.TemporaryDirectory() as scratch:
            context = shutil.copytree(folder, Path(scratch, "context"))
            (context / "certificates").mkdir()
            for file in certificates():
                shutil.copy(file, context / "certificates")
            if name == "python":
                (context / "pip.conf").write_text(pip_conf.for_containers())
            output(
                "docker", "build", "--tag", image, "--build-arg", f"BASE={base}",
                *(word for pair in _build_arguments(image) for word in ("--build-arg", pair)),
                *(word for label in labels.items() for word in ("--label", "=".join(label))),
                context, env={"DOCKER_BUILDKIT": "1"},
            )  # fmt: skip


@contextmanager
def for_a_build() -> Iterator[dict[str, str]]:
    """What `make up` and a build need, and its settings, until the block ends. Raises Failed."""
    need_engine()
    images = BaseImages()
    for image in (python(), postgres(), REGISTRY):
        images.provide(image)
    with tempfile.TemporaryDirectory() as folder:
        yield pip_conf.setting(Path(folder))


def _label(image: str, name: str) -> str:
    """A label of an image; "" if it has none, or is not here."""
    asked = f'{{{{index .Config.Labels "{name}"}}}}'
    return output_of("docker", "image", "inspect", "--format", asked, image) or ""


def _folder(image: str) -> Path:
    """Where the recipe of what stands in for an image is."""
    if image in _OWN:
        return _OWN[image]
    return _HERE / "images" / image.partition(":")[0]


def _base(image: str) -> str:
    """The Debian image that a stand-in begins from: of the release that the real one is of.

    Where that release lacks the version, as for PostgreSQL 18, of a later one that has it.
    """
    found = re.search(r"bookworm|trixie", image)
    return f"debian:{_RELEASES.get(image) or (found[0] if found else 'trixie')}-slim"


def _build_arguments(image: str) -> list[str]:
    """The arguments of a recipe besides its base: the version, and where that keeps its data."""
    name, _, version = image.partition(":")
    version = version.partition("-")[0]
    arguments = [f"VERSION={version}"]
    if name == "postgres" and int(version) >= _POSTGRES_WITH_FOLDERS:
        home = "/var/lib/postgresql"
        arguments += [f"VOLUME={home}", f"PGDATA={home}/{version}/docker"]
    return arguments


def _recipe(image: str) -> str:
    """Changes when a stand-in has to be made again: by how it is made, and this machine's settings.

    Read from the files themselves: asking apt and pip takes seconds.
    """
    files = [_HERE / "debian.py", *certificates()]
    if _folder(image).is_dir():
        inside = sorted(_folder(image).rglob("*"))
        files += [f for f in inside if f.is_file() and f.suffix not in (".py", ".pyc")]
    text = b"\n".join(file.read_bytes() for file in files).decode(errors="replace")
    for file in sorted(_APT.rglob("*")):
        if file.is_file() and (file.name == "sources.list" or file.parent.name.endswith(".d")):
            lines = file.read_text(errors="replace").splitlines()
            text += "\n".join(line for line in lines if _APT_LINE.match(line))
    if image.startswith("python:"):
        text += pip_conf.fingerprint()
    return hashlib.sha256(text.encode()).hexdigest()[:16]
