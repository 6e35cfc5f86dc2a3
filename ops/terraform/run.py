"""Terraform on this project's configuration: what it is asked, and what it answers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import need, output_of
from ops.console.settings import Settings
from ops.terraform.state import BUCKET, close, resources

# What Terraform writes holds secrets: the state, its backup, a plan.
_ONLY_MINE = 0o077


@dataclass(frozen=True)
class Plan:
    """A plan in a file that is only yours: it holds values that no output shows."""

    file: Path
    data: dict[str, Any]


class NotApplied(Failed):
    """A plan was carried out in part."""


class Busy(NotApplied):
    """The same, since the load balancer was still at work on what came before."""


# What the API answers for it (403); nothing but its text tells it from another refusal.
_BUSY = re.compile(r"processes\s+previous\s+actions")


class Terraform:
    """Terraform in the folder of the configuration."""

    def __init__(self, settings: Settings) -> None:
        need("terraform")
        close(settings)
        self._settings = settings
        self._folder = settings.terraform_dir

    def _command(self, verb: str, *arguments: str | Path) -> list[str | Path]:
        # Terraform colours files and pipes, too, unless told.
        plain = [] if terminal.in_colour() else ["-no-color"]
        return ["terraform", f"-chdir={self._folder}", verb, *plain, *arguments]

    def _run(self, verb: str, *arguments: str | Path) -> tuple[bool, str]:
        """Run it and let it be read; whether it succeeded, and what it printed."""
        process = subprocess.Popen(
            self._command(verb, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            umask=_ONLY_MINE,
        )
        printed: list[str] = []
        try:
            _read_along(process, printed)
        except BaseException as end:
            # Killed, it would lose what it made. Ctrl-C reached it, too: a second would kill it.
            if not isinstance(end, KeyboardInterrupt):
                process.send_signal(signal.SIGINT)
            _read_along(process, printed)
            raise
        return process.wait() == 0, "".join(printed)

    def _ask(self, verb: str, *arguments: str | Path, **variables: str) -> str:
        """What it prints, given `variables`. Where it fails, it has said why. Raises Failed."""
        done = subprocess.run(
            self._command(verb, *arguments),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | variables,
            umask=_ONLY_MINE,
        )
        if done.returncode != 0:
            raise Failed(f"terraform {verb} failed; its reason is above.", "Nothing was changed.")
        return done.stdout

    def init(self) -> None:
        """Fetch the provider; of what Terraform says, what it does."""
        for line in self._ask("init", "-input=false").splitlines():
            if line.startswith("- "):
                terminal.line(line)
        lock = self._folder / ".terraform.lock.hcl"
        if (output_of("git", "status", "--porcelain", str(lock)) or "").startswith("??"):
            terminal.line(f"{lock.name} pins the provider for everybody. Commit it: git add {lock}")

    @contextmanager
    def plan(self, **variables: str) -> Iterator[Plan]:
        """What Terraform would do, given `variables`; it is shown, and gone with the block."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "plan"
            _show_briefly(self._command("plan", "-input=false", f"-out={file}"), variables)
            yield Plan(file, read_plan(self._ask("show", "-json", file)))

    @contextmanager
    def look(self) -> Iterator[Plan]:
        """What Terraform would do, for a comparison: nothing is shown, and nothing is locked."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "plan"
            self._ask("plan", "-input=false", "-lock=false", f"-out={file}")
            yield Plan(file, read_plan(self._ask("show", "-json", file)))

    def take_in(self, address: str, key: str, bucket: str = "") -> None:
        """Note in the state what the account has already; nothing there changes. Raises Failed.

        `bucket` is the Space's name, if that is it: of all else, the keys to it need not be known.
        """
        try:
            self._ask("import", "-input=false", address, key, TF_VAR_backup_bucket=bucket)
        except Failed as failed:
            raise Failed(
                f"Terraform could not take in {address} ({key}); its reason is above.",
                "Nothing in your account was changed. Mend it, then run the same command again: it "
                "goes on where it stopped.",
            ) from failed

    def make_only(self, address: str) -> None:
        """Make this one thing, if it is not there. Raises Failed."""
        self._ask("apply", "-input=false", "-auto-approve", f"-target={address}")

    def forget(self, address: str) -> None:
        """Take out of the state what is no longer in the account. Raises Failed."""
        command = ["terraform", f"-chdir={self._folder}", "state", "rm", address]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False, umask=_ONLY_MINE)
        if done.returncode != 0:
            raise Failed("terraform state rm failed; its reason is above.", "Nothing was changed.")

    def apply(self, plan: Plan) -> None:
        """Do what was planned. Raises NotApplied."""
        succeeded, printed = self._run("apply", "-input=false", plan.file)
        if not succeeded:
            # Its messages are wrapped and framed.
            words = " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╷╵]", " ", printed).split())
            raise (Busy if _BUSY.search(words) else NotApplied)(
                "Terraform did not get to the end; its reason is above.",
                "Fix it, then run the same command again: it goes on where it stopped.",
            )

    def apply_quietly(self, plan: Plan) -> None:
        """Do what was planned, where there is nothing to see. Raises Failed."""
        self._ask("apply", "-input=false", plan.file)

    def destroy(self, only: tuple[str, ...] = ()) -> bool:
        """Remove all that it made, or only these; whether it got to the end."""
        targets = [f"-target={name}" for name in only]
        # The keys that open a Space are there only while its name is set.
        made = [one.name for one in resources(self._settings) if one.kind == BUCKET]
        more = {"TF_VAR_backup_bucket": made[0]} if made else {}
        command = self._command("destroy", "-input=false", "-auto-approve", *targets)
        env = os.environ | more
        return subprocess.run(command, check=False, env=env, umask=_ONLY_MINE).returncode == 0

    def output(self, name: str) -> str:
        """One of the configuration's outputs."""
        return self._ask("output", "-raw", name)

    def secrets(self, name: str) -> dict[str, str]:
        """An output of several secret values; empty if it is not set. None of it is shown."""
        value = json.loads(self._ask("output", "-json")).get(name, {}).get("value")
        return dict(value or {})

    def show_what_there_is(self) -> None:
        """List the resources in the state."""
        subprocess.run(["terraform", f"-chdir={self._folder}", "state", "list"], check=False)


