"""What ssh's messages mean: what is wrong, and how to fix it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ops.console.errors import Failed
from ops.console.make import make
from ops.console.programs import output_of
from ops.console.settings import SshSettings

# How the lines begin that ssh prints only with LogLevel=DEBUG.
_DEBUG_WORDS = (
    "debug1:",
    "OpenSSH_",
    "Authenticated to",
    "Transferred:",
    "Bytes per second:",
    "Warning: Permanently added",
)


class Unreachable(Failed):
    """The droplet does not accept the login. `passing`: it may be over in a moment."""

    def __init__(self, what: str, *then: str, passing: bool = False) -> None:
        super().__init__(what, *then)
        self.passing = passing


class NotAsked(Failed):
    """The login could not be checked: ssh would need a person for the key.

    It is not Unreachable, on purpose: a droplet is not turned off or removed because of a check
    that was not made.
    """


def ssh_quoted(path: Path) -> str:
    """A path as ssh's settings want it: a space would begin another path, a % an escape."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


def not_asked(ssh: SshSettings, ip: str, printed: str) -> NotAsked | None:
    """Whether the check could not be made, since the key has a passphrase that no agent knows.

    A check never asks for a passphrase; a command that a person started does.
    """
    lower = printed.lower()
    refused = "agent refused operation" in lower
    if not refused and "permission denied" not in lower:
        return None
    if not (locked := _locked_keys(ssh, ip)) and not refused:
        return None
    key = str(locked[0]) if locked else "the key"
    name = f" {key}" if locked else ""
    why = "has a passphrase, and no ssh-agent holds it" if locked else "is refused by the ssh-agent"
    return NotAsked(
        f"Whether the droplet at {ip} accepts your login could not be checked: {key} {why}.",
        f"Give it to the agent, then run the same command again: ssh-add{name}",
        *(() if os.environ.get("SSH_AUTH_SOCK") else ("No agent runs: eval $(ssh-agent) first.",)),
    )


def _locked_keys(ssh: SshSettings, ip: str) -> list[Path]:
    """The private keys that ssh would try, which have a passphrase, and are in no agent."""
    if ssh.key:
        tried = [ssh.key]
    else:
        configured = (output_of("ssh", "-G", "-F", "none", f"root@{ip}") or "").splitlines()
        words = [line.partition(" ") for line in configured]
        tried = [Path(v).expanduser() for name, _, v in words if name == "identityfile"]
    held = output_of("ssh-add", "-l") or ""
    return [
        key
        for key in tried
        if key.is_file() and _has_passphrase(key) and _fingerprint(key) not in held
    ]


def _has_passphrase(key: Path) -> bool:
    done = subprocess.run(
        ["ssh-keygen", "-y", "-P", "", "-f", key],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LC_ALL": "C"},
    )
    return done.returncode != 0 and "passphrase" in done.stderr


def _fingerprint(key: Path) -> str:
    words = (output_of("ssh-keygen", "-l", "-f", str(key)) or "").split()
    return words[1] if len(words) > 1 else "unknown"


def without_debug_words(printed: str) -> list[str]:
    """The lines that ssh would print without LogLevel=DEBUG, and the server's own."""
    words = [line.strip() for line in printed.splitlines() if line.strip()]
    return [w for w in words if not w.startswith(_DEBUG_WORDS) or "banner line" in w]


def explain(ssh: SshSettings, ip: str, printed: str) -> Unreachable:
    """Why a connection was not made. `printed` is what ssh printed, its debug words included."""
    words = without_debug_words(printed)
    lower = "\n".join(words).lower()
    return (
        _about_the_host(ssh, ip, lower)
        or _about_the_key(ssh, ip, lower)
        or _about_the_connection(ip, lower)
        or Unreachable(
            f"ssh to {ip} fails: {words[-1] if words else 'it says nothing'}",
            f"See why: ssh -v -F none root@{ip}",
        )
    )


def _if_recreated() -> str:
    return f"If it was recreated: {make('pipeline')}, on the laptop that deployed"


def _about_the_host(ssh: SshSettings, ip: str, lower: str) -> Unreachable | None:
    trusted = ssh.accept_new == "yes"
    if "identification has changed" in lower:
        return Unreachable(
            f"{ip} shows another host key than the one pinned in {ssh.pinned}: the droplet was "
            "recreated, or something else answers in its place; nothing was sent",
            f"If you recreated it: ssh-keygen -R {ip} -f '{ssh.pinned}'"
            if trusted
            else _if_recreated(),
        )
    if "host key verification failed" in lower:
        return Unreachable(
            f"No host key of {ip} is pinned in {ssh.pinned}, and a new one is not taken: the "
            "droplet was recreated, or something else answers in its place; nothing was sent",
            _if_recreated(),
        )
    return None


def _about_the_key(ssh: SshSettings, ip: str, lower: str) -> Unreachable | None:
    key, name_it = ssh.key, "export ANSIBLE_PRIVATE_KEY_FILE=..."
    if key and any(words in lower for words in ("error in libcrypto", "invalid format")):
        return Unreachable(
            f"{key} is no private key that ssh can read, or its lines end as on Windows",
            f"If it is one: sed -i 's/\\r$//' '{key}'",
        )
    if "too many authentication failures" in lower:
        return Unreachable(
            f"{ip} gave up before your SSH key was offered: your ssh-agent holds too many others",
            f"Name the private key it was made with: {name_it}",
        )
    if "permission denied" in lower:
        if ssh.accept_new != "yes":
            return Unreachable(f"{ip} does not accept the pipeline's SSH key", _if_recreated())
        return Unreachable(
            f"{ip} does not accept your SSH key{f' {key}' if key else ''}",
            f"Name the private key it was made with: {name_it}",
        )
    return None


def _about_the_connection(ip: str, lower: str) -> Unreachable | None:
    if "not allowed at this time" in lower:
        return Unreachable(
            f"{ip} refuses your address for a while: logins from it have failed too often",
            f"Wait a minute, then see what is wrong with the login: {make('doctor')}",
        )
    gone = ("timed out", "unreachable", "no route")
    if "connection refused" in lower or any(words in lower for words in gone):
        return Unreachable(
            f"{ip} does not answer on port 22: it is still starting, it is off, or a firewall on "
            "the way does not let you through",
            "Wait a minute and try again; then see whether TF_VAR_allowed_ssh_addresses names "
            "your own address",
            passing="connection refused" in lower,
        )
    # "kex_exchange_identification: read: Connection reset by peer", and its relatives.
    cut = ("kex_exchange", "banner exchange", "connection reset", "connection closed")
    if any(words in lower for words in cut):
        return Unreachable(
            f"{ip} hangs up before the login: sshd there is starting or has too many logins at "
            "once, or something on the way cuts the connection",
            f"Wait a minute, then look again: {make('doctor')}",
            passing=True,
        )
    return None
