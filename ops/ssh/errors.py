"""What ssh's own words mean for the person who sees them: what is wrong, and what mends it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ops.console.errors import Failed
from ops.console.programs import output_of
from ops.console.settings import Settings

# How ssh's lines begin that say how it works and how much it has sent.
_DEBUG_WORDS = (
    "debug1:",
    "OpenSSH_",
    "Authenticated to",
    "Transferred:",
    "Bytes per second:",
    "Warning: Permanently added",
)


class Unreachable(Failed):
    """The droplet does not let us in. `passing`: it may be over in a moment."""

    def __init__(self, what: str, *then: str, passing: bool = False) -> None:
        super().__init__(what, *then)
        self.passing = passing


class NotAsked(Failed):
    """Whether the droplet lets us in could not be asked: ssh would need a person for the key.

    It is none of Unreachable, on purpose: nothing is given up, turned off or removed on the
    strength of a question that was not asked.
    """


def ssh_quoted(path: Path) -> str:
    """A path as ssh's settings want it: a space begins another one there, a % a word of its own."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


def not_asked(settings: Settings, ip: str, said: str) -> NotAsked | None:
    """Whether a check's refusal says nothing, since the key has a passphrase that no agent knows.

    A check asks nobody; what is run for a person does.
    """
    lower = said.lower()
    refused = "agent refused operation" in lower
    if not refused and "permission denied" not in lower:
        return None
    if not (locked := _locked_keys(settings, ip)) and not refused:
        return None
    key = str(locked[0]) if locked else "the key"
    name = f" {key}" if locked else ""
    why = "has a passphrase, and no ssh-agent holds it" if locked else "is refused by the ssh-agent"
    return NotAsked(
        f"Whether the droplet at {ip} lets you in could not be checked: {key} {why}.",
        f"Give it to the agent, then run the same command again: ssh-add{name}",
        *(() if os.environ.get("SSH_AUTH_SOCK") else ("No agent runs: eval $(ssh-agent) first.",)),
    )


def _locked_keys(settings: Settings, ip: str) -> list[Path]:
    """The private keys that ssh would try, which have a passphrase, and are in no agent."""
    if settings.key:
        tried = [settings.key]
    else:
        told = (output_of("ssh", "-G", "-F", "none", f"root@{ip}") or "").splitlines()
        words = [line.partition(" ") for line in told]
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


def without_debug_words(said: str) -> list[str]:
    """The lines that an ssh of few words would print, and the server's own; none is empty."""
    words = [line.strip() for line in said.splitlines() if line.strip()]
    return [w for w in words if not w.startswith(_DEBUG_WORDS) or "banner line" in w]


def explain(settings: Settings, ip: str, said: str) -> Unreachable:
    """Why a connection was not made. `said` is what ssh printed, its debug words included."""
    words = without_debug_words(said)
    lower = "\n".join(words).lower()
    return (
        _about_the_host(settings, ip, lower)
        or _about_the_key(settings, ip, lower)
        or _about_the_connection(settings, ip, lower)
        or Unreachable(
            f"ssh to {ip} fails: {words[-1] if words else 'it says nothing'}",
            f"See why: ssh -v -F none root@{ip}",
        )
    )


def _anew(settings: Settings) -> str:
    return f"If it was made anew: {settings.verb('pipeline')}, on the laptop that deployed"


def _about_the_host(settings: Settings, ip: str, lower: str) -> Unreachable | None:
    trusted = settings.accept_new == "yes"
    if "identification has changed" in lower:
        return Unreachable(
            f"{ip} shows another host key than the one pinned in {settings.pins}: the droplet was "
            "made anew, or something else answers in its place; nothing was sent",
            f"If you made it anew: ssh-keygen -R {ip} -f '{settings.pins}'"
            if trusted
            else _anew(settings),
        )
    if "host key verification failed" in lower:
        return Unreachable(
            f"No host key of {ip} is pinned in {settings.pins}, and a new one is not taken: the "
            "droplet was made anew, or something else answers in its place; nothing was sent",
            _anew(settings),
        )
    return None


def _about_the_key(settings: Settings, ip: str, lower: str) -> Unreachable | None:
    key, name_it = settings.key, "export ANSIBLE_PRIVATE_KEY_FILE=..."
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
        if settings.accept_new != "yes":
            return Unreachable(f"{ip} does not accept the pipeline's SSH key", _anew(settings))
        return Unreachable(
            f"{ip} does not accept your SSH key{f' {key}' if key else ''}",
            f"Name the private key it was made with: {name_it}",
        )
    return None


def _about_the_connection(settings: Settings, ip: str, lower: str) -> Unreachable | None:
    if "not allowed at this time" in lower:
        return Unreachable(
            f"{ip} refuses your address for a while: logins from it have failed too often",
            f"Wait a minute, then see what is wrong with the login: {settings.verb('doctor')}",
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
            f"Wait a minute, then look again: {settings.verb('doctor')}",
            passing=True,
        )
    return None
