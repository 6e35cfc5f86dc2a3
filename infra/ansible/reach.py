"""Run a command on the droplet over ssh, as Ansible would reach it, and change nothing here.

    python reach.py [IP]             says whether it lets us in, or why not
    python reach.py explain IP FILE  says what ssh's words in a file mean

Exit status 0 if it lets us in, 1 if it does not or there is none, 2 if the API could
not be asked, 3 if what ssh said may be over in a moment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import deployment
from deployment import verb
from digitalocean_api import CloudError
from ssh_options import accepts_new, known_hosts, options, private_key
from terraform_state import StateError

SECONDS = 5
TRIES = 3


class Unreachable(Exception):
    """The droplet does not let us in: what is wrong, and the one thing that mends it.

    `passing`: it may be over in a moment, so that it is worth another try.
    """

    def __init__(self, problem: str, fix: str, *, passing: bool = False) -> None:
        super().__init__(problem)
        self.fix = fix
        self.passing = passing


def run_on(ip: str, command: str) -> str:
    """What `command` prints on the droplet; it may be run again. Raises Unreachable."""
    for _ in range(TRIES - 1):
        try:
            return _run_once(ip, command)
        except Unreachable as error:
            if not error.passing:
                raise
            time.sleep(1)
    return _run_once(ip, command)


def _run_once(ip: str, command: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        # A copy: a key seen for the first time is Ansible's to remember, not ours.
        copy = Path(folder) / "known_hosts"
        if known_hosts().exists():
            shutil.copyfile(known_hosts(), copy)
        more = {
            "BatchMode": "yes",
            "ConnectTimeout": str(SECONDS),
            "ControlPath": "none",
            # Why a server hangs up before the login is said only to who asks for more words.
            "LogLevel": "DEBUG1",
        }
        arguments = [word for name, value in more.items() for word in ("-o", f"{name}={value}")]
        try:
            done = subprocess.run(
                ["ssh", *arguments, *options(copy), f"root@{ip}", command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=6 * SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise explain(ip, "timed out") from None
        except OSError as error:
            raise Unreachable(
                f"ssh cannot be started: {error.strerror}", "sudo apt-get install openssh-client"
            ) from None
    if done.returncode != 0:
        raise explain(ip, done.stderr)
    return done.stdout


def explain(ip: str, said: str) -> Unreachable:
    """What ssh's words mean for the person who sees them."""
    # Of the many words, those that an ssh of few words would say, and the server's own.
    words = [line.strip() for line in said.splitlines() if line.strip()]
    words = [w for w in words if not w.startswith("debug1:") or "banner line" in w]
    lower = "\n".join(words).lower()
    anew = f"If it was made anew: {verb('pipeline')}, on the laptop that deployed"
    if "identification has changed" in lower:
        return Unreachable(
            f"{ip} shows another host key than the one pinned in {known_hosts()}: the droplet was "
            "made anew, or something else answers in its place; nothing was sent",
            f"If you made it anew: ssh-keygen -R {ip} -f '{known_hosts()}'"
            if accepts_new()
            else anew,
        )
    if "host key verification failed" in lower:
        return Unreachable(
            f"No host key of {ip} is pinned in {known_hosts()}, and a new one is not taken: the "
            "droplet was made anew, or something else answers in its place; nothing was sent",
            anew,
        )
    return (
        _about_the_key(ip, lower, anew)
        or _about_the_connection(ip, lower)
        or Unreachable(
            f"ssh to {ip} fails: {words[-1] if words else 'it says nothing'}",
            f"See why: ssh -v root@{ip}",
        )
    )


def _about_the_key(ip: str, lower: str, anew: str) -> Unreachable | None:
    key = private_key()
    if key and any(words in lower for words in ("error in libcrypto", "invalid format")):
        return Unreachable(
            f"{key} is no private key that ssh can read, or its lines end as on Windows",
            f"If it is one: sed -i 's/\\r$//' '{key}'",
        )
    if "too many authentication failures" in lower:
        return Unreachable(
            f"{ip} gave up before your SSH key was offered: your ssh-agent holds too many others",
            "Name the private key it was made with: export ANSIBLE_PRIVATE_KEY_FILE=...",
        )
    if "permission denied" in lower:
        if not accepts_new():
            return Unreachable(f"{ip} does not accept the pipeline's SSH key", anew)
        return Unreachable(
            f"{ip} does not accept your SSH key{f' {key}' if key else ''}",
            "Name the private key it was made with: export ANSIBLE_PRIVATE_KEY_FILE=...",
        )
    return None


def _about_the_connection(ip: str, lower: str) -> Unreachable | None:
    if "not allowed at this time" in lower:
        return Unreachable(
            f"{ip} refuses your address for a while: logins from it have failed too often",
            f"Wait a minute, then see what is wrong with the login: {verb('doctor')}",
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
            f"Wait a minute, then look again: {verb('doctor')}",
            passing=True,
        )
    return None


def _print(ip: str, error: Unreachable) -> None:
    print(f"The droplet at {ip} does not let you in: {error}.\n{error.fix}")


def main(ip: str = "") -> int:
    """Return the exit status."""
    ip = ip or os.environ.get("DROPLET_IP", "")
    try:
        if not ip:
            droplet = deployment.find()
            if droplet is None:
                print("There is no droplet.")
                return 1
            if not droplet.ip:
                print(f"The droplet {droplet} is not ready yet.")
                return 1
            ip = droplet.ip
        run_on(ip, "true")
    except (CloudError, StateError) as error:
        print(error, file=sys.stderr)
        return 2
    except Unreachable as error:
        _print(ip, error)
        return 1
    print(f"The droplet at {ip} answers over ssh.")
    return 0


def main_explain(ip: str, file: str) -> int:
    """Return the exit status."""
    error = explain(ip, Path(file).read_text(errors="replace") if Path(file).exists() else "")
    _print(ip, error)
    return 3 if error.passing else 1


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main_explain(*words[1:3]) if words[:1] == ["explain"] else main(*words[:1]))
