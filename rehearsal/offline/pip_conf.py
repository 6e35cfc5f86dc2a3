"""What this machine's pip needs to reach its packages, for a pip in a container."""

from __future__ import annotations

import ast
import json
import os
import shutil
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ops.console import terminal
from ops.console.settings import Settings
from rehearsal.commands import output, page

# Settings that hold in a container as they do outside.
_CARRIED = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout")
_FILES = ("/etc/pip.conf", "/etc/xdg/pip/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")
_VARIABLES = ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "TRUSTED_HOST", "PROXY")


def setting(folder: Path) -> dict[str, str]:
    """The setting that names a pip.conf, which is in this folder and holds for this process.

    There is none where PyTorch's index answers. Raises Failed.
    """
    file = folder / "pip.conf"
    if page(f"{Settings.read().build.torch_index}/torch/"):
        file.unlink(missing_ok=True)
        return {}
    terminal.line(
        "PyTorch's index does not answer; torch comes from where this machine's pip has it."
    )
    file.write_text(for_containers(_serve_wheels(folder / "wheels")))
    return {"PIP_CONF": str(file)}


def _settings() -> dict[str, list[str]]:
    """This machine's pip configuration: every value of each key, in pip's order."""
    found: dict[str, list[str]] = {}
    for line in output(sys.executable, "-m", "pip", "config", "list").splitlines():
        name, separator, value = line.partition("=")
        if separator:
            key = name.rsplit(".", 1)[-1]
            found.setdefault(key, []).extend(str(ast.literal_eval(value)).split())
    return found


def _serve_wheels(folder: Path) -> str:
    """Serve the wheels that pip finds in folders of this machine; the address, "" for none.

    A folder cannot be reached from a container, a page on Docker's bridge can, for as long as this
    process lives; and nothing of it ends up in an image.
    """
    links = [Path(link.removeprefix("file://")) for link in _settings().get("find-links", [])]
    wheels = {wheel.name: wheel.resolve() for link in links for wheel in link.glob("*.whl")}
    if not wheels:
        return ""
    # One page of links, which is what pip's find-links asks for.
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, wheel in wheels.items():
        (folder / name).symlink_to(wheel)
    handler = partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer((_gateway(), 0), handler)
    threading.Thread(target=server.serve_forever, name="wheels", daemon=True).start()
    return f"{_gateway()}:{server.server_port}"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing."""


def for_containers(wheels: str = "") -> str:
    """A pip.conf for a container here; `wheels` is the address that has the wheels."""
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
    return "\n".join([*texts, *variables, _gateway()])


def _gateway() -> str:
    """The address at which containers on Docker's default bridge find this machine."""
    [bridge] = json.loads(output("docker", "network", "inspect", "bridge"))
    config = bridge["IPAM"]["Config"][0]
    # Docker leaves it out where nobody chose one; it is the first of the subnet then.
    first = config["Subnet"].rpartition(".")[0] + ".1"
    return str(config.get("Gateway") or first)