def _read_along(process: subprocess.Popen[str], printed: list[str]) -> None:
    """Show what it prints, and keep it, until it has ended."""
    for line in process.stdout or ():
        terminal.raw(line)
        printed.append(line)
    process.wait()


# Where Terraform found the value of a variable: in the environment, by default, or in a file.
_NAMED_IN = re.compile(
    r'value for var\.(\w+)|^variables\.tf variable "(\w+)"|^\S+\.tfvars\S* (\w+) *='
)


def refused_variables(settings: Settings) -> dict[str, str]:
    """The variables whose values Terraform would refuse, and why; it asks nobody for that.

    The path of the public key is left out: it may be relative to Terraform's folder.
    """
    folder = settings.terraform_dir
    text = "".join(file.read_text() for file in sorted(folder.glob("*.tf")))
    blocks = re.findall(r'^variable "(?!ssh_public).*?^}\n', text, re.MULTILINE | re.DOTALL)
    theirs = {k: v for k, v in os.environ.items() if k not in ("TF_WORKSPACE", "TF_DATA_DIR")}
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "variables.tf").write_text("".join(blocks))
        for file in folder.glob("*.tfvars*"):
            shutil.copy(file, scratch)
        done = subprocess.run(
            ["terraform", f"-chdir={scratch}", "plan", "-json", "-input=false"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=False,
            env=theirs,
        )
    refused: dict[str, str] = {}
    for line in done.stdout.splitlines():
        with suppress(ValueError, LookupError, TypeError):
            found = json.loads(line)["diagnostic"]
            about = f"{found['range']['filename']} {(found.get('snippet') or {}).get('code', '')}"
            name = _NAMED_IN.search(about)
            if found["severity"] == "error" and name and name.lastindex:
                refused[name[name.lastindex]] = found["detail"].partition("\n\n")[0]
    return refused


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


def _show_briefly(command: list[str | Path], variables: dict[str, str]) -> None:
    """Run a plan; of what is new only the name is shown: its attributes are in infra/terraform."""
    environment = os.environ | {"TF_IN_AUTOMATION": "1"} | variables
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, umask=_ONLY_MINE
    )
    new = False
    for line in process.stdout or ():
        if " will be created" in line:
            new = True
            terminal.raw(line)
        elif not new:
            terminal.raw(line)
        elif re.match(r"(\x1b\[[0-9;]*m)*    }", line):
            new = False
    if process.wait() != 0:
        raise Failed("terraform plan failed; its reason is above.", "Nothing was changed.")
