"""What Ansible would change on the droplet, in plain words: its check mode changes nothing."""

from __future__ import annotations

import difflib
import json
import subprocess
from collections.abc import Iterator
from typing import Any

from ops.console.errors import Failed
from ops.console.settings import Settings
from ops.provision import ansible

_LINES = 12  # of a file's differences; all of them: ansible-playbook --check --diff


def in_words(settings: Settings) -> list[str]:
    """Every task that would change something, and what. Raises Failed."""
    command = ["ansible-playbook", "--check", "--diff", str(ansible.FOLDER / "site.yml")]
    # Its output as data. Of what else it says, the errors.
    told = ansible.environment(settings) | {"ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"}
    done = subprocess.run(command, env=told, stdout=subprocess.PIPE, text=True, check=False)
    try:
        plays = json.loads(done.stdout[done.stdout.index("{") :])["plays"]
    except (ValueError, LookupError):
        plays = []
    tasks = [task for play in plays for task in play["tasks"]]
    hosts = {host for task in tasks for host in task["hosts"]} - {"localhost"}
    tasks = [task | {"several": len(hosts) > 1} for task in tasks]
    failed = [line for task in tasks for line in _failures(task)]
    if done.returncode != 0 or not tasks:
        raise Failed(
            "Ansible could not look at all of the droplet.",
            *failed or ["Its reason is above."],
            f"Mend it, then run the same command again: {settings.verb('drift')}",
        )
    return [line for task in tasks for line in _changes(task)]


def _failures(task: dict[str, Any]) -> Iterator[str]:
    for host, result in task["hosts"].items():
        if result.get("failed") or result.get("unreachable"):
            yield f"{_whose(task, host)}: {result.get('msg', 'it does not say why')}"


def _whose(task: dict[str, Any], host: str) -> str:
    """The task's name, and of several droplets also the droplet's."""
    name = str(task["task"]["name"])
    return f"{host}: {name}" if task.get("several") else name


def _changes(task: dict[str, Any]) -> Iterator[str]:
    # What a handler would restart follows from what is said already.
    if "/handlers/" in task["task"].get("path", ""):
        return
    for host, result in task["hosts"].items():
        if not result.get("changed"):
            continue
        yield _whose(task, host)
        for one in result.get("results") or [result]:
            if one.get("changed"):
                yield from _differences(one.get("diff") or [])


def _differences(diffs: dict[str, Any] | list[dict[str, Any]]) -> Iterator[str]:
    for diff in [diffs] if isinstance(diffs, dict) else diffs:
        if said := str(diff.get("prepared") or ""):  # a module's own words
            yield from (f"  {line}" for line in said.strip().splitlines()[:_LINES])
        before, after = (_lines(diff.get(side)) for side in ("before", "after"))
        if before == after:
            continue
        named = diff.get("before_header") or diff.get("after_header")
        yield from [f"  {named}"] if named else []
        # Without the lines that name the two sides and the places.
        lines = [
            f"  {line}"
            for line in difflib.unified_diff(before, after, n=0, lineterm="")
            if not line.startswith(("---", "+++", "@@"))
        ]
        yield from lines[:_LINES]
        if len(lines) > _LINES:
            yield f"  ... and {len(lines) - _LINES} lines more"


def _lines(value: object) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}: {inner}" for name, inner in sorted(value.items())]
    return str(value or "").splitlines()
