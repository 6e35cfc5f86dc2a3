"""What Terraform remembers of this deployment: its state, wherever that is kept.

It is read, and its files are closed to the machine's other users. The state knows more than the
environment: after a deployment under another name, TF_VAR_name may be gone, and the state still
has it.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.console.distribution import how_to_get
from ops.console.errors import Failed
from ops.console.settings import TerraformSettings

DROPLET = "digitalocean_droplet"
# The first of several, which is there before and after the others.
FIRST = f"{DROPLET}.app"
RESERVED_IP = "digitalocean_reserved_ip"
BUCKET = "digitalocean_spaces_bucket"
DATABASE = "digitalocean_database_cluster"
# These have names of their own.
_NAMED_OTHERWISE = (
    "digitalocean_database_db",
    "digitalocean_database_user",
    "digitalocean_certificate",
    "digitalocean_record",
    "digitalocean_spaces_key",
    BUCKET,
)


class StateError(Failed):
    """The state cannot be read."""


@dataclass(frozen=True)
class Resource:
    """One resource in the state: its type, its id in the API, its name there, and its address.

    The address is how Terraform names it: digitalocean_droplet.app.
    """

    kind: str
    key: str
    name: str
    address: str


def _data(folder: Path) -> Path:
    """Where Terraform keeps what it needs beside the state."""
    return folder / (os.environ.get("TF_DATA_DIR") or ".terraform")


def place(terraform: TerraformSettings) -> Path:
    """The file that the state is in, if no backend is configured."""
    folder = terraform.path
    chosen = _data(folder) / "environment"
    workspace = os.environ.get("TF_WORKSPACE") or (
        chosen.read_text().strip() if chosen.exists() else "default"
    )
    if workspace != "default":
        folder = folder / "terraform.tfstate.d" / workspace
    return folder / "terraform.tfstate"


def close(terraform: TerraformSettings) -> None:
    """Let only its owner read the state: it holds Space keys and database passwords.

    Also the copies that Terraform keeps beside it, and the keys of a backend. What is another
    user's stays as it is.
    """
    folder = terraform.path
    found = [
        *folder.glob("*.tfstate*"),
        *folder.glob("terraform.tfstate.d/*/*.tfstate*"),
        *_data(folder).glob("*.tfstate*"),
    ]
    for file in found:
        with suppress(OSError):
            mode = file.stat().st_mode
            if file.is_file() and mode & 0o077:
                file.chmod(mode & 0o700)


def _text(terraform: TerraformSettings) -> str:
    """The state as it is kept; "" if there is none. Raises StateError."""
    close(terraform)
    if (_data(terraform.path) / "terraform.tfstate").exists():  # names a backend: a bucket
        return _from_backend(terraform)
    # Read without Terraform: every verb looks here, and the pipeline has none.
    try:
        return place(terraform).read_text()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(str(error)) from None


def _from_backend(terraform: TerraformSettings) -> str:
    try:
        done = subprocess.run(
            ["terraform", f"-chdir={terraform.path}", "state", "pull"],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError:
        raise StateError(
            "terraform is not installed, and its state is kept where only it can read it.",
            f"Get it: {how_to_get('terraform')}",
        ) from None
    if done.returncode == 0:
        return done.stdout
    words = " ".join(done.stderr.split())
    if "initializ" in words.lower():
        raise StateError(
            "Terraform has to be initialised before it can read its state.",
            f"terraform -chdir={terraform.folder} init",
        )
    raise _unreadable(words[-300:])


def _unreadable(reason: str) -> StateError:
    return StateError(
        f"Terraform's state cannot be read: {reason or 'it is no state file'}",
        "Put the last good one in its place: the file beside it that ends in .backup",
    )


def _state(terraform: TerraformSettings) -> dict[str, Any]:
    text = _text(terraform)
    if not text.strip():
        return {}
    try:
        state: dict[str, Any] = json.loads(text)
        if isinstance(state.get("resources", []), list):
            return state
    except (ValueError, AttributeError):
        pass
    raise _unreadable("")


def resources(terraform: TerraformSettings) -> list[Resource]:
    """Every resource in the state; none if there is no state. Raises StateError."""
    found = []
    for resource in _state(terraform).get("resources") or []:
        if resource.get("mode") != "managed":
            continue
        for instance in resource.get("instances", []):
            attributes = instance.get("attributes") or {}
            found.append(
                Resource(
                    str(resource.get("type")),
                    str(attributes.get("id") or ""),
                    str(attributes.get("name") or ""),
                    _address(resource, instance),
                )
            )
    return found


def variables(terraform: TerraformSettings) -> dict[str, Any]:
    """The values of Terraform's variables when it was applied last. Raises StateError."""
    outputs = _state(terraform).get("outputs") or {}
    return dict((outputs.get("variables") or {}).get("value") or {})


def _address(resource: dict[str, Any], instance: dict[str, Any]) -> str:
    """How Terraform names one instance of a resource: with its index, if it has one."""
    index = instance.get("index_key")
    ending = "" if index is None else f"[{json.dumps(index)}]"
    return f"{resource.get('type')}.{resource.get('name')}{ending}"


def deployed_name(found: list[Resource]) -> str:
    """The name under which they were made: the droplet's, else any; "" if there is none."""
    for resource in sorted(found, key=lambda r: r.kind != DROPLET):
        # An alert's is the deployment's and its own: "digits: down"; a second droplet's, too.
        another = resource.kind == DROPLET and resource.address != FIRST
        if another or resource.kind in _NAMED_OTHERWISE:
            continue
        if resource.name and ":" not in resource.name:
            return resource.name
    return ""
