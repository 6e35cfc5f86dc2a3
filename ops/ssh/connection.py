"""SSH to a droplet: every verb, every check and Ansible use these options.

The host key is pinned at the first connection and checked ever after. If a key is named, no other
is offered. ~/.ssh/config is not read: a `Host *` there could offer other keys or go through another
host. SSH_OPTIONS adds options. A connection that was never made is tried again; one that broke is
not, since the command may have run.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

from ops.console import terminal
from ops.console.errors import AlreadyPrinted, Failed
from ops.console.make import make
from ops.console.programs import need
from ops.console.settings import SshSettings
from ops.ssh.errors import Unreachable, explain, not_asked, ssh_quoted, without_debug_words

Made = TypeVar("Made")
TRIES = 3
ENDED_BY_SSH = 255
KILLED = (128 + signal.SIGKILL, 128 + signal.SIGTERM)
_QUICK = 5  # seconds until a check gives up


@dataclass(frozen=True)
class Answer:
    """What a command on the droplet ended with, and what it printed if that was asked for."""

    status: int
    printed: str = ""


# ssh reads neither ~/.ssh/config nor /etc/ssh/ssh_config.
NO_CONFIG = ("-F", "none")
# A tunnel that SSH_OPTIONS opens is for the verb's own command, not for each connection beside it.
NO_TUNNELS = ("-o", "ClearAllForwardings=yes")


def options(ssh: SshSettings, known_hosts: Path | None = None) -> list[str]:
    """The options of every ssh. `known_hosts`: pin host keys in this file instead.

    The person's own SSH_OPTIONS come last: ssh takes the first value of each option.
    """
    chosen = {
        "UserKnownHostsFile": ssh_quoted(known_hosts or ssh.pinned),
        "StrictHostKeyChecking": "accept-new" if ssh.accept_new == "yes" else "yes",
        "ConnectTimeout": "15",
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "3",
        "ForwardAgent": "no",  # root there could use your keys
    }
    if key := ssh.key:
        # A server listens to six keys at most, and an agent may hold more.
        chosen |= {"IdentityFile": ssh_quoted(key), "IdentitiesOnly": "yes"}
    words = [word for name, value in chosen.items() for word in ("-o", f"{name}={value}")]
    return [*NO_CONFIG, *words, *shlex.split(ssh.options)]


def forget_host(ssh: SshSettings, ip: str | None) -> None:
    """Unpin an address: another machine may get it, with another host key."""
    if ip and ssh.pinned.exists():
        subprocess.run(
            ["ssh-keygen", "-q", "-R", ip, "-f", ssh.pinned],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def pinned_lines(ip: str, known_hosts: Path) -> list[str]:
    """The lines, plain or hashed, by which host keys are pinned for this address."""
    done = subprocess.run(
        ["ssh-keygen", "-F", ip, "-f", known_hosts], capture_output=True, text=True, check=False
    )
    return [line for line in done.stdout.splitlines() if not line.startswith("#")]


def host_keys(lines: Iterable[str]) -> set[str]:
    """The keys in lines of known_hosts, whatever address they are for."""
    return {words[2] for line in lines if len(words := line.split()) > 2}


def _patiently(connect: Callable[[], Made]) -> Made:
    """What `connect` returns; it is tried again after a passing failure."""
    for _ in range(TRIES - 1):
        try:
            return connect()
        except Unreachable as error:
            if not error.passing:
                raise
            terminal.note("ssh did not get in; trying again.")
            time.sleep(1)
    return connect()


class Host:
    """A droplet, as ssh reaches it: root at its address."""

    def __init__(self, ssh: SshSettings, ip: str, name: str = "") -> None:
        self.settings = ssh
        self.ip = ip
        self.name = name

    def run(
        self,
        command: str = "",
        *,
        stdin: IO[bytes] | bytes | None = None,
        stdout: IO[bytes] | int | None = None,
        more: list[str] | None = None,
    ) -> Answer:
        """Run a command there; without one, a shell. Raises Unreachable if it did not start.

        stdin: an open file, or what to send; else this process's own. stdout: a file, or
        subprocess.PIPE to have it in the answer. more: options for ssh.
        """
        try:
            return _patiently(lambda: self._run_once(command, stdin, stdout, more or []))
        except Unreachable as error:
            raise Unreachable(
                f"The droplet at {self.ip} does not accept your login: {error.what}.",
                *error.then,
            ) from error

    def _run_once(
        self,
        command: str,
        stdin: IO[bytes] | bytes | None,
        stdout: IO[bytes] | int | None,
        more: list[str],
    ) -> Answer:
        """One try. What ssh itself prints goes to a log, apart from what the command prints."""
        need("ssh")
        with tempfile.TemporaryDirectory() as folder:
            # ssh makes the second file after the login: what fails before that has sent nothing.
            log, logged_in = Path(folder) / "log", Path(folder) / "in"
            process = subprocess.Popen(
                [
                    *("ssh", "-E", str(log), "-o", "LogLevel=DEBUG1", "-o", "ControlPath=none"),
                    *("-o", "PermitLocalCommand=yes", "-o", 'LocalCommand=touch "$SSH_IS_IN"'),
                    *options(self.settings),
                    *more,
                    f"root@{self.ip}",
                    *([_with_its_own_status(command)] if command else []),
                ],
                stdin=subprocess.PIPE if isinstance(stdin, bytes) else stdin,
                stdout=stdout,
                env=os.environ | {"SSH_IS_IN": str(logged_in)},
            )
            try:
                printed, _ = process.communicate(stdin if isinstance(stdin, bytes) else None)
            except BaseException:
                # Ctrl-C reached ssh, too; whatever else ended this ends it, and so the command.
                process.terminate()
                process.wait()
                raise
            if process.returncode == ENDED_BY_SSH:
                text = log.read_text(errors="replace") if log.exists() else ""
                if not logged_in.exists():
                    raise explain(self.settings, self.ip, text)
                raise _why_it_broke(self.ip, text)
        if process.returncode in KILLED:
            raise Failed(
                f"The command was killed on the droplet (signal {process.returncode - 128}): by "
                "hand, or for want of memory.",
                f"See what is live, and how much memory there is: {make('status')}",
            )
        return Answer(process.returncode, (printed or b"").decode(errors="replace"))

    def must(self, command: str, *, stdin: IO[bytes] | bytes | None = None) -> str:
        """What a command prints there. Raises AlreadyPrinted if it fails."""
        answer = self.run(command, stdin=stdin, stdout=subprocess.PIPE)
        if answer.status != 0:
            raise AlreadyPrinted
        return answer.printed

    def show(
        self, command: str, *, stdin: IO[bytes] | bytes | None = None, more: list[str] | None = None
    ) -> None:
        """Run a command there and let it be read. Raises AlreadyPrinted if it fails."""
        if self.run(command, stdin=stdin, more=more).status != 0:
            raise AlreadyPrinted

    def ask(self, command: str) -> str:
        """What a command prints there, for a check: it pins nothing, asks nothing, gives up soon.

        It may be run again. Raises Unreachable; and NotAsked, where the key would need a person.
        """
        return _patiently(lambda: self._ask_once(command))

    def _ask_once(self, command: str) -> str:
        need("ssh")
        more = {
            "BatchMode": "yes",
            "ConnectTimeout": str(_QUICK),
            "ControlPath": "none",
            # Without it, ssh does not print why a server hangs up before the login.
            "LogLevel": "DEBUG1",
        }
        words = [*NO_TUNNELS, *(f"-o{name}={value}" for name, value in more.items())]
        with tempfile.TemporaryDirectory() as folder:
            # On a copy: a check must not pin a key.
            copy = Path(folder) / "known_hosts"
            if self.settings.pinned.exists():
                shutil.copyfile(self.settings.pinned, copy)
            try:
                done = subprocess.run(
                    ["ssh", *words, *options(self.settings, copy), f"root@{self.ip}", command],
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    errors="replace",
                    check=False,
                    timeout=6 * _QUICK,
                )
            except subprocess.TimeoutExpired:
                raise explain(self.settings, self.ip, "timed out") from None
        if done.returncode == ENDED_BY_SSH:
            error = not_asked(self.settings, self.ip, done.stderr)
            raise error or explain(self.settings, self.ip, done.stderr)
        if done.returncode != 0:
            *_, last = ["it prints no reason", *without_debug_words(done.stderr)]
            raise Unreachable(
                f"{self.ip} accepts your login, but a command fails there with status "
                f"{done.returncode}: {last}",
                f"See what is wrong there: {make('status')}",
            )
        return done.stdout


def _with_its_own_status(command: str) -> str:
    """The command, so that its own end is distinguished from that of the connection.

    One that is killed would look like a lost connection; the message of the shell around it
    ("Killed") helps nobody. It also knows how a verb that it names has to be typed here.
    """
    suffix = shlex.quote(os.environ.get("VERB_SUFFIX", ""))
    quiet = f"{{ ( {command}\n) 2>&3 3>&-; }} 3>&2 2>/dev/null"
    return f"export VERB_SUFFIX={suffix}\n{quiet}\nexit $?"


def _why_it_broke(ip: str, log: str) -> BaseException:
    """Why a connection ended before its command. `log` is what ssh printed."""
    if "remote port forwarding failed" in log:
        return Failed(
            "Another release is running: its tunnel to a registry holds the droplet's port.",
            f"Wait until it is done ({make('releases')} shows it), then run this one again.",
        )
    if any(line.startswith("Killed by signal 2") for line in log.splitlines()):
        return KeyboardInterrupt()
    begins = ("Connection", "Timeout", "Received", "Read from", "client_loop")
    for line in [line for line in log.splitlines() if line.startswith(begins)][-1:]:
        terminal.note(line)
    return Failed(
        f"The ssh connection to the droplet at {ip} was lost.",
        f"Once it is back, see what is live: {make('status')}",
    )
