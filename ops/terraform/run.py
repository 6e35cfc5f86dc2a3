"""Terraform on this project's configuration."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.programs import need, output_of
from ops.console.settings import TerraformSettings
from ops.terraform.plan import Plan, read_plan
from ops.terraform.state import BUCKET, close, resources

# What Terraform writes holds secrets: the state, its backup, a plan.
_ONLY_MINE = 0o077


# How `terraform plan -detailed-exitcode` ends.
_SAME, _DIFFERS = 0, 2


class NotApplied(Failed):
    """A plan was carried out in part."""


class Busy(NotApplied):
    """The same, since the load balancer was still at work on what came before."""


# The API answers with 403; only the text distinguishes it from another refusal.
_BUSY = re.compile(r"processes\s+previous\s+actions")


class Terraform:
    """Terraform in the folder of the configuration."""

    def __init__(self, settings: TerraformSettings) -> None:
        need("terraform")
        close(settings)
        self.settings = settings
        self._folder = settings.path

    def _command(self, verb: str, *arguments: str | Path) -> list[str | Path]:
        # By default Terraform writes colours into files and pipes, too.
        plain = [] if terminal.in_colour() else ["-no-color"]
        return ["terraform", f"-chdir={self._folder}", *verb.split(), *plain, *arguments]

    def _run(
        self,
        verb: str,
        *arguments: str | Path,
        shows: Callable[[str], bool] = lambda _line: True,
        **variables: str,
    ) -> tuple[bool, str]:
        """Run it and print the lines that `shows` picks; whether it succeeded, and all lines."""
        process = subprocess.Popen(
            self._command(verb, *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | variables,
            umask=_ONLY_MINE,
        )
        printed: list[str] = []

        def read() -> int:
            for line in process.stdout or ():
                printed.append(line)
                if shows(line):
                    terminal.raw(line)
            return process.wait()

        try:
            return read() == 0, "".join(printed)
        except BaseException as end:
            # Killed, it would lose what it made. Ctrl-C reached it, too: a second would kill it.
            if not isinstance(end, KeyboardInterrupt):
                process.send_signal(signal.SIGINT)
            read()
            raise

    def _ask(self, verb: str, *arguments: str | Path, **variables: str) -> str:
        """What it prints, given `variables`. Where it fails, it has printed why. Raises Failed."""
        done = self._done(verb, *arguments, **variables)
        if done.returncode != 0:
            raise Failed(f"terraform {verb} failed; its reason is above.", "Nothing was changed.")
        return done.stdout

    def _done(
        self, verb: str, *arguments: str | Path, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(verb, *arguments),
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | variables,
            umask=_ONLY_MINE,
        )

    def init(self) -> None:
        """Fetch the provider. Prints only what is downloaded."""
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
            arguments = ("-input=false", f"-out={file}")
            more = {"TF_IN_AUTOMATION": "1"} | variables
            if not self._run("plan", *arguments, shows=_without_attributes(), **more)[0]:
                raise Failed("terraform plan failed; its reason is above.", "Nothing was changed.")
            yield Plan(file, read_plan(self._ask("show", "-json", file)))

    @contextmanager
    def compare(self) -> Iterator[Plan]:
        """What Terraform would do, for a comparison: nothing is shown, and nothing is locked."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "plan"
            arguments = ("-input=false", "-lock=false", "-detailed-exitcode", f"-out={file}")
            status = self._done("plan", *arguments).returncode
            if status not in (_SAME, _DIFFERS):
                raise Failed("terraform plan failed; its reason is above.", "Nothing was changed.")
            yield Plan(file, read_plan(self._ask("show", "-json", file)), status == _DIFFERS)

    def show(self, plan: Plan) -> None:
        """Print a plan, as Terraform words it."""
        terminal.raw(self._ask("show", plan.file))

    def import_resource(self, address: str, key: str, bucket: str = "") -> None:
        """Note in the state what the account has already; nothing there changes. Raises Failed.

        `bucket` is the Space's name, if that is it: of all else, the keys to it need not be known.
        """
        try:
            self._ask("import", "-input=false", address, key, TF_VAR_backup_bucket=bucket)
        except Failed as failed:
            raise Failed(
                f"Terraform could not import {address} ({key}); its reason is above.",
                "Nothing in your account was changed. Fix it, then run the same command again: it "
                "goes on where it stopped.",
            ) from failed

    def make_only(self, address: str) -> None:
        """Make this one thing, if it is not there. Raises Failed."""
        self._ask("apply", "-input=false", "-auto-approve", f"-target={address}")

    def remove_from_state(self, address: str) -> None:
        """Take out of the state what is no longer in the account. Raises Failed."""
        self._ask("state rm", address)

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
        made = [one.name for one in resources(self.settings) if one.kind == BUCKET]
        more = {"TF_VAR_backup_bucket": made[0]} if made else {}
        command = self._command("destroy", "-input=false", "-auto-approve", *targets)
        env = os.environ | more
        return subprocess.run(command, check=False, env=env, umask=_ONLY_MINE).returncode == 0

    def secrets(self, name: str) -> dict[str, str]:
        """An output of several secret values; empty if it is not set. None of it is shown."""
        value = json.loads(self._ask("output", "-json")).get(name, {}).get("value")
        return dict(value or {})

    def show_what_there_is(self) -> None:
        """List the resources in the state. Raises Failed."""
        terminal.raw(self._ask("state list"))


def _without_attributes() -> Callable[[str], bool]:
    """Which lines of a plan are shown: of a new resource only its name."""
    inside = False

    def shows(line: str) -> bool:
        nonlocal inside
        was_inside = inside
        if " will be created" in line:
            inside = True
            return True
        if re.match(r"(\x1b\[[0-9;]*m)*    }", line):
            inside = False
        return not was_inside

    return shows


# Where Terraform found the value of a variable: in the environment, by default, or in a file.
_NAMED_IN = re.compile(
    r'value for var\.(\w+)|^variables\.tf variable "(\w+)"|^\S+\.tfvars\S* (\w+) *='
)


def refused_variables(settings: TerraformSettings) -> dict[str, str]:
    """The variables whose values Terraform would refuse, and why; nothing is asked of the API.

    The path of the public key is left out: it may be relative to Terraform's folder.
    """
    folder = settings.path
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
