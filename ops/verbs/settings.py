"""make settings: every setting. `python -m ops settings --example` prints .env.example."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator

from ops.console import terminal
from ops.console.settings import Settings

# What other modules and programs read.
OTHERS = (
    ("ENV_FILE", ".env", "another file of settings; empty: none"),
    ("TF_WORKSPACE, TF_DATA_DIR", "", "Terraform's own: where its state is"),
    ("STROKES, BOX", "", "evaluate, bench: a file of pen strokes, and the side of their box"),
    ("MNIST_ROOT", "data", "train, test: where MNIST is"),
    ("PART", "all", "bench: recogniser, seed, app, deployment or processes"),
    ("NETWORK", "", "bench PART=seed: a folder with a network that another seed was trained to"),
    ("PACKAGE, UPGRADE", "", "lock: the newest of one package; yes: of all"),
    ("PYTEST_ARGS", "", "test, test-rehearsal: pytest's arguments, for a part of the tests"),
    ("LONG", "", "test, test-rehearsal: yes: also what takes minutes and rarely breaks"),
    ("DIGITALOCEAN_OPENAPI", "data/...", "test: DigitalOcean's description of its API, as JSON"),
    ("PEN_DIGITS", "", "test: a file of digits that people drew, in place of the tests' own"),
    ("CHROMIUM", "", "test: the browser, where it is not in PATH"),
    ("CI", "", "true: a test that cannot run fails, instead of being skipped"),
    ("NO_COLOR", "", "anything: no colours"),
    ("VERB_SUFFIX", "", "what the Makefile wants behind a verb it names"),
    ("RUNNER_TEMP, XDG_RUNTIME_DIR", "", "the machine's own: folders for files that go again"),
)


_EXAMPLE = """\
# Settings that stay set, for every make verb and for docker compose.
#
#   install -m 600 .env.example .env
#
# Then remove the # before a setting, and change its value. What you see is the default.
# The environment counts more than this file.
# Git ignores .env. Nobody else may read it, since it may hold your token: chmod 600 .env
#
# Made by: scripts/in ops -m ops settings --example >.env.example
"""


def run(_settings: Settings, arguments: list[str]) -> None:
    """Print the list."""
    if arguments == ["--example"]:
        terminal.raw(example())
        return
    rows = [
        (one.metadata["name"], str(one.default), one.metadata["means"])
        for one, _ in Settings().every()
    ]
    terminal.table(("Setting", "Without it", "What it does"), [*rows, *OTHERS])


def example() -> str:
    """The text of .env.example: every setting, in groups."""
    return "\n".join([_EXAMPLE, *_groups(), *_for_one_command()])


def _groups() -> Iterator[str]:
    for part in dataclasses.fields(Settings):
        group = getattr(Settings(), part.name)
        stay = [one for one in dataclasses.fields(group) if one.metadata["stays"]]
        if stay:
            yield f"\n# === {(group.__doc__ or '').rstrip('.')} ===\n"
        for one in stay:
            yield f"{_comment(one.metadata['means'])}\n#{one.metadata['name']}={one.default}\n"


def _for_one_command() -> Iterator[str]:
    yield "\n# === For one command; not in this file ===\n#"
    for one, _ in Settings().every():
        if not one.metadata["stays"]:
            yield _comment(f"{one.metadata['name']}  {one.metadata['means']}")


def _comment(text: str) -> str:
    return textwrap.fill(
        text, 99, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
    )
