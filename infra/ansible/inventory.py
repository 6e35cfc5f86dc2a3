#!/usr/bin/env python3
"""Ansible's inventory: the droplets that carry this deployment's tag.

Asking the API instead of Terraform's state gives a laptop and a pipeline the
same answer, and the pipeline needs no state.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from digitalocean_api import CloudError, deployment_name, droplets

HERE = Path(__file__).resolve().parent


def known_hosts() -> str:
    """Where host keys are remembered at first contact, to be the same ever after."""
    return os.environ.get("SSH_KNOWN_HOSTS") or str(HERE / "known_hosts")


def trust() -> str:
    """Whether a host key that was never seen is taken: at first contact, unless told not to."""
    return "accept-new" if os.environ.get("SSH_ACCEPT_NEW", "yes") == "yes" else "yes"


def inventory() -> dict[str, object]:
    """The inventory in Ansible's JSON form. Raises CloudError."""
    found = [d for d in droplets(deployment_name()) if d.ip]
    return {
        "droplet": {
            "hosts": [d.name for d in found],
            "vars": {
                "ansible_ssh_common_args": (
                    f"-o UserKnownHostsFile='{known_hosts()}' -o StrictHostKeyChecking={trust()}"
                ),
            },
        },
        "_meta": {"hostvars": {d.name: {"ansible_host": d.ip} for d in found}},
    }


if __name__ == "__main__":
    try:
        print(json.dumps(inventory(), indent=2))
    except CloudError as error:
        sys.exit(str(error))
