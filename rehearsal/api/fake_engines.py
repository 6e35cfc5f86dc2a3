"""Engines with nothing behind them, for tests of the API itself."""

from __future__ import annotations

import json
from typing import Any

from .clock import LOG

_CA = "-----BEGIN CERTIFICATE-----\nof no authority\n-----END CERTIFICATE-----\n"


class FakeEngines:
    """Answers at once, and writes what it was asked into the server's log, for tests to see.

    A load balancer named "broken" cannot be made.
    """

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
