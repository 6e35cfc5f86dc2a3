"""README and docs say what is so: their commands, files, settings and messages exist."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.rehearsal.deployment import ROOT, clean_environment

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).exists()]


def commands() -> list[str]:
    """Every make command in a block or between backticks."""
    found: set[str] = set()
    for page in PAGES:
        text = page.read_text()
        for block in BLOCK.findall(text):
            found |= {line.split("#")[0].strip() for line in block.splitlines()}
        found |= set(re.findall(r"`((?:[A-Z_a-z]+=\S+ )*make(?: [^`\n]+)?)`", text))
    return sorted(line for line in found if re.search(r"(^|\s)make(\s|$)", line))


@pytest.mark.parametrize("command", commands())
def test_make_has_the_verb(command: str) -> None:
    words = shlex.split(command.replace("...", "x"))
    # What stands before make is environment, what follows with "=" are make's variables.
    arguments = words[words.index("make") + 1 :]
    done = subprocess.run(
        ["make", "--dry-run", *arguments],
        cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for setting in re.findall(r"\b([A-Z][A-Z_]{2,})=", command):
        assert is_known(setting), setting


def test_make_alone_fits_a_terminal_and_says_what_to_do_first() -> None:
    done = subprocess.run(
        ["make"], cwd=ROOT, env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\033[" not in done.stdout, "colours are for a terminal"
    first = done.stdout.rstrip().splitlines()[-3]
    assert first.startswith("First time?  make run")


def is_known(setting: str) -> bool:
    """Whether something that is no test reads this setting; pytest reads STANDING_REHEARSAL."""
    places = (
        "Makefile",
        "scripts",
        "app",
        "infra",
        "ops",
        "rehearsal",
        "training",
        "tests/**/conftest.py",
    )
    texts = (file.read_text() for file in tracked(*places) if file.suffix not in (".png", ".pt"))
    return any(re.search(rf"\b{setting}\b", text) for text in texts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    links = {link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)}
    links |= set(re.findall(r'(?:src|srcset)="([^"]+)"', text))
    for link in links:
        if link and not link.startswith("http"):
            assert (page.parent / link).exists(), link
    for path in re.findall(
        r"`((?:app|benchmarks|infra|ops|scripts|tests|training|rehearsal|docs|\.github)/[\w./-]+)`",
        text,
    ):
        assert (ROOT / path).exists() or is_ignored(path), path


def is_ignored(path: str) -> bool:
    """Whether git ignores it: such a file is made here and stays here."""
    asked = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False)
    return asked.returncode == 0


def messages() -> list[str]:
    text = (ROOT / "docs/troubleshooting.md").read_text()
    return re.findall(r"^### `(.+)`$", text, re.MULTILINE)


@pytest.mark.parametrize("message", messages())
def test_a_message_is_printed_as_it_is_listed(message: str) -> None:
    sources = "\n".join(
        file.read_text()
        for file in tracked("app", "infra", "ops", "scripts", "rehearsal", "training", ".github")
        if file.suffix not in (".png", ".pt")
    )
    # A long line of Python's may be broken into pieces.
    joined = re.sub(r'"\n\s*f?"', "", sources)
    for part in filter(None, (part.strip() for part in message.split("…"))):
        assert part in sources or part in joined, part


def test_every_setting_of_the_workflows_is_in_the_docs() -> None:
    named = set()
    for file in tracked(".github/workflows"):
        named |= set(re.findall(r"\b(?:secrets|vars)\.([A-Z_]+)", file.read_text()))
    readme = (ROOT / "README.md").read_text()
    assert [name for name in sorted(named) if name not in readme] == []
