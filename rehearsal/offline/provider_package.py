"""The package that Terraform takes for its DigitalOcean provider where its registry is away.

A folder gets
  mirror/       the stand-in, laid out as Terraform expects a package: it starts provider/
  terraformrc   Terraform's settings that use it (TF_CLI_CONFIG_FILE)
"""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

from ops.console import terminal
from ops.console.errors import Failed
from ops.console.settings import ROOT
from rehearsal.commands import named_in, page

_SOURCE = "registry.terraform.io/digitalocean/digitalocean"
_VERSION = r'source *= *"digitalocean/digitalocean"\s*version *= *"([^"]+)"'
_LAUNCHER = """\
#!/bin/sh
# The rehearsal's stand-in for the DigitalOcean provider. No real provider is here.
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
        (folder / "terraformrc").unlink(missing_ok=True)
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
    version = named_in("infra/terraform/versions.tf", _VERSION)
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = folder / "mirror" / _SOURCE / version / f"linux_{machine}"
    package.mkdir(parents=True, exist_ok=True)
    program = package / f"terraform-provider-digitalocean_v{version}"
    program.write_text(_LAUNCHER.format(root=ROOT, cache=folder / "stand-in-cache"))
    program.chmod(0o755)
    (folder / "terraformrc").write_text(_SETTINGS.format(mirror=folder / "mirror", source=_SOURCE))


def _make_environment() -> None:
    if subprocess.run([ROOT / "scripts/venv", "rehearsal"], check=False).returncode != 0:
        raise Failed(
            "The stand-in for Terraform's provider has no Python environment; the reason is above.",
            "Fix it, then run the same command again.",
        )
