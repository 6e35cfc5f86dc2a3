"""Which plans are refused, and what such a plan would cost.

One that locks you out of ssh, or loses the droplet, the managed database or the backups.
"""

from __future__ import annotations

import json
from typing import Any

from ops.cloud.api import Cloud, CloudError
from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import Consent, SshSettings
from ops.terraform import ssh_guard
from ops.terraform.plan import Change, Plan
from ops.terraform.state import BUCKET, DATABASE, FIRST

# Terraform's words for why, where no attribute forces it.
REASONS = {
    "replace_because_tainted": "Terraform holds it for damaged (tainted): its making did not end",
    "replace_by_request": "asked for with -replace",
    "replace_by_triggers": "something it is tied to (replace_triggered_by) changes",
    "delete_because_no_resource_config": "it is no longer in infra/terraform",
    "delete_because_no_module": "it is no longer in infra/terraform",
    "delete_because_wrong_repetition": "its count or for_each changed",
    "delete_because_count_index": "its count changed",
    "delete_because_each_key": "its for_each changed",
}


# Resources that cannot move to another region.
_BOUND = {"digitalocean_loadbalancer": "a load balancer", DATABASE: "a managed database"}


def refuse(plan: Plan, ssh: SshSettings, consent: Consent) -> None:
    """Raise Failed for a plan that goes wrong half-way, or loses more than was agreed to.

    What it does to the droplet and the database, a person may agree to: see explain().
    """
    ssh_guard.refuse(ssh, plan.data)
    _refuse_another_region(plan)
    if consent.drop_copies != "yes":
        _refuse_another_space(plan)


def _refuse_another_region(plan: Plan) -> None:
    """Raise Failed for a plan that moves what cannot move to another region.

    Terraform would go half-way: the balancer's name is taken, the database's network is elsewhere,
    and by then droplets are gone.
    """
    wanted = next(
        (one["change"]["after"]["region"] for one in plan.changes if _is_after(one, FIRST)), None
    )
    bound = {
        one["type"]: str(one["change"]["before"]["region"])
        for one in plan.changes
        if one["type"] in _BOUND and one["change"].get("before")
    }
    stay = {kind: region for kind, region in bound.items() if wanted and region != wanted}
    if stay:
        here = next(iter(stay.values()))
        bound_things = " and ".join(text for kind, text in _BOUND.items() if kind in stay)
        alone = make("deploy TF_VAR_droplets=1 TF_VAR_managed_database=false")
        raise Failed(
            f"Refused: the deployment is in {here}, with {bound_things}, which cannot move to "
            f"{wanted}. Nothing was changed.",
            f"To stay: export TF_VAR_region={here}. To move: first go back to one droplet with its "
            f"own database ({alone}), then change the region, then take several again",
        )


def _refuse_another_space(plan: Plan) -> None:
    """Raise Failed for a plan that would make the Space again, empty."""
    for one in plan.changes:
        before = one["change"].get("before") or {}
        again = {"delete", "create"} <= {*one["change"]["actions"]}
        if one["type"] == BUCKET and again:
            where = before.get("region")
            raise Failed(
                f"Refused: the Space {before.get('name')} with the backups is in {where}, and this "
                "plan would make it again elsewhere, empty. Nothing was changed.",
                f"To keep it where it is: export TF_VAR_backup_bucket_region={where}. If you mean "
                "it: the same command with DROP_COPIES=yes",
            )


def _is_after(change: Change, address: str) -> bool:
    """Whether the change is of this resource, and it is there afterwards."""
    return bool(change["address"] == address and change["change"].get("after"))


def lost(losses: list[Change]) -> str:
    """What they take away, in a word or two."""
    kinds = {loss["type"] for loss in losses}
    names = ["the droplet"] if kinds - {DATABASE} else []
    return " and ".join([*names, *(["the managed database"] if DATABASE in kinds else [])])


def _shown(change: dict[str, Any], side: str, path: list[Any]) -> str:
    """The value of an attribute before or after, as a person may see it."""
    hidden, unknown = change.get(f"{side}_sensitive"), change.get("after_unknown")
    if isinstance(hidden, dict) and hidden.get(path[0]):
        return "(secret)"
    if side == "after" and isinstance(unknown, dict) and unknown.get(path[0]):
        return "(known when it is made)"
    value: Any = change.get(side)
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            value = None
    return json.dumps(value)


def causes(loss: Change) -> list[str]:
    """What makes Terraform take the droplet away, one line each."""
    change = loss["change"]
    lines = [
        f"{'.'.join(map(str, path))}: {_shown(change, 'before', path)} -> "
        f"{_shown(change, 'after', path)}"
        for path in change.get("replace_paths") or []
    ]
    if reason := REASONS.get(loss.get("action_reason") or ""):
        lines.append(reason)
    return lines or ["the whole deployment is to go"]


def price(cloud: Cloud, loss: Change) -> str:
    """What the droplet costs now and what its successor will, as far as that is known."""
    before, after = loss["change"].get("before") or {}, loss["change"].get("after") or {}
    old, new = before.get("price_monthly"), None
    if after.get("size") == before.get("size"):
        new = old
    elif after:
        try:
            known = cloud.sizes().get(str(after.get("size")))
        except CloudError:
            known = None
        new = known.dollars_a_month if known else None

    def dollars(value: float | None) -> str:
        return "an unknown price" if value is None else f"${value:g} a month"

    if not after:
        return f"{dollars(old)} is no longer paid"
    return f"the price is {dollars(old)} now and {dollars(new)} afterwards"


def explain(cloud: Cloud, plan: Plan, loss: Change) -> str:
    """All that a person has to know before saying yes."""
    before = loss["change"].get("before") or {}
    replaced = "create" in loss["change"]["actions"]
    if loss["type"] == DATABASE:
        return _database(loss, replaced)
    droplet = f"{before.get('name', loss['address'])} ({before.get('ipv4_address', 'no address')})"
    address = (
        "  - its own IP address changes; the page keeps its URL, a reserved IP's"
        if plan.keeps_address
        else "  - its IP address changes, and with it the page's URL"
    )
    lines = [
        f"This plan {'replaces' if replaced else 'deletes'} the droplet {droplet}.",
        "Because:",
        *(f"  - {cause}" for cause in causes(loss)),
        "What that costs:",
        "  - all data on it is lost, and with it the logged answers",
        address if replaced else "  - its IP address goes, and with it the page",
        *(["  - the page is down until the new droplet is set up"] if replaced else []),
        f"  - {price(cloud, loss)}",
    ]
    return "\n".join(lines)


def _database(loss: Change, replaced: bool) -> str:
    name = (loss["change"].get("before") or {}).get("name", loss["address"])
    return "\n".join(
        [
            f"This plan {'replaces' if replaced else 'deletes'} the managed database {name}.",
            "Because:",
            *(f"  - {cause}" for cause in causes(loss)),
            "What that costs:",
            "  - all that is logged in it, and the backups that DigitalOcean made of it",
        ]
    )
