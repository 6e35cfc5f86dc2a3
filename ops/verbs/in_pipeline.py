"""`python -m ops in-pipeline VERB`: a verb with the pipeline's credentials, noted on its page.

DEPLOY_KEY and DROPLET_HOST_KEY come from the environment and are files, readable by nobody
else, only while the verb runs. A host key that is not the pinned one ends it.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from ops.console import pipeline, terminal
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.programs import output_of
from ops.console.settings import Settings
from ops.page import site

AS_A_VISITOR = ("look",)  # needs no credentials


def run(settings: Settings, arguments: list[str]) -> None:
    """Run the verb that the arguments begin with. Raises Failed."""
    verb, *rest = arguments
    # A runner's disk is deleted after the run, and must not hold predictions.
    settings = replace(settings, backups=replace(settings.backups, bring="no"))
    module = importlib.import_module(f"ops.verbs.{verb}")
    with _noted(settings, verb):
        if verb in AS_A_VISITOR:
            module.run(settings, rest)
            return
        with _credentials(settings) as own:
            module.run(own, rest)


@contextmanager
def _noted(settings: Settings, verb: str) -> Iterator[None]:
    """Note on the run's page on GitHub what came of it and how long it took."""
    result = "**failed**; its log names the live version"
    try:
        yield
        result = "done"
    finally:
        if settings.pipeline.summary:
            of = f" of `{settings.release.image}`" if settings.release.image else ""
            page = f". The page: {settings.view.url}" if settings.view.url else ""
            if settings.view.url.startswith("https:"):
                page += (
                    f"; its certificate: {site.certificate_text(settings.site, settings.view.url)}"
                )
            with Path(settings.pipeline.summary).open("a") as file:
                file.write(f"- `make {verb}`{of}: {result}, {terminal.seconds()} s{page}\n")


@contextmanager
def _credentials(settings: Settings) -> Iterator[Settings]:
    """The settings with the pipeline's key and pinned host key in files. Raises Failed."""
    again = "Set all that it needs again, on the laptop that deployed: " + make("pipeline")
    given = {
        "DIGITALOCEAN_TOKEN": settings.account.token,
        "DEPLOY_KEY": settings.pipeline.deploy_key,
        "DROPLET_HOST_KEY": settings.pipeline.host_key,
    }
    for name, value in given.items():
        if not value:
            raise pipeline.no_secret(settings.account.github_actor, name)
    with tempfile.TemporaryDirectory(dir=os.environ.get("RUNNER_TEMP")) as folder:
        key = _file(Path(folder) / "key", settings.pipeline.deploy_key)
        known_hosts = _file(Path(folder) / "known_hosts", settings.pipeline.host_key)
        if output_of("ssh-keygen", "-y", "-P", "", "-f", str(key)) is None:
            raise Failed(
                "The pipeline's DEPLOY_KEY is no private key, or has a passphrase, so it opens "
                "nothing.",
                again,
            )
        if output_of("ssh-keygen", "-l", "-f", str(known_hosts)) is None:
            raise Failed(
                "The pipeline's DROPLET_HOST_KEY holds no host key, so the droplet could not be "
                "found out from another machine.",
                again,
            )
        ssh = replace(
            settings.ssh, private_key=str(key), known_hosts=str(known_hosts), accept_new="no"
        )
        # No program that it starts needs to see the key in its environment.
        yield replace(settings, ssh=ssh, pipeline=replace(settings.pipeline, deploy_key=""))


def _file(file: Path, text: str) -> Path:
    """Write what was pasted by hand: as on Windows, or without an end to the last line."""
    with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600), "w") as written:
        written.write(text.replace("\r", "") + "\n")
    return file
