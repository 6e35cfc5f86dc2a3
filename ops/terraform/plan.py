"""A plan of Terraform's, and what it would do to what must not be lost."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.console.errors import Failed
from ops.terraform.state import DATABASE, DROPLET, FIRST, RESERVED_IP

BALANCER = "digitalocean_loadbalancer"
FIREWALL = "digitalocean_firewall.app"
Change = dict[str, Any]  # one resource's, as `terraform show -json` has it


@dataclass(frozen=True)
class Plan:
    """A plan in a file that only you may read: it holds values that no output shows."""

    file: Path
    data: dict[str, Any]
    differs: bool = True  # whether there is anything to do

    @property
    def changes(self) -> list[Change]:
        """What happens to each resource, those that stay as they are included."""
        return self.data.get("resource_changes") or []

    @property
    def is_larger(self) -> bool:
        """Whether it is about more than one droplet: others, a load balancer, or a database."""
        return any(
            one["type"] in (BALANCER, DATABASE)
            or (one["type"] == DROPLET and one["address"] != FIRST)
            for one in self.changes
        )

    def actions(self, kind: str) -> list[list[str]]:
        """What happens to the resources of a kind."""
        return [one["change"]["actions"] for one in self.changes if one["type"] == kind]

    @property
    def losses(self) -> list[Change]:
        """The changes that delete or replace the first droplet, or the managed database.

        A second droplet holds nothing that would be lost.
        """
        return [
            one
            for one in self.changes
            if "delete" in one["change"]["actions"]
            and (one["address"] == FIRST or one["type"] == DATABASE)
        ]

    @property
    def removes_database(self) -> bool:
        """Whether it removes the managed database, and makes no other."""
        return ["delete"] in self.actions(DATABASE)

    @property
    def keeps_database(self) -> bool:
        """Whether the managed database is there before it and after it, with its rows."""
        return any(actions in (["no-op"], ["update"]) for actions in self.actions(DATABASE))

    @property
    def keeps_address(self) -> bool:
        """Whether the site's address, a reserved IP, is there before it and after it."""
        return any(actions in (["update"], ["no-op"]) for actions in self.actions(RESERVED_IP))

    @property
    def makes_first_droplet(self) -> bool:
        """Whether there is a new first droplet after it, in the place of another or not."""
        return any(
            one["address"] == FIRST and "create" in one["change"]["actions"] for one in self.changes
        )

    @property
    def created(self) -> list[str]:
        """The names of the droplets that it creates."""
        return self._droplets("create", "after")

    @property
    def deleted(self) -> list[str]:
        """The names of the droplets that it deletes, or replaces, where there are several."""
        several = any(one["type"] == DROPLET and one["address"] != FIRST for one in self.changes)
        return self._droplets("delete", "before") if several else []

    def _droplets(self, action: str, side: str) -> list[str]:
        return [
            (one["change"].get(side) or {}).get("name", "")
            for one in self.changes
            if one["type"] == DROPLET and action in one["change"]["actions"]
        ]

    @property
    def closes_first_droplet(self) -> bool:
        """Whether it closes a droplet that stays to all visitors but its load balancer's."""
        changes = {one["address"]: one["change"] for one in self.changes}
        firewall, first = changes.get(FIREWALL), changes.get(FIRST)
        if not firewall or not first or "create" in first["actions"]:
            return False
        was, will_be = (_open_to_visitors(firewall.get(side)) for side in ("before", "after"))
        return was and not will_be


def _open_to_visitors(firewall: dict[str, Any] | None) -> bool:
    rules = (firewall or {}).get("inbound_rule") or []
    return any(rule["port_range"] == "80" and rule.get("source_addresses") for rule in rules)


def read_plan(text: str) -> dict[str, Any]:
    """A plan, as `terraform show -json` prints it. Raises Failed if this is none."""
    try:
        data: dict[str, Any] = json.loads(text)
        _ = data["format_version"]  # other JSON has none
        _ = [change["change"]["actions"] for change in data.get("resource_changes") or []]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise Failed(
            f"What Terraform plans could not be read ({error}), so nothing was changed.",
            "See whether it is readable by hand: terraform -chdir=infra/terraform plan",
        ) from error
    return data
