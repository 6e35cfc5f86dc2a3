"""make settings: every setting, in groups, with its default; the text of .env.example."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator

from ops.console import terminal
from ops.console.settings import Settings

# What other modules and programs read, from the environment only.
OTHERS = {
    "ENV_FILE": "another file of settings than .env; empty: none",
    "TF_WORKSPACE, TF_DATA_DIR": "Terraform's own: where its state is",
    "STROKES, BOX": "evaluate, bench: a file of pen strokes, and the side of their box",
    "MNIST_ROOT": "train, test: where MNIST is; else in data/",
    "PART": "bench: recogniser, seed, app, deployment or processes; else all",
    "NETWORK": "bench PART=seed: a folder with a network that another seed was trained to",
    "PACKAGE, UPGRADE": "lock: the newest of one package; yes: of all",
    "PYTEST_ARGS": "test, test-rehearsal: pytest's arguments, for a part of the tests",
    "LONG": "test, test-rehearsal: yes: also what takes minutes and rarely breaks",
    "DIGITALOCEAN_OPENAPI": "test: DigitalOcean's description of its API, as JSON",
    "PEN_DIGITS": "test: a file of digits that people drew, in place of the tests' own",
    "CHROMIUM": "test: the browser, where it is not in PATH",
    "CI": "true: a test that cannot run fails, instead of being skipped",
    "NO_COLOR": "anything: no colours",
    "VERB_SUFFIX": "what the Makefile wants behind a verb it names",
    "RUNNER_TEMP, XDG_RUNTIME_DIR": "the machine's own: folders for temporary files",
}

_HEAD = """\
# Settings that stay set, for every make verb and for docker compose.
#
#   install -m 600 .env.example .env
#
# Then remove the # before a setting, and change its value. What you see is the
# default. The environment counts more: NAME=value make VERB
#
# Git ignores .env. It may hold your token, so nobody else may read it:
# chmod 600 .env
#
# Made by: make --silent settings >.env.example
"""


def run(_settings: Settings, _arguments: list[str]) -> None:
    """Print the list."""
    terminal.raw(text())


def text() -> str:
    """Every setting: those that .env may hold, in groups, and the others."""
    once = {
        one.metadata["name"]: one.metadata["means"]
        for one, _ in Settings().every()
        if not one.metadata["stays"]
    }
    return "\n".join(
        [
            _HEAD,
            *_groups(),
            *_others("For one command, and not in this file: NAME=value make VERB", once),
            *_others("Read from the environment only", OTHERS),
            "",
        ]
    )


def _groups() -> Iterator[str]:
    for part in dataclasses.fields(Settings):
        group = getattr(Settings(), part.name)
        stay = [one for one in dataclasses.fields(group) if one.metadata["stays"]]
        if stay:
            yield f"\n# === {(group.__doc__ or '').rstrip('.')} ===\n"
        for one in stay:
            yield f"{_comment(one.metadata['means'])}\n#{one.metadata['name']}={one.default}\n"


def _others(title: str, means: dict[str, str]) -> Iterator[str]:
    yield f"\n# === {title} ===\n#"
    for name, what in means.items():
        yield _comment(f"{name}  {what}")


def _comment(words: str) -> str:
    return textwrap.fill(
        words, 79, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
    )
