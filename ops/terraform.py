"""Terraform on this project's configuration: what it is asked, and what it answers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops import say
from ops.errors import Failed
from ops.programs import finish, need, output_of
from ops.settings import Settings


@dataclass(frozen=True)
class Plan:
    """A plan in a file that is only yours: it holds values that no output shows."""

    file: Path
    data: dict[str, Any]


class Terraform:
    """Terraform in the folder of the configuration."""

    def __init__(self, settings: Settings) -> None:
        need("terraform")
        self._folder = settings.terraform_dir

    def _command(self, verb: str, *arguments: str | Path) -> list[str | Path]:
        # Terraform colours files and pipes, too, unless told.
        plain = [] if say.in_colour() else ["-no-color"]
        return ["terraform", f"-chdir={self._folder}", verb, *plain, *arguments]

    def _run(self, verb: str, *arguments: str | Path) -> bool:
        """Run it and let it be read; whether it succeeded."""
        return finish(self._command(verb, *arguments)) == 0

    def _ask(self, verb: str, *arguments: str | Path) -> str:
        """What it prints. Where it fails, it has said why. Raises Failed."""
        done = subprocess.run(
            self._command(verb, *arguments), stdout=subprocess.PIPE, text=True, check=False
        )
        if done.returncode != 0:
            raise Failed(f"terraform {verb} failed; its reason is above.", "Nothing was changed.")
        return done.stdout

    def init(self) -> None:
        """Fetch the provider; of what Terraform says, what it does."""
        for line in self._ask("init", "-input=false").splitlines():
            if line.startswith("- "):
                say.line(line)
        lock = self._folder / ".terraform.lock.hcl"
        if (output_of("git", "status", "--porcelain", str(lock)) or "").startswith("??"):
            say.line(f"{lock.name} pins the provider for everybody. Commit it: git add {lock}")

    @contextmanager
    def plan(self) -> Iterator[Plan]:
        """What Terraform would do; it is shown, and gone with the block."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "plan"
            _show_briefly(self._command("plan", "-input=false", f"-out={file}"))
            yield Plan(file, read_plan(self._ask("show", "-json", file)))

    def apply(self, plan: Plan) -> None:
        """Do what was planned. Raises Failed."""
        if not self._run("apply", "-input=false", plan.file):
            raise Failed(
                "Terraform did not get to the end; its reason is above.",
                "Mend it, then run the same command again: it goes on where it stopped.",
            )

    def destroy(self) -> bool:
        """Remove all that it made; whether it got to the end."""
        return self._run("destroy", "-input=false", "-auto-approve")

    def output(self, name: str) -> str:
        """One of the configuration's outputs."""
        return self._ask("output", "-raw", name)

    def show_what_there_is(self) -> None:
        """List the resources in the state."""
        subprocess.run(["terraform", f"-chdir={self._folder}", "state", "list"], check=False)


def read_plan(text: str) -> dict[str, Any]:
    """A plan, as `terraform show -json` prints it. Raises Failed if this is none."""
    try:
        data: dict[str, Any] = json.loads(text)
        _ = data["format_version"]  # other JSON has none
        _ = [change["change"]["actions"] for change in data.get("resource_changes") or []]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Failed(
            f"What Terraform plans could not be read ({error}), so nothing was changed.",
            "See whether it is readable by hand: terraform -chdir=infra/terraform plan",
        ) from error
    return data


def _show_briefly(command: list[str | Path]) -> None:
    """Run a plan; of what is new only the name is shown: its attributes are in infra/terraform."""
    environment = os.environ | {"TF_IN_AUTOMATION": "1"}
    old_mask = os.umask(0o077)
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    finally:
        os.umask(old_mask)
    new = False
    for line in process.stdout or ():
        if " will be created" in line:
            new = True
            say.raw(line)
        elif not new:
            say.raw(line)
        elif re.match(r"(\x1b\[[0-9;]*m)*    }", line):
            new = False
    if process.wait() != 0:
        raise Failed("terraform plan failed; its reason is above.", "Nothing was changed.")
