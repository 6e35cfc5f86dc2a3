"""Run a command on the droplet over ssh, as Ansible would reach it, and change nothing here.

`python reach.py` says whether it answers: exit status 0 if it does, 1 if it does
not or there is none, 2 if the API could not be asked.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from digitalocean_api import CloudError, deployment_name, droplets
from inventory import known_hosts

SECONDS = 5


class Unreachable(Exception):
    """The droplet does not let us in: what is wrong, and the one thing that mends it."""

    def __init__(self, problem: str, fix: str) -> None:
        super().__init__(problem)
        self.fix = fix


def run_on(ip: str, command: str) -> str:
    """What `command` prints on the droplet. Raises Unreachable."""
    with tempfile.TemporaryDirectory() as folder:
        # A copy: a key seen for the first time is Ansible's to remember, not ours.
        copy = Path(folder) / "known_hosts"
        if Path(known_hosts()).exists():
            shutil.copyfile(known_hosts(), copy)
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": str(SECONDS),
            "ControlPath": "none",
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": str(copy),
        }
        arguments = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        if key := os.environ.get("ANSIBLE_PRIVATE_KEY_FILE"):
            arguments += ["-i", str(Path(key).expanduser())]
        try:
            done = subprocess.run(
                ["ssh", *arguments, f"root@{ip}", command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=6 * SECONDS,
            )
        except subprocess.TimeoutExpired:
            raise _explain(ip, "timed out") from None
        except OSError as error:
            raise Unreachable(
                f"ssh cannot be started: {error.strerror}", "sudo apt-get install openssh-client"
            ) from None
    if done.returncode != 0:
        raise _explain(ip, done.stderr)
    return done.stdout


def _explain(ip: str, said: str) -> Unreachable:
    """What ssh's words mean for the person who sees them."""
    lower = said.lower()
    if "identification has changed" in lower or "host key verification failed" in lower:
        return Unreachable(
            f"{ip} shows another host key than the one remembered: the droplet was made anew, or "
            "something else answers in its place",
            f"If you made it anew: ssh-keygen -R {ip} -f '{known_hosts()}'",
        )
    if "permission denied" in lower:
        return Unreachable(
            f"{ip} does not accept your SSH key",
            "Name the private key it was made with: export ANSIBLE_PRIVATE_KEY_FILE=...",
        )
    if any(words in lower for words in ("timed out", "refused", "unreachable", "no route")):
        return Unreachable(
            f"{ip} does not answer on port 22: it is still starting, it is off, or a firewall on "
            "the way does not let you through",
            "Wait a minute and try again; then see whether TF_VAR_allowed_ssh_addresses names "
            "your own address",
        )
    last = [line.strip() for line in said.splitlines() if line.strip()]
    return Unreachable(
        f"ssh to {ip} fails: {last[-1] if last else 'it says nothing'}",
        f"See why: ssh -v root@{ip}",
    )


def main() -> int:
    """Return the exit status."""
    try:
        found = [droplet for droplet in droplets(deployment_name()) if droplet.ip]
    except CloudError as error:
        print(error, file=sys.stderr)
        return 2
    if not found:
        print("There is no droplet.")
        return 1
    for droplet in found:
        try:
            run_on(droplet.ip or "", "true")
        except Unreachable as error:
            print(f"The droplet {droplet.name} does not answer: {error}.")
        else:
            print(f"The droplet {droplet.name} ({droplet.ip}) answers over ssh.")
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
