"""What of this deployment exists, before it is destroyed and after.

    python leftovers.py before FILE   what will go; remembers it in FILE
    python leftovers.py after FILE    what is left of it

Before: exit status 0 if Terraform has something to remove, 3 if there is nothing
at all. After: 0 if nothing is left that costs money. Else 1, with what to do.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from deployment import verb
from digitalocean_api import (
    CONTROL_PANEL,
    CloudError,
    Thing,
    belongings,
    deployment_name,
    still_there,
)
from terraform_state import Resource, StateError, deployed_name, resources

NOTHING = 3
SECONDS = 15  # for the API's lists to take note of what is gone
KINDS = {
    "digitalocean_droplet": "droplet",
    "digitalocean_project": "project",
    "digitalocean_firewall": "firewall",
    "digitalocean_ssh_key": "ssh key",
    "digitalocean_tag": "tag",
}


def _print(title: str, things: list[Thing]) -> None:
    if things:
        print(title, *(f"  {thing}" for thing in things), sep="\n")


def unknown_to(state: list[Resource], there: list[Thing]) -> list[Thing]:
    """Those of the things that Terraform's state does not hold."""
    managed = {(KINDS.get(resource.kind), resource.key) for resource in state}
    return [thing for thing in there if (thing.kind, thing.key) not in managed]


def before(file: Path) -> int:
    """List what there is, and remember it."""
    state = resources()
    # What Terraform will remove may have been made under another name than is set now.
    name = deployed_name(state) or deployment_name()
    there = belongings(name)
    file.write_text(json.dumps({"name": name, "things": [asdict(thing) for thing in there]}))
    others = unknown_to(state, there)
    going = [thing for thing in there if thing not in others]
    _print(f"DigitalOcean has of {name}, and it will go:", going)
    _print(f"DigitalOcean has of {name}, and Terraform does not know it, so it stays:", others)
    if state:
        print(f"Terraform made, and will remove, {len(state)}:", flush=True)
        return 0
    if not any(thing.billed for thing in others):
        print(f"There is nothing to destroy: no droplet of {name}, and Terraform made nothing.")
        return NOTHING
    print(
        "Terraform's state on this machine holds nothing, so it cannot remove the above.\n"
        f"Run {verb('destroy')} where {verb('deploy')} ran, or remove it by hand: "
        f"{CONTROL_PANEL}/projects",
        file=sys.stderr,
    )
    return 1


def after(file: Path) -> int:
    """List what is left of what was there, and of what the name stands for."""
    remembered = json.loads(file.read_text())
    name = remembered["name"]
    things = [Thing(**thing) for thing in remembered["things"]]
    deadline = time.monotonic() + SECONDS
    while True:
        # What went on existing elsewhere is the same thing under the same number.
        left = {(t.kind, t.key): t for t in [*still_there(things), *belongings(name)]}
        billed = [thing for thing in left.values() if thing.billed]
        if not billed or time.monotonic() > deadline:
            break
        time.sleep(3)
    _print("Left, and free of charge:", [thing for thing in left.values() if not thing.billed])
    if not billed:
        print(f"Nothing that costs money is left of {name}.")
        return 0
    _print("Left, and paid for until it is removed:", billed)
    print(f"Remove it by hand: {CONTROL_PANEL}/projects", file=sys.stderr)
    return 1


def main(verb: str, file: str) -> int:
    """Return the exit status."""
    try:
        return before(Path(file)) if verb == "before" else after(Path(file))
    except (CloudError, StateError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
