"""DigitalOcean's cloud firewall as an nftables ruleset in the droplet's own network."""

from __future__ import annotations

import ipaddress
from typing import Any

# Where the droplet keeps it, to be loaded before systemd starts.
PATH = "/etc/digits-rehearsal/firewall.nft"
_TABLE = "inet digits_rehearsal_firewall"
# Priority -150 comes after connection tracking (-200) and before address
# translation (-100): a packet is judged by the port it was sent to, before
# Docker turns it over to a container and past every chain that Docker writes.
_HEAD = f"""\
# The rehearsal's cloud firewall. A real one stands before the droplet.
table {_TABLE}
delete table {_TABLE}
"""
_CHAIN = f"""\
table {_TABLE} {{
    chain inbound {{
        type filter hook prerouting priority -150; policy accept;
        iifname != "eth0" accept
        ct state established,related accept
"""


def ruleset(inbound_rules: list[dict[str, Any]] | None) -> str:
    """The nftables ruleset for these inbound rules; None lets everything in."""
    if inbound_rules is None:
        return _HEAD
    accepted = [line for rule in inbound_rules for line in _accept(rule)]
    body = "".join(f"        {line}\n" for line in [*accepted, "drop"])
    return f"{_HEAD}{_CHAIN}{body}    }}\n}}\n"


def _accept(rule: dict[str, Any]) -> list[str]:
    """A line for each IPv4 network that a rule names; a droplet has no other address here."""
    protocol, ports = rule["protocol"], rule.get("ports", "0")
    every = protocol == "icmp" or ports in ("all", "0")
    match = f"meta l4proto {protocol}" if every else f"{protocol} dport {ports}"
    networks = [ipaddress.ip_network(one, strict=False) for one in rule["sources"]["addresses"]]
    return [f"ip saddr {network} {match} accept" for network in networks if network.version == 4]
