"""What Ansible would change on the droplets: its check mode changes nothing."""

from __future__ import annotations

import re

from ops.console.errors import Failed
from ops.console.make import make
from ops.console.programs import shown
from ops.console.settings import Settings
from ops.provision import ansible


def differs(settings: Settings) -> bool:
    """Print every task that would change something; whether there is any. Raises Failed."""
    command = ["ansible-playbook", "--check", "--diff", str(ansible.FOLDER / "site.yml")]
    only_changes = {"ANSIBLE_DISPLAY_OK_HOSTS": "no"}
    status, printed = shown(command, env=ansible.environment(settings) | only_changes)
    if status != 0 or "PLAY RECAP" not in printed:
        raise Failed(
            "Ansible could not look at all of the droplet; its reason is above.",
            f"Fix it, then run the same command again: {make('drift')}",
        )
    return re.search(r"\bchanged=[1-9]", printed) is not None
