#!/usr/bin/env python3
"""Ansible's inventory: this deployment's droplet, found as every verb finds it."""

from __future__ import annotations

import json
import shlex
import sys

import deployment
from digitalocean_api import CloudError
from ssh_options import options
from terraform_state import StateError


def inventory() -> dict[str, object]:
    """The inventory in Ansible's JSON form. Raises CloudError and StateError."""
    found = deployment.find()
    hosts = {found.name: {"ansible_host": found.ip}} if found and found.ip else {}
    return {
        "droplet": {
            "hosts": list(hosts),
            "vars": {"ansible_ssh_common_args": shlex.join(options())},
        },
        "_meta": {"hostvars": hosts},
    }


if __name__ == "__main__":
    try:
        print(json.dumps(inventory(), indent=2))
    except (CloudError, StateError) as error:
        sys.exit(str(error))
