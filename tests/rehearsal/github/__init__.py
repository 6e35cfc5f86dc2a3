"""GitHub, as far as the rehearsal of the pipeline needs it: a push starts a run of deploy.yml,
a button one of deploy.yml or rollback.yml.

The jobs are run by act on this machine, with stand-ins for other people's actions
(`actions/` beside this file). act leaves concurrency groups to GitHub.
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.rehearsal.deployment import ROOT, clean_environment

WORKFLOWS = ".github/workflows"
ACTIONS = Path(__file__).with_name("actions")
ACT = ROOT / ".venv" / "dev" / "bin" / "act"
# deploy.yml waits for `make test`, which is tested elsewhere and takes minutes.
NO_TESTS = """\
name: Test
on:
  workflow_call:
permissions: {}
jobs:
  test:
    runs-on: ubuntu-latest
    permissions: {}
    steps:
      - run: echo "Stand-in for make test"
"""


@dataclass
class Run:
    """One run of the workflow, in a thread of its own."""

    folder: Path
    workflow: str
    output: str = ""
    status: int | None = None  # None until it has ended
    thread: threading.Thread = field(default_factory=threading.Thread)

    def finish(self) -> Run:
        """Wait for the end and return the run itself."""
        self.thread.join()
        print(self.output)
        return self


class GitHub:
    """A repository with its secrets and variables, and a runner."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._folder = folder
        self._env = env
        self.secrets: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        self._runs: list[Run] = []
        self.repository = folder / "repository"
        self._git("clone", "--quiet", str(ROOT), str(self.repository))
        # What is being worked on is rehearsed, committed or not.
        changed = self._git("-C", str(ROOT), "ls-files", "-z", "--modified", "--others",
                            "--exclude-standard")  # fmt: skip
        for name in filter(None, changed.split("\0")):
            if (ROOT / name).exists():
                (self.repository / name).parent.mkdir(parents=True, exist_ok=True)
                (self.repository / name).write_bytes((ROOT / name).read_bytes())
                (self.repository / name).chmod((ROOT / name).stat().st_mode)
        (self.repository / ".github/workflows/test.yml").write_text(NO_TESTS)
        self._git("-C", str(self.repository), "checkout", "--quiet", "-B", "main")

    @staticmethod
    def _git(*arguments: str) -> str:
        identity = ("-c", "user.name=you", "-c", "user.email=you@example.com")
        command = ("git", *identity, *arguments)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def push(self, change: Callable[[Path], object] | None = None) -> Run:
        """Change the repository, commit and push; the run that this starts goes on by itself."""
        if change:
            change(self.repository)
        self._git("-C", str(self.repository), "add", "--all")
        self._git(
            "-C", str(self.repository), "commit", "--quiet", "--allow-empty", "-m", "A change"
        )
        # GitHub says when in seconds since 1970.
        pushed = {"ref": "refs/heads/main", "repository": {"pushed_at": int(time.time())}}
        return self._start("push", "deploy.yml", pushed)

    def head(self) -> str:
        """The newest commit's hash."""
        return self._git("-C", str(self.repository), "rev-parse", "HEAD").strip()

    def dispatch(self, workflow: str, branch: str = "main", **inputs: str) -> Run:
        """Start a run by hand, as with the button on GitHub's page."""
        event = {"ref": f"refs/heads/{branch}", "inputs": inputs}
        return self._start("workflow_dispatch", workflow, event)

    def _start(self, event: str, workflow: str, payload: dict[str, Any]) -> Run:
        checkout = self._folder / f"run-{len(self._runs) + 1}"
        self._git("clone", "--quiet", str(self.repository), str(checkout))
        # act takes the repository's name from here; nothing is sent there.
        self._git(
            "-C", str(checkout), "remote", "set-url", "origin", "https://github.com/You/digits"
        )
        branch = payload["ref"].removeprefix("refs/heads/")
        self._git("-C", str(checkout), "checkout", "--quiet", "-B", branch)
        (self._folder / f"{checkout.name}.json").write_text(json.dumps(payload))
        run = Run(checkout, workflow)
        self._runs.append(run)
        run.thread = threading.Thread(target=self._run, args=(run, event))
        run.thread.start()
        return run

    def _run(self, run: Run, event: str) -> None:
        done = subprocess.run(
            self._act(run, event),
            cwd=run.folder,
            env=clean_environment() | self._env | self.secrets,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        run.output, run.status = done.stdout, done.returncode

    def _act(self, run: Run, event: str) -> list[str]:
        workflow = f"{WORKFLOWS}/{run.workflow}"
        used = set(re.findall(r"uses: ([^\s@]+)@(\S+)", (run.folder / workflow).read_text()))
        stand_ins = [
            ("--local-repository", f"{name}@{ref}={ACTIONS / name.split('/')[1]}")
            for name, ref in used
            if name != "actions/checkout"  # act does that one itself
        ]
        return [
            *(str(ACT), event, "--workflows", workflow, "--platform", "ubuntu-latest=-self-hosted"),
            *("--actor", "you", "--pull=false"),
            *("--eventpath", str(self._folder / f"{run.folder.name}.json")),
            # Named only: their values come from the environment, not from a process list.
            *(word for name in self.secrets for word in ("--secret", name)),
            *(w for name, value in self.variables.items() for w in ("--var", f"{name}={value}")),
            *(word for stand_in in stand_ins for word in stand_in),
        ]
