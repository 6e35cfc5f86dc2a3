"""What Terraform remembers of this deployment: its state, wherever that is kept.

Only reads. The state knows more than the environment: after a deployment under
another name, TF_VAR_name may be gone, and the state still has it.
"""

from __future__ import annotations

import json
import os
import subprocess
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


def _data() -> Path:
    return TERRAFORM / (os.environ.get("TF_DATA_DIR") or ".terraform")


def place() -> Path:
    """The file that the state is in, if no backend is configured."""
    chosen = _data() / "environment"
    workspace = os.environ.get("TF_WORKSPACE") or (
        chosen.read_text().strip() if chosen.exists() else "default"
    )
    folder = TERRAFORM if workspace == "default" else TERRAFORM / "terraform.tfstate.d" / workspace
    return folder / "terraform.tfstate"


def _text() -> str:
    """The state as it is kept; "" if there is none. Raises StateError."""
    if (_data() / "terraform.tfstate").exists():  # names a backend, such as a bucket
        return _from_backend()
    # Read without Terraform: every verb looks here, and the pipeline has none.
    try:
        return place().read_text()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(str(error)) from None


def _from_backend() -> str:
    try:
        done = subprocess.run(
            ["terraform", f"-chdir={TERRAFORM}", "state", "pull"],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError:
        raise StateError(
            "terraform is not installed, and its state is kept where only it can read it.\n"
            "Get it: https://developer.hashicorp.com/terraform/install"
        ) from None
    if done.returncode == 0:
        return done.stdout
    words = " ".join(done.stderr.split())
    if "initializ" in words.lower():
        raise StateError(
            "Terraform has to be initialised before it can read its state.\n"
            "terraform -chdir=infra/terraform init"
        )
    raise _unreadable(words[-300:])


def _unreadable(reason: str) -> StateError:
    return StateError(
        f"Terraform's state cannot be read: {reason or 'it is no state file'}\n"
        "Put the last good one in its place: the file beside it that ends in .backup"
    )


def _state() -> dict[str, Any]:
    text = _text()
    if not text.strip():
        return {}
    try:
        state: dict[str, Any] = json.loads(text)
        if isinstance(state.get("resources", []), list):
            return state
    except (ValueError, AttributeError):
        pass
    raise _unreadable("")


def resources() -> list[Resource]:
    """Every resource in the state; none if there is no state. Raises StateError."""
    found = []
    for resource in _state().get("resources") or []:
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
