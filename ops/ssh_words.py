"""What ssh's own words mean for the person who sees them: what is wrong, and what mends it."""

from __future__ import annotations

from pathlib import Path

from ops.errors import Failed
from ops.settings import Settings

# How ssh's lines begin that say how it works and how much it has sent.
_DEBUG_WORDS = ("debug1:", "OpenSSH_", "Authenticated to", "Transferred:", "Bytes per second:")


class Unreachable(Failed):
    """The droplet does not let us in. `passing`: it may be over in a moment."""

    def __init__(self, what: str, *then: str, passing: bool = False) -> None:
        super().__init__(what, *then)
        self.passing = passing


def ssh_quoted(path: Path) -> str:
    """A path as ssh's settings want it: a space begins another one there, a % a word of its own."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


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
            f"See why: ssh -v root@{ip}",
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
