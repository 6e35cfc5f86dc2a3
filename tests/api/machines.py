"""Machines with nothing behind them, for tests of the API and of what talks to it.

They answer at once, and write what they were asked into the server's log, where tests see it.
"""

from __future__ import annotations

import json
import time
from typing import Any

from rehearsal.api.store import LOG

_CA = "-----BEGIN CERTIFICATE-----\nof no authority\n-----END CERTIFICATE-----\n"


class FakeDriver:
    """Its addresses are documentation addresses (RFC 5737), where nothing ever answers.

    A droplet named "broken" cannot be made.
    """

    def __init__(self, seconds_to_boot: float = 0.05) -> None:
        self.seconds_to_boot = seconds_to_boot

    def create(self, droplet: dict[str, Any]) -> str:
        time.sleep(self.seconds_to_boot)
        if droplet["name"] == "broken":
            raise RuntimeError("this droplet was asked to be broken")
        return f"203.0.113.{droplet['id'] % 254 + 1}"

    def apply_firewall(self, droplet_id: int, inbound_rules: list[dict[str, Any]] | None) -> None:
        LOG.info("rules %s %s", droplet_id, json.dumps(inbound_rules))

    def reserved_ip(self, taken: set[str]) -> str:
        return next(ip for ip in (f"198.51.100.{n}" for n in range(1, 255)) if ip not in taken)

    def answer_at(self, droplet_id: int, address: str | None) -> None:
        LOG.info("reserved IP %s %s", droplet_id, address)

    def destroy(self, droplet_id: int) -> None:
        LOG.info("destroy %s", droplet_id)

    def power_off(self, droplet_id: int) -> None:
        LOG.info("power_off %s", droplet_id)

    def power_on(self, droplet_id: int) -> None:
        LOG.info("power_on %s", droplet_id)

    def resize(self, droplet_id: int, vcpus: int, memory_mb: int) -> None:
        LOG.info("resize %s %s %s", droplet_id, vcpus, memory_mb)


class FakeEngines:
    """A load balancer named "broken" cannot be made."""

    def balance(self, balancer: dict[str, Any], members: dict[str, str]) -> str:
        _note("balance", balancer["id"], members)
        if balancer["name"] == "broken":
            raise RuntimeError("this balancer was asked to be broken")
        return f"192.0.2.{int(balancer['id'][:2], 16) % 254 + 1}"

    def unbalance(self, balancer_id: str) -> None:
        _note("unbalance", balancer_id)

    def serve(self, cluster: dict[str, Any]) -> str:
        users = {user["name"]: user["password"] for user in cluster["users"]}
        _note("serve", cluster["id"], {"users": users, "dbs": cluster["dbs"]})
        return _CA

    def guard(self, cluster_id: str, addresses: list[str] | None) -> None:
        _note("guard", cluster_id, addresses)

    def remove(self, cluster_id: str) -> None:
        _note("remove", cluster_id)


def _note(*words: object) -> None:
    shown = (word if isinstance(word, str) else json.dumps(word) for word in words)
    LOG.info(" ".join(("engine", *shown)))
