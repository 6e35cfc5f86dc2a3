"""`python -m ops in-pipeline VERB`: a verb with the pipeline's own way in, noted on its page.

DEPLOY_KEY and DROPLET_HOST_KEY come from the environment and are files, readable by nobody
else, only while the verb runs. A host key that is not the pinned one ends it.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.console import pipeline, terminal
from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.page import site

AS_A_VISITOR = ("look",)  # needs no way in


def run(settings: Settings, arguments: list[str]) -> None:
    """Run the verb that the arguments begin with. Raises Failed."""
    verb, *rest = arguments
    # A runner is thrown away with its disk: what is logged has no business there.
    settings = settings.but(bring_backup="no")
    module = importlib.import_module(f"ops.verbs.{verb}")
    with _noted(settings, verb):
        if verb in AS_A_VISITOR:
            module.run(settings, rest)
            return
        with _way_in(settings) as own:
            module.run(own, rest)


@contextmanager
def _noted(settings: Settings, verb: str) -> Iterator[None]:
    """Note on the run's page on GitHub what came of it and how long it took."""
    result = "**failed**; its log says what still serves"
    try:
        yield
        result = "done"
    finally:
        if settings.summary:
            of = f" of `{settings.image}`" if settings.image else ""
            page = f". The page: {settings.url}" if settings.url else ""
            if settings.url.startswith("https:"):
                page += f"; its certificate: {site.in_words(settings, settings.url)}"
            with Path(settings.summary).open("a") as file:
                file.write(f"- `make {verb}`{of}: {result}, {terminal.seconds()} s{page}\n")


@contextmanager
def _way_in(settings: Settings) -> Iterator[Settings]:
    """The settings with the pipeline's key and pinned host key in files. Raises Failed."""
    anew = "Set all that it needs anew, on the laptop that deployed: " + settings.verb("pipeline")
    given = {
        "DIGITALOCEAN_TOKEN": settings.token,
        "DEPLOY_KEY": settings.deploy_key,
        "DROPLET_HOST_KEY": settings.droplet_host_key,
    }
    for name, value in given.items():
        if not value:
            raise pipeline.no_secret(settings, name)
    with tempfile.TemporaryDirectory(dir=os.environ.get("RUNNER_TEMP")) as folder:
        key = _file(Path(folder) / "key", settings.deploy_key)
        pins = _file(Path(folder) / "known_hosts", settings.droplet_host_key)
        if not _succeeds("ssh-keygen", "-y", "-P", "", "-f", key):
            raise Failed(
                "The pipeline's DEPLOY_KEY is no private key, or has a passphrase, so it opens "
                "nothing.",
                anew,
            )
        if not _succeeds("ssh-keygen", "-l", "-f", pins):
            raise Failed(
                "The pipeline's DROPLET_HOST_KEY holds no host key, so the droplet could not be "
                "told from another machine.",
                anew,
            )
        yield settings.but(
            private_key=str(key), known_hosts=str(pins), accept_new="no", deploy_key=""
        )


def _file(file: Path, text: str) -> Path:
    """Write what was pasted by hand: as on Windows, or without an end to the last line."""
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as written:
        written.write(text.replace("\r", "") + "\n")
    return file


def _succeeds(*command: str | Path) -> bool:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode == 0
