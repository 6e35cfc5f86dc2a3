"""What this machine's pip needs to reach its packages, for a pip in a container."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

from rehearsal.commands import output

from .machine import docker_gateway

# Settings that hold in a container as they do outside.
_CARRIED = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")
_FILES = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
_VARIABLES = ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "TRUSTED_HOST", "PROXY")


def _settings() -> dict[str, list[str]]:
    """This machine's pip configuration: every value of each key, in pip's order."""
    found: dict[str, list[str]] = {}
    for line in output(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, separator, value = line.partition("=")
        if separator:
            key = name.rsplit(".", 1)[-1]
            found.setdefault(key, []).extend(str(ast.literal_eval(value)).split())
    return found


def wheel_folders() -> list[Path]:
    """The folders of this machine that pip looks for wheels in, each once."""
    links = (link.removeprefix("file://") for link in _settings().get("find-links", []))
    return [Path(name) for name in dict.fromkeys(links) if list(Path(name).glob("*.whl"))]


def for_containers(wheels: str = "") -> str:
    """A pip.conf for a container here; `wheels` is the address that serves the wheel folders."""
    found = _settings()
    kept = {
        key: [value for value in dict.fromkeys(found.get(key, [])) if not value.startswith("file:")]
        for key in _CARRIED
    }
    if wheels:
        kept["trusted-host"].append(wheels.partition(":")[0])
        kept["find-links"] = [f"http://{wheels}/"]
    lines = ["[global]", "cert = /etc/ssl/certs/ca-certificates.crt"]
    lines += [f"{key} = {' '.join(values)}" for key, values in kept.items() if values]
    return "\n".join(lines) + "\n"


def fingerprint() -> str:
    """A text that changes when the above would; asking pip itself takes a second."""
    files = [Path(name).expanduser() for name in (*_FILES, os.environ.get("PIP_CONFIG_FILE", ""))]
    texts = [file.read_text() for file in (*files, Path(__file__)) if file.is_file()]
    variables = [os.environ.get(f"PIP_{name}", "") for name in _VARIABLES]
    return "\n".join([*texts, *variables, docker_gateway()])
