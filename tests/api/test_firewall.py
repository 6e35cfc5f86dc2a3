"""The rehearsal's droplet keeps DigitalOcean's firewall rules with nftables."""

from __future__ import annotations

from typing import Any

import pytest

from rehearsal.droplet import containers


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ({"protocol": "tcp", "ports": "22"}, "ip saddr 10.0.0.0/8 tcp dport 22 accept"),
        ({"protocol": "udp", "ports": "1-9"}, "ip saddr 10.0.0.0/8 udp dport 1-9 accept"),
        ({"protocol": "tcp", "ports": "all"}, "ip saddr 10.0.0.0/8 meta l4proto tcp accept"),
        ({"protocol": "tcp", "ports": "0"}, "ip saddr 10.0.0.0/8 meta l4proto tcp accept"),
        ({"protocol": "icmp", "ports": "0"}, "ip saddr 10.0.0.0/8 meta l4proto icmp accept"),
        ({"protocol": "icmp"}, "ip saddr 10.0.0.0/8 meta l4proto icmp accept"),
    ],
)
def test_digitalocean_rules_become_nftables_rules(rule: dict[str, Any], line: str) -> None:
    ruleset = containers.ruleset([rule | {"sources": {"addresses": ["10.0.0.0/8"]}}])
    assert f"        {line}\n        drop\n" in ruleset
