"""Refuses a plan that closes the droplet's ssh port to the person who applies it."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import SshSettings
from ops.ssh.connection import Host
from ops.ssh.errors import Unreachable

SSH = 22


def _changes(plan: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """What a plan does to the resources of a kind, those that stay as they are included."""
    kind = f"digitalocean_{kind}"
    changes = plan.get("resource_changes") or []
    return [change["change"] for change in changes if change["type"] == kind]


def the_droplet(plan: dict[str, Any]) -> dict[str, Any] | None:
    """The droplet that the plan was made for, as it is now; None before the first deployment."""
    there = [change["before"] for change in _changes(plan, "droplet") if change.get("before")]
    return there[0] if there else None


def lets_ssh_in(rule: dict[str, Any]) -> bool:
    """Whether a rule is about ssh's port: "22", "20-25", "all"."""
    if str(rule.get("protocol", "")).lower() != "tcp":
        return False
    ports = str(rule.get("port_range") or "")
    if ports in ("all", "0"):
        return True
    first, _, last = ports.partition("-")
    return first.isdigit() and int(first) <= SSH <= int(last or first)


def _guards(firewall: dict[str, Any], droplet: dict[str, Any]) -> bool:
    """Whether a firewall stands before the droplet after the plan."""
    unknown = firewall.get("after_unknown") or {}
    if unknown.get("droplet_ids") or unknown.get("tags"):
        return True  # a droplet that is recreated has no number yet
    after = firewall["after"]
    by_number = str(droplet.get("id")) in map(str, after.get("droplet_ids") or [])
    return by_number or bool({*(after.get("tags") or [])} & {*(droplet.get("tags") or [])})


def ssh_sources(plan: dict[str, Any], droplet: dict[str, Any]) -> list[str] | None:
    """The addresses that may reach the droplet's ssh after a plan; None if that does not change.

    Several firewalls before one droplet admit what any of them admits; without one
    everybody is admitted.
    """
    firewalls = _changes(plan, "firewall")
    if all(firewall["actions"] == ["no-op"] for firewall in firewalls):
        return None
    guards = [wall for wall in firewalls if wall.get("after") and _guards(wall, droplet)]
    if not guards:
        return None
    rules = [rule for wall in guards for rule in wall["after"].get("inbound_rule") or []]
    return sorted(
        {source for rule in rules if lets_ssh_in(rule) for source in rule["source_addresses"] or []}
    )


def lets_in(sources: list[str], address: str) -> bool:
    """Return whether one of the networks in `sources` holds `address`."""
    mine = ipaddress.ip_address(address)
    return any(mine in ipaddress.ip_network(source, strict=False) for source in sources)


def my_address(host: Host) -> str | None:
    """The address that the droplet sees us come from; None if the droplet does not answer."""
    try:
        words = host.ask("echo ${SSH_CONNECTION%% *}").split()
        seen = ipaddress.ip_address(words[-1])
    except (Unreachable, LookupError, ValueError):
        return None
    # An IPv4 address that a socket of both kinds has written as one of IPv6.
    return str(getattr(seen, "ipv4_mapped", None) or seen)


def refuse(ssh: SshSettings, plan: dict[str, Any]) -> None:
    """Raises Failed if the plan would lock us out, or if your key kept it from being checked.

    Nothing can be closed before the first one.
    """
    there = the_droplet(plan)
    sources = ssh_sources(plan, there) if there else None
    if there is None or sources is None or not there.get("ipv4_address"):
        return
    mine = my_address(Host(ssh, there["ipv4_address"]))
    if not mine:
        terminal.note(
            "Whether this plan locks you out of ssh was not checked: the droplet did not print "
            "which "
            f"address you come from. It admits: {', '.join(sources) or 'nobody'}."
        )
        return
    if lets_in(sources, mine):
        return
    single = ipaddress.ip_network(mine)  # as CIDR, which Terraform wants
    raise Failed(
        f"Refused: this plan lets {'only ' + ', '.join(sources) if sources else 'nobody'} in by "
        f"ssh, and you come from {mine}.",
        "You would lock yourself out, so nothing was changed.",
        f"Add your own: export TF_VAR_allowed_ssh_addresses="
        f"'{json.dumps([*sources, str(single)])}'",
    )
