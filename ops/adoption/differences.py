"""What a plan would change, in plain words: the account against Terraform's configuration."""

from __future__ import annotations

import json
from typing import Any

from ops.deployment.account import KINDS

# What no API tells: Terraform notes it in its own state, and the account does not change.
_NOTED_ONLY = {
    "digitalocean_droplet": {"resize_disk", "graceful_shutdown"},
    "digitalocean_spaces_bucket": {"acl", "force_destroy"},
}
# What is set in the environment, by the attribute that shows it.
_SETTINGS = {
    ("digitalocean_droplet", "size"): "TF_VAR_size",
    ("digitalocean_droplet", "region"): "TF_VAR_region",
}


def changes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The changes of a plan, without what stays as it is."""
    return [
        change
        for change in plan.get("resource_changes") or []
        if change.get("mode") != "data" and change["change"]["actions"] not in (["no-op"], ["read"])
    ]


def change_nothing(plan: dict[str, Any]) -> bool:
    """Whether applying a plan would only complete what Terraform knows, after an adoption.

    A key of your own is let into the account beside those of others, and to the Space, too, since
    the secret of one is told only once; that the project holds the droplet cannot be imported, and
    is said again; and some attributes no API tells.
    """
    return all(map(_changes_nothing, changes(plan)))


def _changes_nothing(change: dict[str, Any]) -> bool:
    kind, actions = change["type"], change["change"]["actions"]
    if kind == "digitalocean_project_resources":
        return actions in (["create"], ["update"])
    if kind in ("digitalocean_ssh_key", "digitalocean_spaces_key"):
        return bool(actions == ["create"])
    return actions == ["update"] and not _changed(change)


def in_words(plan: dict[str, Any], *, adopted: bool = False) -> list[str]:
    """Every difference that a plan would mend, a line each; `adopted`: not what it only notes."""
    there = [one for one in changes(plan) if not (adopted and _changes_nothing(one))]
    return [line for change in there for line in _in_words(change)]


def _in_words(change: dict[str, Any]) -> list[str]:
    actions, before = change["change"]["actions"], change["change"].get("before") or {}
    after = change["change"].get("after") or {}
    kind = KINDS.get(change["type"]) or change["type"].partition("_")[2].replace("_", " ")
    # An alert's number says nothing to anybody, its description does.
    words = [side.get(key) for key in ("name", "description", "id") for side in (before, after)]
    name = str(next(filter(None, words), change["address"]))
    if actions == ["create"]:
        return [f"{kind} {name}: missing in the account"]
    if actions == ["delete"]:
        return [f"{kind} {name}: in the account, and no longer in the configuration"]
    lines = [f"{kind} {name}: {line}" for line in _attributes(change)]
    if "delete" in actions:
        lines.append(f"{kind} {name}: to become so, it would have to be made anew")
    return lines


def _changed(change: dict[str, Any]) -> list[str]:
    """The attributes that differ: of the account's, not of Terraform's notes."""
    before, after = change["change"].get("before") or {}, change["change"].get("after") or {}
    unknown = change["change"].get("after_unknown") or {}
    names = {name for name, value in after.items() if _plain(before.get(name)) != _plain(value)}
    # What is known only when it is made: the number of a droplet that is not there yet.
    if change["change"]["actions"] == ["update"]:
        names |= {name for name, value in unknown.items() if _holds_true(value)}
    return sorted(names - _NOTED_ONLY.get(change["type"], set()))


def _holds_true(value: object) -> bool:
    """Whether Terraform marks a value, or something in it, as unknown or as secret."""
    if isinstance(value, dict | list):
        return any(map(_holds_true, value.values() if isinstance(value, dict) else value))
    return value is True


def _plain(value: object) -> object:
    """Null, empty and false are one for the provider."""
    return value or None


def _attributes(change: dict[str, Any]) -> list[str]:
    before, after = change["change"].get("before") or {}, change["change"].get("after") or {}
    hidden = change["change"].get("after_sensitive") or {}
    lines = []
    for name in _changed(change):
        if _holds_true(hidden.get(name)):
            lines.append(f"{name}: differs (secret)")
            continue
        if name not in after:
            lines.append(f"{name}: {_text(before.get(name))} in the account, and another later")
            continue
        there, here = _apart(before.get(name), after[name])
        line = f"{name}: {there} in the account, {here} in the configuration"
        if setting := _SETTINGS.get((change["type"], name)):
            line += f"   (to keep it: export {setting}={before.get(name)})"
        lines.append(line)
    return lines


def _apart(before: object, after: object) -> tuple[str, str]:
    """Two values as text; of two lists only what the other lacks."""
    if isinstance(before, list) and isinstance(after, list):
        return _lacking(before, after), _lacking(after, before)
    return _text(before), _text(after)


def _lacking(some: list[Any], others: list[Any]) -> str:
    known = [_text(other) for other in others]
    return " and ".join(_text(one) for one in some if _text(one) not in known) or "nothing more"


def _text(value: object) -> str:
    if isinstance(value, dict):
        value = {key: inner for key, inner in sorted(value.items()) if _plain(inner) is not None}
    return value if isinstance(value, str) else json.dumps(value)
