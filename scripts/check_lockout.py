"""Whether a Terraform plan closes the droplet's ssh port to whoever applies it.

    terraform show -json PLAN | python check_lockout.py

Exit status 0: it does not, or nothing can be closed yet. 1: it would, which is explained.
"""

from __future__ import annotations

import ipaddress
import json
import sys
from typing import Any

from digitalocean_api import CloudError, deployment_name, droplets
from reach import Unreachable, run_on


def ssh_sources(plan: dict[str, Any]) -> list[str] | None:
    """The addresses that may reach port 22 after a plan; None if it changes no firewall."""
    for change in plan.get("resource_changes") or []:
        planned = change["change"]
        if change["type"] == "digitalocean_firewall" and planned["actions"] != ["no-op"]:
            rules = (planned.get("after") or {}).get("inbound_rule") or []
            ssh = [rule for rule in rules if rule.get("port_range") == "22"]
            return [address for rule in ssh for address in rule.get("source_addresses") or []]
    return None


def lets_in(sources: list[str], address: str) -> bool:
    """Return whether one of the networks in `sources` holds `address`."""
    mine = ipaddress.ip_address(address)
    return any(mine in ipaddress.ip_network(source, strict=False) for source in sources)


def my_address() -> str | None:
    """The address that the droplet sees us come from; None if there is no way to ask."""
    try:
        found = [droplet.ip for droplet in droplets(deployment_name()) if droplet.ip]
        return run_on(found[0], "echo ${SSH_CONNECTION%% *}").strip() if found else None
    except (CloudError, Unreachable):
        return None


def main() -> int:
    """Return the exit status."""
    sources = ssh_sources(json.load(sys.stdin))
    if sources is None:
        return 0
    mine = my_address()
    if not mine or lets_in(sources, mine):
        return 0
    single = ipaddress.ip_network(mine)  # as CIDR, which Terraform wants
    print(
        f"Refused: this plan lets only {', '.join(sources)} in by ssh, and you come from {mine}.\n"
        "You would lock yourself out, so nothing was changed.\n"
        f"Add your own: export TF_VAR_allowed_ssh_addresses='"
        f"{json.dumps([*sources, str(single)])}'",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
