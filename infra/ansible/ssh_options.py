"""How every ssh connection to the droplet is made: Ansible's, the scripts' and the checks'.

    python ssh_options.py    the options, one argument a line

Settings come from the environment:
  SSH_KNOWN_HOSTS           the file of the pinned host keys (infra/ansible/known_hosts)
  SSH_ACCEPT_NEW            no: a host key has to be pinned beforehand, as in the pipeline
  ANSIBLE_PRIVATE_KEY_FILE  the private key that opens the droplet; no other is offered
"""

from __future__ import annotations

import os
from pathlib import Path

HERE = Path(__file__).resolve().parent


def known_hosts() -> Path:
    """Where host keys are pinned at first contact, to be the same ever after."""
    return Path(os.environ.get("SSH_KNOWN_HOSTS") or HERE / "known_hosts").absolute()


def accepts_new() -> bool:
    """Whether a host key that was never seen is taken: at first contact, unless told not to."""
    return (os.environ.get("SSH_ACCEPT_NEW") or "yes") == "yes"


def private_key() -> Path | None:
    """The private key that was named, if one was."""
    named = os.environ.get("ANSIBLE_PRIVATE_KEY_FILE")
    return Path(named).expanduser() if named else None


def quoted(path: Path) -> str:
    """A path as ssh's settings want it: a space begins another one there, a % a word of its own."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{text}"'


def options(pins: Path | None = None) -> list[str]:
    """What stands behind `ssh`. Host keys are remembered in `pins` instead, if it is given."""
    settings = {
        "UserKnownHostsFile": quoted(pins or known_hosts()),
        "StrictHostKeyChecking": "accept-new" if accepts_new() else "yes",
        "ConnectTimeout": "15",
        "ServerAliveInterval": "10",
        "ServerAliveCountMax": "3",
    }
    if key := private_key():
        # A server listens to six keys at most, and an agent may hold more.
        settings |= {"IdentityFile": quoted(key), "IdentitiesOnly": "yes"}
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


if __name__ == "__main__":
    print("\n".join(options()))
