"""Whether a plan only completes Terraform's state after an adoption, and changes nothing real."""

from __future__ import annotations

from ops.terraform.plan import Change, Plan

# In no API: Terraform keeps them in its state only, and the account does not change.
_NOTED_ONLY = {
    "digitalocean_droplet": {"resize_disk", "graceful_shutdown"},
    "digitalocean_spaces_bucket": {"acl", "force_destroy"},
}


def completes_the_state(plan: Plan) -> bool:
    """Whether applying this plan would change nothing but Terraform's state.

    Your own SSH key is added beside those of others, and a key to the Space, since no API shows an
    old key's secret; that the project holds the droplet cannot be imported, and is set once more;
    and some attributes are in no API.
    """
    return all(map(_changes_nothing, plan.changes))


def _changes_nothing(change: Change) -> bool:
    kind, actions = change["type"], change["change"]["actions"]
    if actions in (["no-op"], ["read"]):
        return True
    if kind == "digitalocean_project_resources":
        return actions in (["create"], ["update"])
    if kind in ("digitalocean_ssh_key", "digitalocean_spaces_key"):
        return bool(actions == ["create"])
    return actions == ["update"] and _changed(change) <= _NOTED_ONLY.get(kind, set())


def _changed(change: Change) -> set[str]:
    """The attributes that differ; for the provider, null, empty and false are one."""
    before, after = change["change"].get("before") or {}, change["change"].get("after") or {}
    unknown = change["change"].get("after_unknown") or {}
    names = {name for name, value in after.items() if (before.get(name) or None) != (value or None)}
    return names | {name for name, value in unknown.items() if _holds_true(value)}


def _holds_true(value: object) -> bool:
    """Whether Terraform marks a value, or something in it, as unknown."""
    if isinstance(value, dict | list):
        return any(map(_holds_true, value.values() if isinstance(value, dict) else value))
    return value is True
