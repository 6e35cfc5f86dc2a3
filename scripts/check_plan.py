"""Whether a Terraform plan takes the droplet away.

    terraform show -json PLAN | python check_plan.py

Exit status 0: the droplet stays, or there is none yet. 3: the plan deletes or
replaces it; what changes and what that costs is printed. 1: this is no plan.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from digitalocean_api import CloudError, sizes

LOSES_THE_DROPLET = 3
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


def losses(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The changes of a plan that delete or replace a droplet."""
    return [
        change
        for change in plan.get("resource_changes") or []
        if change["type"] == "digitalocean_droplet" and "delete" in change["change"]["actions"]
    ]


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


def causes(loss: dict[str, Any]) -> list[str]:
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


def price(loss: dict[str, Any]) -> str:
    """What the droplet costs now and what its successor will, as far as that is known."""
    before, after = loss["change"].get("before") or {}, loss["change"].get("after") or {}
    old, new = before.get("price_monthly"), None
    if after.get("size") == before.get("size"):
        new = old
    elif after:
        try:
            known = sizes().get(str(after.get("size")))
        except CloudError:
            known = None
        new = known.dollars_a_month if known else None

    def dollars(value: float | None) -> str:
        return "an unknown price" if value is None else f"${value:g} a month"

    if not after:
        return f"{dollars(old)} is no longer paid"
    return f"the price is {dollars(old)} now and {dollars(new)} afterwards"


def explain(loss: dict[str, Any]) -> str:
    """All that a person has to know before saying yes."""
    before = loss["change"].get("before") or {}
    replaced = "create" in loss["change"]["actions"]
    droplet = f"{before.get('name', loss['address'])} ({before.get('ipv4_address', 'no address')})"
    lines = [
        f"This plan {'replaces' if replaced else 'deletes'} the droplet {droplet}.",
        "Because:",
        *(f"  - {cause}" for cause in causes(loss)),
        "What that costs:",
        "  - all data on it is lost, and with it the logged answers",
        "  - its IP address changes, and with it the page's URL"
        if replaced
        else "  - its IP address goes, and with it the page",
        *(["  - the page is down until the new droplet is set up"] if replaced else []),
        f"  - {price(loss)}",
    ]
    return "\n".join(lines)


def main() -> int:
    """Return the exit status."""
    try:
        plan = json.load(sys.stdin)
        _ = plan["format_version"]  # other JSON has none
        text = "\n\n".join(explain(loss) for loss in losses(plan))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        print(
            f"What Terraform plans could not be read ({error}), so nothing was changed.\n"
            "See whether it is readable by hand: terraform -chdir=infra/terraform plan",
            file=sys.stderr,
        )
        return 1
    if text:
        print(text)
        return LOSES_THE_DROPLET
    return 0


if __name__ == "__main__":
    sys.exit(main())
