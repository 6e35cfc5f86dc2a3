"""The package that Terraform takes for its DigitalOcean provider where its registry is away.

A folder gets
  mirror/       the stand-in, laid out as Terraform expects a package
  stand-in      what the package starts: Python with the source in provider/
  terraformrc   Terraform's settings that use it (TF_CLI_CONFIG_FILE)
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from pathlib import Path

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import ROOT

from .reachable import page

_SOURCE = "registry.terraform.io/digitalocean/digitalocean"
# Terraform keeps a hash of all files in the package, so this one never changes: where Python
# and the source are is written outside, four folders above the package's.
_LAUNCHER = """\
#!/bin/sh
# The rehearsal's stand-in for the DigitalOcean provider. No real provider is here.
package=$(dirname "$(readlink -f "$0")")
exec "$package/../../../../../../stand-in"
"""
_START = """\
#!/bin/sh
# Made by rehearsal/offline/provider_package.py.
cd '{root}' && exec .venv/rehearsal/bin/python -m rehearsal.offline.provider '{cache}'
"""
_SETTINGS = """\
# Made by rehearsal/offline/provider_package.py: a stand-in for one provider, nothing else.
disable_checkpoint = true
provider_installation {{
  filesystem_mirror {{
    path    = "{mirror}"
    include = ["{source}"]
  }}
  direct {{
    exclude = ["{source}"]
  }}
}}
"""


def settings(folder: Path) -> dict[str, str]:
    """The setting for Terraform, if the stand-in is installed in this folder."""
    file = folder / "terraformrc"
    return {"TF_CLI_CONFIG_FILE": str(file)} if file.exists() else {}


def install(folder: Path) -> None:
    """Install the stand-in, or, where Terraform's registry answers, take it away. Raises Failed."""
    if b"providers.v1" in page("https://registry.terraform.io/.well-known/terraform.json"):
        shutil.rmtree(folder / "mirror", ignore_errors=True)
        for name in ("stand-in", "terraformrc"):
            (folder / name).unlink(missing_ok=True)
        terminal.line("Terraform's registry answers: the real DigitalOcean provider is used.")
        return
    install_stand_in(folder)
    terminal.line(
        "Terraform's registry does not answer: a STAND-IN for the DigitalOcean provider is used,\n"
        "written for this rehearsal, with the same resources and attributes. It talks to nothing\n"
        "but the rehearsal."
    )


def install_stand_in(folder: Path) -> None:
    """Install the stand-in. Raises Failed."""
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    _make_environment()
    version = _version()
    package = folder / "mirror" / _SOURCE / version / f"linux_{_architecture()}"
    package.mkdir(parents=True, exist_ok=True)
    _program(package / f"terraform-provider-digitalocean_v{version}", _LAUNCHER)
    cache = folder / "stand-in-cache"
    _program(folder / "stand-in", _START.format(root=ROOT, cache=cache))
    (folder / "terraformrc").write_text(_SETTINGS.format(mirror=folder / "mirror", source=_SOURCE))


def _make_environment() -> None:
    if subprocess.run([ROOT / "scripts/venv", "rehearsal"], check=False).returncode != 0:
        raise Failed(
            "The stand-in for Terraform's provider has no Python environment; the reason is above.",
            "Fix it, then run the same command again.",
        )


def _version() -> str:
    """The provider's version that infra/terraform asks for."""
    text = (ROOT / "infra/terraform/versions.tf").read_text()
    block = re.search(r'source *= *"digitalocean/digitalocean"\s*version *= *"([^"]+)"', text)
    if not block:
        raise Failed(
            "infra/terraform/versions.tf does not name the DigitalOcean provider's version.",
            'Name it there, under its source: version = "2.99.1"',
        )
    return block[1]


def _architecture() -> str:
    """This machine's, as Terraform calls it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)
