"""The two containers on this machine, as `make up` starts them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.rehearsal.deployment import ROOT, clean_environment


@dataclass(frozen=True)
class Stack:
    """The two containers, under a name and on a port of the tests' own."""

    folder: Path
    settings: dict[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings['APP_PORT']}"

    def compose(self, *words: str) -> str:
        """Run docker compose, which must succeed; return what it prints."""
        return self.run("docker", "compose", *words)

    def run(self, *command: str) -> str:
        """Run a command beside the compose file, which must succeed; return what it prints."""
        done = self.started(*command)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout.strip()

    def started(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside the compose file, which may fail."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=clean_environment() | self.settings | settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def answers(self) -> str:
        """How many answers are logged."""
        count = ["psql", "--username", "digits", "--no-align", "--tuples-only", "--command"]
        return self.compose("exec", "-T", "db", *count, "SELECT count(*) FROM predictions")

    def test_itself(self) -> None:
        """Let the app recognise a digit and reach the database, as a release does."""
        self.compose("exec", "-T", "app", "python", "-m", "digits.selftest")


def clone(folder: Path) -> Path:
    """Make this folder one that `make up` works in."""
    for file in ("Makefile", "docker-compose.yml"):
        shutil.copy(ROOT / file, folder)
    for part in ("app", "ops", "rehearsal", "scripts", "infra/postgres"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".venv").symlink_to(ROOT / ".venv")
    return folder
