"""What Terraform remembers of this deployment: its state, wherever that is kept.

    python terraform_state.py    prints the deployment's name, or nothing

Only reads. The state knows more than the environment: after a deployment under
another name, TF_VAR_name may be gone, and the state still has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TERRAFORM = Path(__file__).resolve().parents[1] / "terraform"


class StateError(Exception):
    """The state cannot be read; the text's last line says what to do."""


@dataclass(frozen=True)
class Resource:
    """One resource in the state: its type, its id in the API, and its name there."""

    kind: str
    key: str
    name: str


def _is_anywhere() -> bool:
    """Whether there is a state to ask for; Terraform itself makes folders when it looks."""
    data = TERRAFORM / (os.environ.get("TF_DATA_DIR") or ".terraform")
    if (data / "terraform.tfstate").exists():  # names a remote backend
        return True
    chosen = data / "environment"
    workspace = os.environ.get("TF_WORKSPACE") or (
        chosen.read_text().strip() if chosen.exists() else "default"
    )
    folder = TERRAFORM if workspace == "default" else TERRAFORM / "terraform.tfstate.d" / workspace
    return (folder / "terraform.tfstate").exists()


def _pull() -> dict[str, Any]:
    if not _is_anywhere():
        return {}
    done = subprocess.run(
        ["terraform", f"-chdir={TERRAFORM}", "state", "pull"],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode == 0:
        try:
            state: dict[str, Any] = json.loads(done.stdout or "{}")
        except ValueError:
            state = {"resources": None}
        if isinstance(state.get("resources", []), list):
            return state
    words = " ".join(done.stderr.split())
    if "initializ" in words.lower():
        raise StateError(
            "Terraform has to be initialised before it can read its state.\n"
            "terraform -chdir=infra/terraform init"
        )
    raise StateError(
        f"Terraform cannot read its state: {words[-300:] or 'it is no state file'}\n"
        "Put the last good one in its place: the file beside it that ends in .backup"
    )


def resources() -> list[Resource]:
    """Every resource in the state; none if there is no state. Raises StateError."""
    found = []
    for resource in _pull().get("resources") or []:
        if resource.get("mode") != "managed":
            continue
        for instance in resource.get("instances", []):
            attributes = instance.get("attributes") or {}
            found.append(
                Resource(
                    str(resource.get("type")),
                    str(attributes.get("id") or ""),
                    str(attributes.get("name") or ""),
                )
            )
    return found


def deployed_name(found: list[Resource]) -> str:
    """The name under which they were made: the droplet's, else any; "" if there is none."""
    for resource in sorted(found, key=lambda r: r.kind != "digitalocean_droplet"):
        if resource.name:
            return resource.name
    return ""


def main() -> int:
    """Return the exit status."""
    try:
        print(deployed_name(resources()))
    except StateError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
