"""A driver with no machines behind it, for tests of the API itself."""

from __future__ import annotations

import json
import time
from typing import Any

from .clock import LOG
from .driver import Addresses


class FakeDriver:
    """Answers at once and remembers what it was asked.

    Its addresses are documentation addresses (RFC 5737, RFC 3849), where
    nothing ever answers. A droplet named "broken" cannot be made.
    """

    def __init__(self, seconds_to_boot: float = 0.2) -> None:
        self.seconds_to_boot = seconds_to_boot
        self.calls: list[tuple[str, int]] = []

    def create(
        self,
        droplet_id: int,
        name: str,
        vcpus: int,
        memory_mb: int,
        disk_gb: int,
        image: str,
        ssh_public_keys: list[str],
        user_data: str | None,
    ) -> Addresses:
        self.calls.append(("create", droplet_id))
        time.sleep(self.seconds_to_boot)
        if name == "broken":
            raise RuntimeError("this droplet was asked to be broken")
        last = droplet_id % 254 + 1
        return Addresses(f"203.0.113.{last}", f"10.114.0.{last}", f"2001:db8::{last:x}")

    def destroy(self, droplet_id: int) -> None:
        self.calls.append(("destroy", droplet_id))

    def apply_firewall(self, droplet_id: int, inbound_rules: list[dict[str, Any]] | None) -> None:
        self.calls.append(("apply_firewall", droplet_id))
        # Into the server's log, where tests see it.
        LOG.info("rules %s %s", droplet_id, json.dumps(inbound_rules))

    def reserved_ip(self, taken: set[str]) -> str:
        return next(ip for ip in (f"198.51.100.{n}" for n in range(1, 255)) if ip not in taken)

    def answer_at(self, droplet_id: int, address: str | None) -> None:
        self.calls.append(("answer_at", droplet_id))
        LOG.info("reserved IP %s %s", droplet_id, address)

    def power_off(self, droplet_id: int) -> None:
        self.calls.append(("power_off", droplet_id))

    def power_on(self, droplet_id: int) -> None:
        self.calls.append(("power_on", droplet_id))

    def reboot(self, droplet_id: int) -> None:
        self.calls.append(("reboot", droplet_id))

    def resize(self, droplet_id: int, vcpus: int, memory_mb: int) -> None:
        self.calls.append(("resize", droplet_id))
