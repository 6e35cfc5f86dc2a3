"""DigitalOcean's cloud firewall as an nftables ruleset in the droplet's own network."""

from __future__ import annotations

import ipaddress
from typing import Any

# Where the droplet keeps it, to be loaded before systemd starts.
PATH = "/etc/digits-rehearsal/firewall.nft"
TABLE = "inet digits_rehearsal_firewall"

# Priority -150 comes after connection tracking (-200) and before address
# translation (-100): a packet is judged by the port it was sent to, before
# Docker turns it over to a container and past every chain that Docker writes.
HEAD = f"""\
# The rehearsal's cloud firewall. A real one stands before the droplet.
table {TABLE}
delete table {TABLE}
"""
CHAIN = f"""\
table {TABLE} {{
    chain inbound {{
        type filter hook prerouting priority -150; policy accept;
        iifname != "eth0" accept
        ct state established,related accept
        icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert }} accept
"""


def ruleset(inbound_rules: list[dict[str, Any]] | None) -> str:
    """The nftables ruleset for these inbound rules; None lets everything in."""
    if inbound_rules is None:
        return HEAD
    accepted = [line for rule in inbound_rules for line in _accept(rule)]
    body = "".join(f"        {line}\n" for line in [*accepted, "drop"])
    return f"{HEAD}{CHAIN}{body}    }}\n}}\n"


def _accept(rule: dict[str, Any]) -> list[str]:
    protocol = rule["protocol"]
    sources = rule.get("sources", {})
    unknown = [kind for kind, values in sources.items() if values and kind != "addresses"]
    if unknown:
        raise ValueError(
            f"The rehearsal's firewall knows addresses as sources, not {', '.join(unknown)}."
        )
    networks = [
        ipaddress.ip_network(address, strict=False) for address in sources.get("addresses", [])
    ]
    lines = []
    for version, family, icmp in ((4, "ip", "icmp"), (6, "ip6", "ipv6-icmp")):
        chosen = [str(network) for network in networks if network.version == version]
        if chosen:
            match = icmp_match(icmp) if protocol == "icmp" else port_match(protocol, rule["ports"])
            # Overlapping networks are no error in DigitalOcean's rules; one line each.
            lines += [f"{family} saddr {network} {match} accept" for network in chosen]
    return lines


def icmp_match(name: str) -> str:
    """What matches every message of this ICMP."""
    return f"meta l4proto {name}"


def port_match(protocol: str, ports: str) -> str:
    """What matches "22", "8000-9000", or every port: "all" and "0"."""
    if protocol not in ("tcp", "udp"):
        raise ValueError(f"The rehearsal's firewall knows tcp, udp and icmp, not {protocol!r}.")
    if ports in ("all", "0"):
        return f"meta l4proto {protocol}"
    first, _, last = ports.partition("-")
    numbers = [int(first), int(last or first)]
    return f"{protocol} dport {numbers[0]}-{numbers[1]}" if last else f"{protocol} dport {first}"
