"""The load balancer before several droplets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ops.cloud.api import Cloud


@dataclass(frozen=True)
class Balancer:
    """Its address, whether it speaks HTTPS, and how fast it notices that a droplet is not well.

    After `seconds_to_notice` at most it sends no visitor to that droplet.
    """

    ip: str
    is_secure: bool
    seconds_to_notice: int = 0


def find(cloud: Cloud, tag: str) -> Balancer | None:
    """The balancer before the droplets with this tag; None if there is none yet."""
    for one in cloud.listed("load_balancers", "load_balancers"):
        if one.get("tag") == tag and one.get("ip"):
            rules = one.get("forwarding_rules") or []
            secure = any(rule["entry_protocol"] == "https" for rule in rules)
            return Balancer(one["ip"], secure, _seconds_to_notice(one.get("health_check") or {}))
    return None


def _seconds_to_notice(health: dict[str, Any]) -> int:
    every = int(health.get("check_interval_seconds") or 10)
    patience = int(health.get("response_timeout_seconds") or 5)
    return int(health.get("unhealthy_threshold") or 3) * (every + patience)
